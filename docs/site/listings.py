"""The package's source as pages with numbered lines, and the line of every name: where [source] leads.

Sphinx's own, ``viewcode``, puts each of five hundred files into a page with the whole margin, which takes longer than
all the rest of the site; these are the files alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FOLDER = "source"
"""Of the listings, in the site."""
ANCHOR = "line"
LOOK = "listing.css"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{above}{look}"></head>
<body><h1>{name}</h1>
{listing}</body></html>
"""
STYLE = """body {{ margin: 1rem; }}
h1 {{ font: bold 1rem monospace; }}
pre {{ line-height: 1.35; }}
:target + * {{ outline: 1px solid; }}
{light}
@media (prefers-color-scheme: dark) {{
body {{ background: #202020; color: #d0d0d0; }}
{dark}
}}
"""


def names(tree: ast.AST, above: str = "") -> Iterator[tuple[str, int]]:
    """Dotted names that a module and its classes define or assign, each with its line."""
    for node in getattr(tree, "body", []):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield above + node.name, node.lineno
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((above + target.id, node.lineno) for target in targets if isinstance(target, ast.Name))
        if isinstance(node, ast.ClassDef):
            yield from names(node, f"{above}{node.name}.")


@cache
def lines(file: Path) -> dict[str, int]:
    """Of a module, the lines of its names; where one is defined twice, the first."""
    found: dict[str, int] = {}
    for name, line in names(ast.parse(file.read_text(encoding="utf-8"))):
        found.setdefault(name, line)
    return found


def address(root: Path, module: str, name: str) -> str | None:
    """The listing of ``module`` at the line of ``name``, from the site's root; None for what its file does not say.

    Args:
        root: the folder that the package lies in.
        module: dotted.
        name: in the module, dotted; empty for the module itself.
    """
    path = root.joinpath(*module.split("."))
    file = next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)
    if file is None or (name and name not in lines(file)):
        return None
    place = f"#{ANCHOR}-{lines(file)[name]}" if name else ""
    return f"{FOLDER}/{file.relative_to(root).with_suffix('.html').as_posix()}{place}"


def write(package: Path, site: Path) -> None:
    """Write the listings of all files in the folder ``package``."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    look, dark = (
        HtmlFormatter(linenos="inline", lineanchors=ANCHOR, style=style) for style in ("default", "github-dark")
    )
    folder = site / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    styles = STYLE.format(light=look.get_style_defs(".highlight"), dark=dark.get_style_defs(".highlight"))
    (folder / LOOK).write_text(styles, encoding="utf-8")
    for file in sorted(package.rglob("*.py")):
        inside = file.relative_to(package.parent)
        listing: str = highlight(file.read_text(encoding="utf-8"), PythonLexer(), look)
        above = "../" * (len(inside.parts) - 1)
        out = (folder / inside).with_suffix(".html")
        out.parent.mkdir(parents=True, exist_ok=True)
        page = PAGE.format(name=inside.as_posix(), above=above, look=LOOK, listing=listing)
        out.write_text(page, encoding="utf-8")
