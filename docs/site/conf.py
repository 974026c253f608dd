"""Sphinx: `make docs` calls it with the pages that `docs/site/stage.py` has put together."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))
os.environ.setdefault("MUJOCO_GL", "egl")
os.environ["LATENTRL_TINY"] = "1"  # the notebooks, in seconds

from sphinx import addnodes  # noqa: E402
from sphinx.ext.napoleon.docstring import GoogleDocstring  # noqa: E402

import latentrl  # noqa: E402
from docs.site import listings  # noqa: E402
from docs.site.notation import formulas_of  # noqa: E402

project, author = "latentrl", "latentrl authors"
version = release = latentrl.__version__
copyright = "latentrl authors, MIT licence"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.linkcode",
    "sphinx.ext.mathjax",
    "myst_nb",
]
root_doc = "index"
default_role = "py:obj"  # `latentrl.types.Belief` in a docstring
exclude_patterns = ["files"]  # copies that pages link to, notebooks among them
templates_path = ["templates"]

autodoc_inherit_docstrings = False  # of PyTorch too, which are written otherwise
autodoc_mock_imports = ["tensordict", "torchrl"]  # too large for pages' sake
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 100
napoleon_use_rtype = False
napoleon_use_ivar = True

myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent.parent / "build" / "docs" / "notebooks")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_in_temp = True  # what they write is no page
nb_merge_streams = True
nb_output_stderr = "remove"  # bars of progress, each state of which would be a line

html_theme = "furo"
html_title = f"latentrl {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("versions.js", {"defer": "defer"})]
html_copy_source = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/version.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_context = {"versions": json.loads(os.environ.get("LATENTRL_VERSIONS", f'["{version}"]'))}

# From a network: 2 MB that the pages do not bring along. Without one, formulas stay LaTeX (site.css).
mathjax_path = "https://cdn.jsdelivr.net/npm/mathjax@4.1.3/tex-mml-chtml.js"

linkcheck_timeout = 20
linkcheck_anchors = False


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Where [source] leads, from a page of the reference; called by Sphinx."""
    found = listings.address(HERE.parent.parent, info["module"], info["fullname"]) if info.get("module") else None
    return found and f"../{found}"


def render_formulas(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Formulas of a docstring, before it is read as reStructuredText."""
    lines[:] = formulas_of(lines)


def follow_imports(app: Any, doctree: Any) -> None:
    """A type that a signature names without its module is what that module means, not any of the name."""
    for node in list(doctree.findall(addnodes.pending_xref)):
        name = node["reftarget"]
        if node.get("refdomain") != "py" or "refspecific" not in node or not name.isidentifier():
            continue
        meant = getattr(sys.modules.get(node.get("py:module") or ""), name, None)
        if isinstance(meant, type):
            node["reftarget"] = f"{meant.__module__}.{meant.__qualname__}"
        elif meant is None and name.isupper():  # what a flag's help calls its value, `--horizon STEPS`
            node.replace_self(node.children)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    # Of "None: all." in the docstring of a property, napoleon would make a type.
    GoogleDocstring._parse_attribute_docstring = GoogleDocstring._consume_to_end
    app.connect("autodoc-process-docstring", render_formulas, priority=400)
    app.connect("doctree-read", follow_imports)
