"""The site's own small tools: formulas, links, pages of the reference, versions; and what is sent to PyPI."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath

import pytest

from docs.site import examples, listings, notation, reference, stage, versions
from docs.site.dead_links import dead_links, elsewhere
from docs.site.links import rewritten
from tools import package, public_types

ROOT = Path(__file__).parent.parent

FORMULAS = [
    ("P- = F P F' + Q", r"P^{-} = F P F ^{\top} + Q"),
    ("G_t = P_t F_t' (P-_{t+1})^-1", r"G_{t} = P_{t} F_{t} ^{\top} ( P_{t+1}^{-} ) ^{-1}"),
    ("r ~ N(0, R)", r"r \sim N ( 0 , R )"),
    ("p(z_t | z_{t-1}, u)", r"p ( z_{t} \mid z_{t-1} , u )"),
    ("u_1:T-1 -> 2", r"u_{1:T-1} \mapsto 2"),
    ("|n_j - p|^2", r"| n_{j} - p | ^{2}"),
    ("distortion + beta * rate", r"\mathrm{distortion} + \beta \cdot \mathrm{rate}"),
    ("Dz + Da", "D_z + D_a"),
    ("angle'' = g / l", r"\ddot{\mathrm{angle}} = g / l"),
    ("J = sum_t E[r(z_t)]", r"J = \sum_{t} E [ r ( z_{t} ) ]"),
    ("p(z_t+1 | z_t, u_1:t-1)", r"p ( z_{t+1} \mid z_{t} , u_{1:t-1} )"),
    ("|z - m|^2_{P^-1} / 2", r"| z - m | ^{2}_{P^{-1}} / 2"),
    ("q prop. to p~(a)", r"q \propto \tilde{p} ( a )"),
]
CODE = [
    "[..., Dz]", "(H, W)", "t", "goal.png", "value <= 709", "python -m latentrl", "hidden=(256,)", "1e-5 + x", "rad/s",
    "state_size + n", "a.add(b)", "'x'", "f(x", "user/name", "frames [N, T]", "x'' + 'y'",
]  # fmt: skip


@pytest.mark.parametrize(("literal", "formula"), FORMULAS)
def test_a_formula_becomes_latex(literal: str, formula: str) -> None:
    assert notation.tex(literal) == formula


@pytest.mark.parametrize("literal", CODE)
def test_code_stays_code(literal: str) -> None:
    assert notation.tex(literal) is None


def test_a_docstring_is_set() -> None:
    lines = [
        "Of |z| and psi_0, p(x_t | z_t) = N(d(z), R) or x_init, ``m- = F m``, from ``settings.json``:",
        "",
        "    p(x | z)  = N(z, R)   a decoder",
        "              = q(x)",
        "",
        "and in a folder",
        "",
        "    data/  files",
        "",
        "====  ====",
        "p(x)  z_1",
        "====  ====",
        "",
        "Args:",
        "    q_u: ``[B, T]``.",
        "",
        "    not a block",
    ]
    assert notation.formulas_of(lines) == [
        r"Of \|z\| and :math:`\psi_{0}`, :math:`p ( x_{t} \mid z_{t} ) = N ( d ( z ) , R )` or x_init, "
        r":math:`m^{-} = F m`, "
        "from ``settings.json``:",
        "",
        ".. math::",
        "",
        r"   \begin{aligned} p ( x \mid z ) &= N ( z , R ) && \text{a decoder} \\  &= q ( x ) \end{aligned}",
        "",
        "and in a folder",
        "",
        ".. code-block:: text",
        "",
        "   data/  files",
        "",
        "====  ====",
        "p(x)  z_1",
        "====  ====",
        "",
        "Args:",
        "    q_u: ``[B, T]``.",
        "",
        "    not a block",
    ]


def test_links_lead_to_where_the_site_has_things() -> None:
    places = {
        "docs/ekvae.md": "ekvae.md",
        "tests/a.py": "files/tests/a.py",
        "latentrl/types.py": "module:latentrl.types",
    }
    text = (
        "[a](../ekvae.md#x) [b](https://x.org) ![c](../ekvae.md) [`d`](../../tests/a.py) [e](../../tests) [f](#here)\n"
        "[types](../../latentrl/types.py) [`latentrl.types.Belief`](../../latentrl/types.py)\n"
        "```\n[code](../ekvae.md)\n```\n[g](../ekvae.md)"
    )
    found = rewritten(text, PurePosixPath("docs/results/README.md"), "results/index.md", lambda p: places.get(str(p)))
    assert found == (
        "[a](../ekvae.md#x) [b](https://x.org) ![c](../ekvae.md) [`d`](../files/tests/a.py) e [f](#here)\n"
        "{py:mod}`types <latentrl.types>` {py:obj}`latentrl.types.Belief`\n"
        "```\n[code](../ekvae.md)\n```\n[g](../ekvae.md)"
    )


def test_every_page_stands_in_the_margin_once() -> None:
    """What Sphinx finds out only when it builds: a new page has its place, and a page that is gone has none."""
    texts = stage.sources(ROOT)
    named = [name for names in (*stage.CONTENTS.values(), *stage.INNER.values()) for name in names]
    pages = {re.sub(r"\.(md|rst|ipynb)$", "", name) for name in texts}
    rooms = {name for name in pages if name.startswith(f"{reference.FOLDER}/latentrl.")}
    assert sorted(named) == sorted(pages - rooms - {stage.FRONT})
    listed = {name for text in texts.values() for name in re.findall(r"^   (latentrl\.\S+)$", text, re.M)}
    assert rooms == {f"{reference.FOLDER}/{name}" for name in listed}
    for name in stage.linked_files(texts):
        assert (ROOT / name).is_file()


def test_a_room_has_a_page_with_its_files(tmp_path: Path) -> None:
    for name in ("__init__.py", "__main__.py", "verb.py", "room/__init__.py", "room/file.py"):
        (tmp_path / "house" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "house" / name).write_text("")
    pages = dict(reference.pages(tmp_path / "house"))
    assert list(pages) == ["api/house.rst", "api/house.room.rst"]
    assert re.findall(r"automodule:: (\S+)", pages["api/house.rst"]) == ["house", "house.verb"]
    assert re.findall(r"automodule:: (\S+)", pages["api/house.room.rst"]) == ["house.room", "house.room.file"]
    assert "\n   house.room\n" in pages["api/house.rst"]


def test_staging_again_removes_what_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    book = json.dumps({"cells": [{"cell_type": "markdown", "source": ["[a](../a.md)"]}]})
    files = {"README.md": "[a](docs/a.md)", "docs/a.md": "[b](../x/y.txt)", "x/y.txt": "y", "latentrl/__init__.py": ""}
    files["docs/notebooks/n.ipynb"] = book
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(stage, "CONTENTS", {"Begin": ("a",)})
    monkeypatch.setattr(stage, "INNER", {})
    assert stage.stage(root, out) == ["a.md", "api/latentrl.rst", "index.md", "notebooks/n.ipynb"]
    assert (out / "a.md").read_text() == "[b](files/x/y.txt)" and (out / "files/x/y.txt").read_text() == "y"
    book = json.loads((out / "notebooks/n.ipynb").read_text())["cells"][0]["source"]
    assert "".join(book) == "[a](../a.md)\n\n{download}`Download this notebook <../files/docs/notebooks/n.ipynb>`"
    assert (out / "files/docs/notebooks/n.ipynb").read_text() == files["docs/notebooks/n.ipynb"]
    assert (out / "index.md").read_text() == "[a](a.md)\n```{toctree}\n:hidden:\n:caption: Begin\n\na\n```\n"
    (root / "docs/a.md").write_text("a")
    stage.stage(root, out)
    assert (out / "a.md").read_text() == "a" and not (out / "files/x/y.txt").exists()


def test_a_dead_link_of_a_built_site_is_found(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.html").write_text('<p id="here"><a href="../a.html#top">a</a><img src="b.png">')
    links = '<a href="in/b.html#there">b</a><a href="https://x.org/y">x</a><a href="#top">'
    (tmp_path / "a.html").write_text(f'<h1 id="top">{links}')
    assert dead_links(tmp_path) == ["a.html: in/b.html#there has no such place", "in/b.html: b.png is not there"]
    assert elsewhere(tmp_path) == {"https://x.org/y"}


def test_source_is_found_at_its_line(tmp_path: Path) -> None:
    file, package = tmp_path / "house" / "room" / "__init__.py", tmp_path / "house"
    file.parent.mkdir(parents=True)
    file.write_text("SIZE = 3\n\n\nclass Kalman:\n    gain: float\n\n    def step(self): ...\n")
    (package / "verb.py").write_text('WORD = "<b>"\n')
    listings.write(package, tmp_path / "site")
    for name, line in (("", None), ("SIZE", 1), ("Kalman", 4), ("Kalman.gain", 5), ("Kalman.step", 7)):
        found = listings.address(tmp_path, "house.room", name)
        assert found == "source/house/room/__init__.html" + (f"#line-{line}" if line else "")
    assert listings.address(tmp_path, "house.room", "step") is None
    assert listings.address(tmp_path, "house.attic", "") is None
    assert listings.address(tmp_path, "house.verb", "WORD") == "source/house/verb.html#line-1"
    (tmp_path / "site" / "api.html").write_text(f'<a href="{found}"></a><a href="source/house/verb.html#line-2">')
    assert dead_links(tmp_path / "site") == ["api.html: source/house/verb.html#line-2 has no such place"]
    page = (tmp_path / "site/source/house/verb.html").read_text()
    assert "&lt;b&gt;" in page and "<b>" not in page


def test_versions_are_kept_in_order(tmp_path: Path) -> None:
    (tmp_path / "0.9.0").mkdir()
    (tmp_path / "0.10.0").mkdir()
    for version in ("0.9.0", "0.10.0", "0.10.0rc1"):
        found = versions.add(tmp_path, version)
    assert found == ["0.10.0", "0.10.0rc1", "0.9.0"]
    assert [entry["folder"] for entry in json.loads((tmp_path / "versions.json").read_text())] == found
    assert 'url=0.10.0/index.html"' in (tmp_path / "index.html").read_text()
    (tmp_path / "0.9.0").rmdir()
    assert versions.add(tmp_path, "0.10.0") == ["0.10.0"], "what was removed is forgotten, and a failed build too"


def test_examples_in_docstrings_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = examples.failures(ROOT / "latentrl")
    assert [name for name, (failed, _) in found.items() if failed] == []
    assert sum(attempted for _, attempted in found.values()) >= 8
    (tmp_path / "lodge").mkdir()
    (tmp_path / "lodge" / "sums.py").write_text('"""\n>>> TWO + 1\n4\n"""\nTWO = 2\n')
    monkeypatch.syspath_prepend(tmp_path)
    assert examples.failures(tmp_path / "lodge") == {"lodge.sums": (1, 1)}


def test_a_stranger_in_the_wheel_is_found() -> None:
    inside = ["latentrl/types.py", "latentrl-0.1.0.dist-info/METADATA", "tests/a.py", "latentrl/__pycache__/a.pyc"]
    assert package.strangers(inside) == ["tests/a.py", "latentrl/__pycache__/a.pyc"]
    assert package.missing(("latentrl/py.typed", "latentrl/types.py"), inside) == ["latentrl/py.typed"]


def test_unknown_types_are_counted_by_module() -> None:
    symbols = [
        {"name": "latentrl.a.f", "isExported": True, "isTypeKnown": False},
        {"name": "latentrl.a.g", "isExported": True, "isTypeKnown": True},
        {"name": "latentrl.a._h", "isExported": False, "isTypeKnown": False},
    ]
    assert public_types.unknown_by_module({"symbols": symbols}) == {"latentrl.a": 1}


def test_a_share_of_known_types_below_what_is_asked_for_fails(tmp_path: Path) -> None:
    here = {"completenessScore": 0.95, "packageRootDirectory": str(tmp_path)}
    assert public_types.complaints(here, 0.95, tmp_path) == []
    (too_few,) = public_types.complaints({**here, "completenessScore": 0.949}, 0.95, tmp_path)
    assert "95%" in too_few
    (elsewhere,) = public_types.complaints(here, 0.95, tmp_path / "another")
    assert str(tmp_path / "another") in elsewhere
