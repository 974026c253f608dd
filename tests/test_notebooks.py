"""The notebooks go through to the end at tiny size, and say what is true of the repository."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import pytest

from latentrl.models import MODELS

ROOT = Path(__file__).parent.parent
BOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
MAGIC = re.compile(r"^( *)%.*$", re.M)


def cells(book: Path, kind: str = "code") -> list[str]:
    """The cells of a kind, as they were typed."""
    return ["".join(cell["source"]) for cell in json.loads(book.read_text())["cells"] if cell["cell_type"] == kind]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """An empty ``__main__`` in an empty folder, with what Jupyter has and the tests' environment lacks."""
    display = ModuleType("IPython.display")
    display.Image = lambda filename: Path(filename).read_bytes()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    for name, value in {"LATENTRL_TINY": "1", "SDL_VIDEODRIVER": "dummy", "MPLBACKEND": "agg"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.envs.registration.registry))
    for name in set(MODELS):
        monkeypatch.setitem(MODELS, name, MODELS[name])
    module = ModuleType("notebook_under_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_goes_through_to_the_end(book: Path, notebook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    if book.stem == "own_environment":
        pytest.importorskip("pygame", reason='the car is drawn with pygame: pip install "gymnasium[classic-control]"')
    before = dict(MODELS)
    try:
        for number, text in enumerate(cells(book)):
            exec(compile(MAGIC.sub(r"\1pass", text), f"{book.name}, cell {number}", "exec"), notebook.__dict__)
    finally:
        MODELS.clear()
        MODELS.update(before)
    left: Any = notebook.__dict__
    assert left["TINY"] and (left["run"] / "model.safetensors").is_file()
    assert left["run"].resolve().is_relative_to(Path.cwd()), "written below the folder that it was started in"


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_is_kept_without_what_it_printed(book: Path) -> None:
    content = json.loads(book.read_text())
    assert [cell.get("outputs", []) for cell in content["cells"]] == [[]] * len(content["cells"])
    first = cells(book)[0]
    assert "%pip install" in first and "latentrl" in first, "where nothing is installed, the first cell installs it"
    assert book.read_text() == json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def test_the_model_is_that_of_the_example() -> None:
    source = (ROOT / "examples" / "own_model.py").read_text()
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    shown = "\n".join(cells(ROOT / "docs" / "notebooks" / "own_model.ipynb"))
    assert [node.name for node in classes] == ["LinearSettings", "LinearModel"]
    for node in classes:
        text = ast.get_source_segment(source, node)
        assert text is not None and text in shown, node.name


def test_there_are_three() -> None:
    assert [book.stem for book in BOOKS] == ["own_environment", "own_model", "quickstart"]
