"""The page of equations: what is read out of a docstring, against samples read by hand, and that it is up to date."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("make_equations", ROOT / "docs" / "make_equations.py")
assert SPEC is not None and SPEC.loader is not None
equations = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(equations)

SAMPLES: list[tuple[str, list[str]]] = [
    ("Prediction step, Eq. 4.21-4.23: ``m- = F m``.", ["Latent Matters: Eq. 4.21-4.23"]),
    ("Both of Eq. 4.17, 4.31.", ["Latent Matters: Eq. 4.17", "Latent Matters: Eq. 4.31"]),
    ("Eqs. 4.3 to 4.5 and 4.7.", ["Latent Matters: Eq. 4.3-4.5", "Latent Matters: Eq. 4.7"]),
    ("From an LSTM, Tables A.3 and A.4.", ["Latent Matters: Table A.3", "Latent Matters: Table A.4"]),
    ("Table A.2, 3 layers of 128, and Eq. 4.7, 0 at first.", ["Latent Matters: Table A.2", "Latent Matters: Eq. 4.7"]),
    ("REWO (Algorithm 3). Eq. 3.4: GECO.", ["Latent Matters: Algorithm 3", "Latent Matters: Eq. 3.4"]),
    ("Algorithms 2 and 3, 5 times.", ["Latent Matters: Algorithm 2", "Latent Matters: Algorithm 3"]),
    ("Linearisation (Latent Matters, 4.2.1, Eq. 4.13).", ["Latent Matters: Eq. 4.13", "Latent Matters: Section 4.2.1"]),
    ("A goal (Latent\n    Matters, section 4.3.2).", ["Latent Matters: Section 4.3.2"]),
    ("As Latent Matters describes it (4.2, 4.4.3, Table A.5).", ["4.2", "4.4.3", "Table A.5"]),
    ("Of Latent Matters, 4.4.2 and 4.4.3: Tables 4.1 and 4.3.", ["4.4.2", "4.4.3", "Table 4.1", "Table 4.3"]),
    ("The filter (4.2.5.3) weighs it.", ["Latent Matters: Section 4.2.5.3"]),
    ("Of the shoulder (Table 4.2a); for pictures (Table 4.2b).", ["Table 4.2a", "Table 4.2b"]),
    ("Information-theoretic (Williams et al., 2017, Algorithm 2).", ["Williams et al., 2017: Algorithm 2"]),
    ("Points (Arasaratnam and Haykin 2009, Eq. 21-26), then Eq. 4.7.", ["Haykin, 2009: Eq. 21-26", "Matters: Eq. 4.7"]),
    ("The least (Tassa et al. (2012), Eq. 11).", ["Tassa et al., 2012: Eq. 11"]),
    ("(Krishnan, Shalit and Sontag 2015, Table 2)", ["Krishnan, Shalit and Sontag, 2015: Table 2"]),
    (
        "(Sutton and Barto, 2018, Eq. 12.2; Dreamer, Eq. 6)",
        ["Sutton and Barto, 2018: Eq. 12.2", "Hafner et al., 2020: Eq. 6"],
    ),
    ('(Pinneri et al., 2020, "Cross-Entropy 2.0", 3.1; Timmer & Koenig, 1995)', ["Pinneri et al., 2020: Section 3.1"]),
    ("Eq. 3.4 (Rezende and Viola 2018): Eq. 4.7 is another.", ["Latent Matters: Eq. 3.4", "Latent Matters: Eq. 4.7"]),
    ("As Karl et al. (2017) have it. Eq. 4.12 here.", ["Latent Matters: Eq. 4.12"]),
    ("Section 4.2 of Latent Matters.", ["Latent Matters: Section 4.2"]),
    ("Minari 0.5.3 and torch 2.13.0 in 3.10; table 3 of 5, a section 4 long.", []),
    ("In the equation of motion the table turns 4.5 times (0.05 rad), by 2.0.1 or so.", []),
]


def spelled(docstring: str) -> list[str]:
    return [f"{reference.source}: {reference}" for reference in equations.references(docstring)]


@pytest.mark.parametrize(("docstring", "expected"), SAMPLES)
def test_references_are_read_as_people_read_them(docstring: str, expected: list[str]) -> None:
    found = spelled(docstring)
    assert len(found) == len(expected), found
    for wanted in expected:
        assert any(reference.endswith(wanted) for reference in found), (wanted, found)


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("One sentence. Another.", "One sentence."),
        ("By Tassa et al. Second, Eq. 4.13 holds. More.", "By Tassa et al. Second, Eq. 4.13 holds."),
        ("Two\nlines\n\nand a paragraph.", "Two lines"),
        ("``q(z | x)`` of :class:`~latentrl.types.Belief`.", "`q(z \\| x)` of `latentrl.types.Belief`."),
    ],
)
def test_the_first_sentence_is_told(docstring: str, sentence: str) -> None:
    assert equations.summary(docstring) == sentence


def test_numbers_are_ordered_as_numbers_are() -> None:
    numbers = ["A.2", "4.10", "4.2", "4.2.1", "3.4", "4.2b", "A.10", "4.2a"]
    ordered = ["3.4", "4.2", "4.2.1", "4.2a", "4.2b", "4.10", "A.2", "A.10"]
    assert sorted(numbers, key=equations.numeric) == ordered


SOURCE = '''"""A module (Eq. 4.2)."""
def update():
    """Latent Matters, Eq. 4.10."""
class Filter:
    """No number."""
    def step(self):
        """Algorithm 3, and Williams et al. (2017), Algorithm 2."""
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "house"
    (folder / "room").mkdir(parents=True)
    (folder / "room" / "__init__.py").write_text('"""A room (Table A.2)."""')
    (folder / "room" / "kalman.py").write_text(SOURCE)
    return folder


def test_rows_of_a_package(package: Path) -> None:
    rows = [(str(row.reference), row.name, row.path) for row in equations.rows_of(package)]
    assert rows == [
        ("Eq. 4.2", "house.room.kalman", "house/room/kalman.py"),
        ("Eq. 4.10", "house.room.kalman.update", "house/room/kalman.py"),
        ("Algorithm 3", "house.room.kalman.Filter.step", "house/room/kalman.py"),
        ("Table A.2", "house.room", "house/room/__init__.py"),
        ("Algorithm 2", "house.room.kalman.Filter.step", "house/room/kalman.py"),
    ]


def test_a_page_that_names_what_is_not_there_is_found_out(package: Path) -> None:
    text = equations.page(equations.rows_of(package))
    assert text.count("](../house/room/") == 5
    assert equations.missing(text, package.parent) == []
    (package / "room" / "kalman.py").write_text(SOURCE.replace("def update", "def correct"))
    assert equations.missing(text, package.parent) == ["house/room/kalman.py has no house.room.kalman.update"]
    (package / "room" / "kalman.py").unlink()
    assert len(equations.missing(text, package.parent)) == 4


def test_a_stale_page_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(equations, "PAGE", tmp_path / "equations.md")
    rows = [equations.Row(equations.Reference("Latent Matters", "Eq.", "4.2"), "what", "house.room", "house/room.py")]
    monkeypatch.setattr(equations, "rows_of", lambda: rows)
    assert equations.main(["--check"]) == 1, "there is none"
    assert equations.main([]) == 0 and equations.main(["--check"]) == 0
    rows.clear()
    assert equations.main(["--check"]) == 1


def test_the_page_is_up_to_date() -> None:
    """`make equations` writes it."""
    assert equations.PAGE.read_text(encoding="utf-8") == equations.page(equations.rows_of())


def test_the_page_names_what_is_there() -> None:
    text = equations.PAGE.read_text(encoding="utf-8")
    assert equations.missing(text) == []
    assert "latentrl.inference.kalman.predict" in text and "Eq. 4.21-4.23" in text
