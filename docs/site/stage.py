"""The pages of the site, put together from the repository: what `make docs` gives to Sphinx.

    python -m docs.site.stage build/docs/source

The pages in ``docs/`` stay plain Markdown that reads well in the repository. Here their links are turned to the site's
own places, the files at the root become pages, and a page for every room of the package is written. Files whose text
stays are not touched, so that Sphinx reads again what changed alone.
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from docs.site import notation, reference
from docs.site.links import MODULE, Place, rewritten

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = "latentrl"
FRONT, MAP = "index", "map"
"""The README is the front page, docs/index.md the map."""
CONTENTS: Mapping[str, tuple[str, ...]] = {
    "Begin": (
        "notebooks/quickstart",
        "notebooks/own_environment",
        "notebooks/own_model",
        "gallery",
        "zoo",
        "comparison",
        MAP,
    ),
    "Models": ("models", "ekvae", "dks", "dvbs", "kvae", "rssm", "statics", "geometry"),
    "Control": ("choosing-an-agent", "planners", "policies", "rewards", "control", "reacher"),
    "Your own": (
        "own-environment",
        "own-recordings",
        "own-model",
        "declarations",
        "environments",
        "inspect",
        "interoperability",
    ),
    "In use": ("tracking", "deploy", "reliability", "several-processes", "clusters", "benchmarks", "security"),
    "Results": (
        "results/index",
        "results/control",
        "results/around",
        "results/systems",
        "results/rods",
        "results/alarms",
        "study",
    ),
    "Reference": ("api/latentrl", "equations", "contributing", "changelog"),
}
"""The margin, heading by heading. A page in none of them, and not named by one of them, is an error of the build."""
INNER: Mapping[str, tuple[str, ...]] = {
    "results/index": (
        "results/pendulum/table_4_1",
        "results/pendulum/table_4_3",
        "results/pendulum/claims",
        "results/pendulum/newer/table_4_3",
        "results/digits/table_3_2",
        "results/digits/table_5_2",
        "results/digits/claims",
        "results/motion/table_3_11",
        "results/motion/table_5_1",
        "results/motion/claims",
        "results/reacher-angles/table_4_2a",
        "results/reacher-angles/claims",
    ),
}
"""Pages under others."""
COPIES = "files"
"""Of files that pages link to and that are no pages."""
_COPIED = re.compile(rf"(?:\]\(|<)(?:\.\./)*{COPIES}/([^()<>\s#]+)")


def toctree(names: tuple[str, ...], caption: str = "") -> str:
    """A list of pages for the margin, which the page itself does not show."""
    options = ":hidden:\n" + (f":caption: {caption}\n" if caption else "")
    return "\n```{toctree}\n" + options + "\n" + "\n".join(names) + "\n```\n"


def staged(file: PurePosixPath) -> str:
    """Where the site has a page or a picture of the repository, from the site's root."""
    if file.parts[0] != "docs":
        return f"{FRONT}.md" if file.name == "README.md" else file.name.lower()
    inside = file.relative_to("docs")
    if str(inside) == "index.md":
        return f"{MAP}.md"
    return str(inside.with_name("index.md") if inside.name == "README.md" else inside)


def place_in(root: Path) -> Place:
    """Where the site has what a link names, for the repository in ``root``."""

    def place(file: PurePosixPath) -> str | None:
        path = root / file
        if not path.exists() or ".." in file.parts:
            return None
        if file.parts[:1] == (PACKAGE,) and path.is_dir():
            return MODULE + ".".join(file.parts)
        if path.is_dir():
            return None
        if file.parts[0] == PACKAGE and file.suffix == ".py" and file.stem != "__main__":
            name = file.parent if file.stem == "__init__" else file.with_suffix("")
            return MODULE + ".".join(name.parts)
        if (file.parts[0] == "docs" and file.suffix != ".py") or (len(file.parts) == 1 and file.suffix == ".md"):
            return staged(file)
        return f"{COPIES}/{file}"

    return place


def notebook(text: str, page: PurePosixPath, here: str, place: Place) -> str:
    """A notebook whose words are a page's: links of its Markdown are turned too; the file is there to download."""
    content = json.loads(text)
    for cell in content["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = rewritten("".join(cell["source"]), page, here, place).splitlines(keepends=True)
    file = posixpath.relpath(f"{COPIES}/{page}", posixpath.dirname(here))
    content["cells"][0]["source"] += ["\n", "\n", f"{{download}}`Download this notebook <{file}>`"]
    return json.dumps(content, indent=1, ensure_ascii=False)


def in_table(formula: str) -> str:
    """MyST's role of a formula; in a cell of a table a bar would end the cell."""
    return "{math}`" + formula.replace("|", r"\vert ") + "`"


def sources(root: Path) -> dict[str, str]:
    """Texts of all pages by where the site has them.

    Raises:
        KeyError: :data:`CONTENTS` names a page that is not there.
    """
    place = place_in(root)
    files = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "docs").rglob("*.ipynb")]
    texts = dict(reference.pages(root / PACKAGE))
    for file in files:
        page = PurePosixPath(file.relative_to(root))
        here, text = staged(page), file.read_text(encoding="utf-8")
        if file.suffix == ".ipynb":
            texts[here] = notebook(text, page, here, place)
            continue
        text = rewritten(text, page, here, place)
        if here == "equations.md":
            text = notation.typeset(text, in_table)
        texts[here] = text
    for name, inner in INNER.items():
        below = [str(PurePosixPath(page).relative_to(PurePosixPath(name).parent)) for page in inner]
        texts[f"{name}.md"] += toctree(tuple(below))
    texts[f"{FRONT}.md"] += "".join(toctree(names, caption) for caption, names in CONTENTS.items())
    return texts


def linked_files(texts: Mapping[str, str]) -> set[str]:
    """Files that a page links to and of which the site takes a copy, from the repository's root."""
    return {found for text in texts.values() for found in _COPIED.findall(text)}


def write(path: Path, text: str) -> None:
    """Write what is not there yet."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def copy(source: Path, target: Path) -> None:
    """Copy a file that is not there yet."""
    if not target.is_file() or target.read_bytes() != source.read_bytes():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def stage(root: Path, out: Path) -> list[str]:
    """Write the site's sources into ``out``, and remove what an earlier call left there that is none any more."""
    texts = sources(root)
    for name, text in texts.items():
        write(out / name, text)
    kept = set(texts)
    pictures = [file for file in (root / "docs").rglob("*") if file.suffix in (".png", ".gif", ".csv", ".json")]
    copies = {file.relative_to(root / "docs").as_posix(): file for file in pictures}
    copies |= {f"{COPIES}/{name}": root / name for name in linked_files(texts)}
    for name, file in copies.items():
        copy(file, out / name)
    kept |= set(copies)
    for file in [path for path in out.rglob("*") if path.is_file()]:
        if file.relative_to(out).as_posix() not in kept:
            file.unlink()
    return sorted(texts)


if __name__ == "__main__":
    print(f"{len(stage(ROOT, Path(sys.argv[1])))} pages in {sys.argv[1]}")
