"""Which function implements which equation: ``docs/equations.md``, made from the docstrings of the package.

    python docs/make_equations.py            # writes the page
    python docs/make_equations.py --check    # fails if the page is not what the docstrings say

Nothing of the package is imported: files are parsed.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "latentrl"
PAGE = ROOT / "docs" / "equations.md"
DISSERTATION = "Latent Matters"
KINDS = {"eq": "Eq.", "alg": "Algorithm", "tab": "Table", "fig": "Figure", "sec": "Section"}
"""How a reference is written on the page, by how its kind begins in a docstring."""
HEADINGS = {
    "Eq.": "Equations",
    "Algorithm": "Algorithms",
    "Table": "Tables",
    "Figure": "Figures",
    "Section": "Sections",
}
NICKNAMES = {"Dreamer": "Hafner et al., 2020"}
"""Methods that docstrings cite by name, once the authors have been said."""

SOURCE = re.compile(
    r"(?P<dissertation>Latent Matters)"
    r"|(?P<authors>[A-Z][\w'-]+(?:(?:, [A-Z][\w'-]+)*,? (?:and|&) [A-Z][\w'-]+| et al\.?)?)"
    r",? \(?(?P<year>(?:19|20)\d\d)\b\)?"
    rf"|(?P<nickname>{'|'.join(NICKNAMES)})"
)
KIND = re.compile(
    r"\b(?P<kind>(?:Eqs?\.|Equations?|Algorithms?|Tables?|Figures?|Fig\.)(?=\s(?:[A-Z]\.)?\d)|[Ss]ections?(?=\s\d+\.\d))"
)
NUMBER = re.compile(r"\b(?:[A-Z]\.)?\d+(?:\.\d+)*[a-z]?\b")
BETWEEN = re.compile(r"\s*(?:,|;|and|or|to|[-–]|, and)\s*")
RANGE = re.compile(r"\s*(?:[-–]|to)\s*")
DEEP = re.compile(r"(?<=\()[1-9]\d*(?:\.\d+){2,}\b")
"""A section said by its number alone: three parts or more, in parentheses; versions of software have none."""
AFTER_SOURCE = re.compile(r"(?:(?:, \"[^\"]*\")?,? \(?|[^.;()]{0,24}\()(?=[1-9]\d*\.\d)")
"""What may stand between a source and the number of a section: a comma, a title in quotation marks, a few words and a
parenthesis."""
END = re.compile(r"[;)]|[.:](?=\s|$)")
"""Where a source ends to be what is spoken of."""
ABBREVIATION = re.compile(r"\b(?:al|Eqs?|Fig|e\.g|i\.e|cf|vs)\.$")


class Reference(NamedTuple):
    """A numbered part of a source, e.g. ("Latent Matters", "Eq.", "4.27", "4.28"); ``last`` is empty but for ranges."""

    source: str
    kind: str
    first: str
    last: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.first}" + (f"-{self.last}" if self.last else "")


class Documented(NamedTuple):
    """A module, class or function: its dotted name, its file relative to the root of the repository, its docstring."""

    name: str
    path: str
    docstring: str


class Row(NamedTuple):
    """A line of the page."""

    reference: Reference
    what: str
    name: str
    path: str


def sources_in(text: str) -> list[tuple[int, int, str]]:
    """(start, end, source) for everything in ``text`` that is cited, in the page's spelling."""
    found = []
    for match in SOURCE.finditer(text):
        if match["dissertation"]:
            source = DISSERTATION
        elif match["nickname"]:
            source = NICKNAMES[match["nickname"]]
        else:
            source = f"{match['authors']}, {match['year']}"
        found.append((match.start(), match.end(), source))
    return found


def ends_between(text: str, start: int, end: int) -> bool:
    """Whether a sentence, a parenthesis or a citation ends in ``text[start:end]``."""
    return any(not ABBREVIATION.search(text[: match.end()]) for match in END.finditer(text, start, end))


def source_at(text: str, position: int, sources: list[tuple[int, int, str]]) -> str:
    """The source spoken of at ``position``: the last one cited, or the dissertation where that citation has ended."""
    before = [(end, source) for _, end, source in sources if end <= position]
    if before and not ends_between(text, before[-1][0], position):
        return before[-1][1]
    return DISSERTATION


def listed(text: str, position: int) -> tuple[list[tuple[str, str]], int]:
    """Numbers and ranges of a list that begins at ``position``, as (first, last), and where it ends.

    Whatever goes on after a comma must be written like the first: "Table A.2, 3 layers" has one number.
    """
    match = NUMBER.match(text, position)
    if match is None:
        return [], position
    numbers, dotted = [(match.group(), "")], "." in match.group()
    position = match.end()
    while (between := BETWEEN.match(text, position)) and (match := NUMBER.match(text, between.end())):
        spans = RANGE.fullmatch(between.group()) is not None
        if ("." in match.group()) != dotted or (not dotted and "," in between.group()):
            break
        if spans and not numbers[-1][1]:
            numbers[-1] = (numbers[-1][0], match.group())
        else:
            numbers.append((match.group(), ""))
        position = match.end()
    return numbers, position


def references(docstring: str) -> list[Reference]:
    """Every reference to a numbered part of a source, in order; what names no source is the dissertation's."""
    text = " ".join(docstring.split())
    cited = sources_in(text)
    found: list[tuple[int, Reference]] = []
    taken: list[tuple[int, int]] = [(start, end) for start, end, _ in cited]
    for match in KIND.finditer(text):
        kind = next(spelled for start, spelled in KINDS.items() if match["kind"].lower().startswith(start))
        numbers, end = listed(text, match.end() + 1)
        source = source_at(text, match.start(), cited)
        found.extend((match.start(), Reference(source, kind, *number)) for number in numbers)
        taken.append((match.start(), end))
    places = [(end, after.end()) for _, end, _ in cited if (after := AFTER_SOURCE.match(text, end))]
    places += [(match.start(), match.start()) for match in DEEP.finditer(text)]
    for anchor, start in sorted(places):
        if any(begin <= start < end for begin, end in taken):
            continue
        numbers, end = listed(text, start)
        source = source_at(text, anchor, cited)
        found.extend((start, Reference(source, "Section", *number)) for number in numbers)
        taken.append((start, end))
    return list(dict.fromkeys(reference for _, reference in sorted(found, key=lambda pair: pair[0])))


def summary(docstring: str) -> str:
    """The first sentence of a docstring, on one line, fit for a cell of a table."""
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    for match in re.finditer(r"\.(?=\s[A-Z\"`(])", paragraph):
        if not ABBREVIATION.search(paragraph[: match.end()]):
            paragraph = paragraph[: match.end()]
            break
    paragraph = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", paragraph).replace("``", "`")
    return paragraph.replace("|", "\\|")


def documented(path: Path, package: Path = PACKAGE) -> Iterator[Documented]:
    """Everything in the file that has a docstring."""
    module = path.relative_to(package.parent).with_suffix("")
    parts = module.parts[:-1] if module.name == "__init__" else module.parts
    file = path.relative_to(package.parent).as_posix()
    pending: list[tuple[str, ast.AST]] = [(".".join(parts), ast.parse(path.read_text(encoding="utf-8")))]
    while pending:
        name, node = pending.pop(0)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield Documented(name, file, docstring)
            inner = (n for n in node.body if isinstance(n, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef))
            pending.extend((f"{name}.{child.name}", child) for child in inner)


def numeric(number: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts 4.2 before 4.10 and the appendix's A.2 behind all chapters."""
    key = []
    for part in number.split("."):
        match = re.fullmatch(r"(\d+)([a-z]?)", part)
        key.append((0, int(match[1]), match[2]) if match else (1, 0, part))
    return tuple(key)


def rows_of(package: Path = PACKAGE) -> list[Row]:
    """The page's lines: the dissertation first, its equations before its tables, everything in numeric order."""
    rows = [
        Row(reference, summary(item.docstring), item.name, item.path)
        for path in sorted(package.rglob("*.py"))
        for item in documented(path, package)
        for reference in references(item.docstring)
    ]
    kinds = list(HEADINGS)

    def order(row: Row) -> tuple[object, ...]:
        source, kind, first, last = row.reference
        return source != DISSERTATION, source, kinds.index(kind), numeric(first), numeric(last or first), row.name

    return sorted(rows, key=order)


def table(rows: list[Row], headings: tuple[str, ...], with_source: bool) -> list[str]:
    """Lines of a Markdown table."""
    lines = ["| " + " | ".join(headings) + " |", "| --- " * len(headings) + "|"]
    for row in rows:
        source = f"{row.reference.source}, {row.reference}" if with_source else str(row.reference)
        lines.append(f"| {source} | {row.what} | [`{row.name}`](../{row.path}) |")
    return lines


def page(rows: list[Row]) -> str:
    """The whole of ``docs/equations.md``."""
    lines = [
        "# Equations, and where they are",
        "",
        "Every numbered equation, algorithm, table, figure and section that a docstring names, in numeric order. Where",
        "no source stands beside it, it is Klushyn's *Latent Matters*, dissertation, Technische Universität München,",
        "2021. `make equations` makes this page from the docstrings; do not edit it.",
    ]
    for kind, heading in HEADINGS.items():
        own = [row for row in rows if row.reference.source == DISSERTATION and row.reference.kind == kind]
        if own:
            lines += ["", f"## {heading}", *table(own, (heading[:-1].lower(), "what", "where"), with_source=False)]
    others = [row for row in rows if row.reference.source != DISSERTATION]
    if others:
        lines += ["", "## Other sources", *table(others, ("source", "what", "where"), with_source=True)]
    return "\n".join(lines) + "\n"


def missing(text: str, root: Path = ROOT) -> list[str]:
    """Names in the page's links that their file does not define, and files that are not there."""
    complaints = []
    for name, path in re.findall(r"\[`([\w.]+)`\]\(\.\./([^)]*)\)", text):
        file = root / path
        if not file.is_file():
            complaints.append(f"{path} is not there, where {name} is said to be")
        elif name not in {item.name for item in documented(file, root / path.split("/")[0])}:
            complaints.append(f"{path} has no {name}")
    return complaints


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or say whether it is up to date."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is stale")
    check = parser.parse_args(arguments).check
    text = page(rows_of())
    if not check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        print("docs/equations.md is not what the docstrings say: make equations", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
