"""The notebooks name what is there; `make docs` executes them, for which the tests have no time."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from latentrl.agents.options import LearnOptions
from latentrl.data_collection.options import CollectOptions
from latentrl.evaluation.options import EvaluateOptions
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
