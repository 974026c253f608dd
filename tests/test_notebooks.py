"""The notebooks go through at their tiny sizes, in this process; `make docs` executes them in Jupyter's kernel."""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import matplotlib.pyplot as plt
import pytest
from PIL import Image

from latentrl.agents.options import LearnOptions
from latentrl.data_collection.options import CollectOptions
from latentrl.evaluation.options import EvaluateOptions
from latentrl.models import MODELS
from latentrl.training.options import TrainOptions

ROOT = Path(__file__).parent.parent
BOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
MAGIC = re.compile(r"^( *)%.*$", re.M)
OPTIONS = {cls.__name__: {one.name for one in fields(cls)} for cls in (CollectOptions, TrainOptions, LearnOptions)}
OPTIONS[EvaluateOptions.__name__] = {one.name for one in fields(EvaluateOptions)}


def cells(book: Path) -> list[str]:
    """The cells of code, as they were typed."""
    return ["".join(cell["source"]) for cell in json.loads(book.read_text())["cells"] if cell["cell_type"] == "code"]


def unknown(text: str) -> Iterator[str]:
    """What a cell imports of the package and what options it gives, where there is no such thing.

    Options that stand in a dictionary of sizes, ``{"steps": 2}``, are given to the call with ``**size`` below it.
    """
    sizes: set[str] = set()
    statements = ast.parse(MAGIC.sub(r"\1pass", text)).body
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("latentrl"):
            module = importlib.import_module(node.module or "")
            yield from (f"{node.module}.{one.name}" for one in node.names if not hasattr(module, one.name))
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "size":
            keys = [key for one in ast.walk(node) if isinstance(one, ast.Dict) for key in one.keys]
            sizes = {str(key.value) for key in keys if isinstance(key, ast.Constant)}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OPTIONS:
            given = {one.arg for one in node.keywords if one.arg}
            given |= sizes if any(one.arg is None for one in node.keywords) else set()
            yield from (f"{node.func.id}.{name}" for name in sorted(given - OPTIONS[node.func.id]))


def execute(book: Path) -> dict[str, Any]:
    """The names that are there after all cells, run one after the other in the working folder; an error ends it."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, text in enumerate(cells(book), start=1):
        exec(compile(MAGIC.sub(r"\1pass", text), f"{book.name}, cell {number} of code", "exec"), names)
    return names


@pytest.fixture
def jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder, tiny sizes, a stand-in for IPython; what cells register is gone afterwards."""
    display: Any = ModuleType("IPython.display")
    display.Image = lambda filename: Image.open(filename).load()
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setenv("LATENTRL_TINY", "1")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.chdir(tmp_path)
    registries: tuple[dict[str, Any], ...] = (MODELS, gymnasium.registry)
    before = [dict(registry) for registry in registries]
    plt.switch_backend("agg")
    yield
    plt.close("all")
    for registry, entries in zip(registries, before, strict=True):
        registry.clear()
        registry.update(entries)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_goes_through(book: Path, jupyter: None) -> None:
    assert execute(book)["run"].is_dir()


def test_a_broken_cell_is_found(tmp_path: Path) -> None:
    book = tmp_path / "book.ipynb"
    sources = ["%pip install x\na = 1", "# words", "b = a / 0"]
    kinds = ["code", "markdown", "code"]
    broken = [{"cell_type": kind, "source": [text]} for kind, text in zip(kinds, sources, strict=True)]
    book.write_text(json.dumps({"cells": broken}))
    with pytest.raises(ZeroDivisionError) as caught:
        execute(book)
    assert traceback.extract_tb(caught.tb)[-1].filename == "book.ipynb, cell 2 of code"


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_names_what_is_there(book: Path) -> None:
    assert [name for text in cells(book) for name in unknown(text)] == []


def test_what_is_not_there_is_found() -> None:
    text = 'from latentrl.train import train, fit\n%pip install x\nsize = {"stepz": 2}\nTrainOptions(bach=2, **size)'
    assert list(unknown(text)) == ["latentrl.train.fit", "TrainOptions.bach", "TrainOptions.stepz"]


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_is_kept_without_what_it_printed(book: Path) -> None:
    content = json.loads(book.read_text())
    assert [cell.get("outputs", []) for cell in content["cells"]] == [[]] * len(content["cells"])
    first = cells(book)[0]
    assert "%pip install" in first and "latentrl" in first, "where nothing is installed, the first cell installs it"


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
