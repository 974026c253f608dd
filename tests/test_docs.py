"""What the documentation names is there: linked files, modules and names of the package, registries and suites."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")])
HISTORY = "CHANGELOG.md"
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)\s]*)?\)")
NAME = re.compile(r"`(latentrl(?:\.\w+)+)(?:\([^`]*\))?`")
FILE = re.compile(r"`((?:latentrl|tests|docs|examples|benchmarks)/[\w./-]+?)/?`")
ROW = re.compile(
    r"^\| (?:an? )?(?P<what>[^|]+) \|[^|]+\| `(?P<registry>[A-Z]+)` in `(?P<file>[^`]+)` \| `(?P<suite>[^`]+)` \|$",
    re.M,
)
TO_FILL_IN = "NAME"


def dead_links(page: Path, text: str) -> list[str]:
    """Relative links of ``text`` that lead nowhere from ``page``."""
    return [target for target in LINK.findall(text) if not (page.parent / target).exists()]


def defined(tree: ast.AST) -> set[str]:
    """What a module or a class defines or imports, and its attributes that have a value or a type."""
    names: set[str] = set()
    for node in getattr(tree, "body", []):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def exists(name: str, root: Path = ROOT) -> bool:
    """Whether a dotted name is that of a module, of something in a module, or of something in a class there."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        path = root.joinpath(*parts[:end])
        file = next((f for f in (path.with_suffix(".py"), path / "__init__.py") if f.is_file()), None)
        if file is None:
            continue
        inside: ast.AST | None = ast.parse(file.read_text(encoding="utf-8"))
        for part in parts[end:]:
            if inside is None or part not in defined(inside):
                return False
            found = [n for n in getattr(inside, "body", []) if isinstance(n, ast.ClassDef) and n.name == part]
            inside = found[0] if found else None
        return True
    return False


def unknown_names(text: str, root: Path = ROOT) -> list[str]:
    """Dotted names of the package and paths of the repository, in backticks, that are not there."""
    names = [name for name in NAME.findall(text) if not exists(name, root)]
    return names + [path for path in FILE.findall(text) if TO_FILL_IN not in path and not (root / path).exists()]


def broken_rows(text: str, root: Path = ROOT) -> list[str]:
    """Rows of the table of what can be added whose registry or suite is not there, or whose suite never names it."""
    complaints = []
    for row in ROW.finditer(text):
        file, suite = root / row["file"], root / row["suite"]
        if not file.is_file() or row["registry"] not in defined(ast.parse(file.read_text(encoding="utf-8"))):
            complaints.append(f"{row['what']}: {row['file']} has no {row['registry']}")
        if not suite.is_file() or not re.search(rf"\b{row['registry']}\b", suite.read_text(encoding="utf-8")):
            complaints.append(f"{row['what']}: {row['suite']} does not run over {row['registry']}")
    return complaints


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page, page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != HISTORY], ids=lambda page: str(page.relative_to(ROOT)))
def test_names_and_files_are_there(page: Path) -> None:
    assert unknown_names(page.read_text(encoding="utf-8")) == []


def test_what_can_be_added_has_its_registry_and_its_suite() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert {row["what"] for row in ROW.finditer(text)} >= {"model", "prior", "topology", "environment", "kind of goal"}
    assert broken_rows(text) == []


PACKAGE = {
    "latentrl/room/kalman.py": "import math\nSIZE: int = 3\nclass Filter:\n    gain: float\n    def step(self): ...\n",
    "latentrl/room/__init__.py": "from latentrl.room.kalman import Filter as F\nROOMS = {}\n",
    "tests/suite.py": "assert ROOMS",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("latentrl.room", True),
        ("latentrl.room.F", True),
        ("latentrl.room.kalman.SIZE", True),
        ("latentrl.room.kalman.Filter.step", True),
        ("latentrl.room.kalman.Filter.gain", True),
        ("latentrl.room.kalman.Filter.stop", False),
        ("latentrl.room.kalman.SIZE.bits", False),
        ("latentrl.room.filter", False),
        ("latentrl.kalman", False),
    ],
)
def test_a_name_is_looked_up(root: Path, name: str, there: bool) -> None:
    assert exists(name, root) is there
    assert (unknown_names(f"See `{name}`, or `{name}(x)`.", root) == []) is there


def test_what_is_gone_is_found(root: Path) -> None:
    text = "`latentrl/room/`, `latentrl/room/kalman.py`, `latentrl/kalman.py`, `latentrl/room/NAME.py`, `runs/mine.py`"
    assert unknown_names(text, root) == ["latentrl/kalman.py"]
    page = root / "tests" / "page.md"
    links = (
        "[a](suite.py) [b](../latentrl/room/kalman.py#L3) [c](../latentrl/kalman.py) [d](https://x.org/y) [e](#here)"
    )
    assert dead_links(page, links) == ["../latentrl/kalman.py"]


def test_a_row_without_registry_or_suite_is_found(root: Path) -> None:
    row = "| a room | a file | `{}` in `latentrl/room/__init__.py` | `tests/{}.py` |"
    assert broken_rows(row.format("ROOMS", "suite"), root) == []
    assert broken_rows(row.format("ROOMS", "none"), root) == ["room: tests/none.py does not run over ROOMS"]
    assert len(broken_rows(row.format("FLOORS", "suite"), root)) == 2


def test_the_table_of_capabilities_is_true() -> None:
    """Rows and columns of docs/models.md against the classes."""
    from latentrl.models import MODELS
    from latentrl.models.capabilities import CAPABILITIES

    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    head = next(row for row in rows if row[0] == "capability")
    columns = [[name.strip(" `") for name in cell.split(",")] for cell in head[1:]]
    assert sorted(name for column in columns for name in column) == sorted(MODELS)
    found = {row[0].strip("`"): row[1:] for row in rows if row[0].strip("`") in {c.__name__ for c in CAPABILITIES}}
    assert found.keys() == {capability.__name__ for capability in CAPABILITIES}
    for capability in CAPABILITIES:
        for names, cell in zip(columns, found[capability.__name__], strict=True):
            assert {issubclass(MODELS[name].model, capability) for name in names} == {cell == "yes"}
