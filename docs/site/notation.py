"""Formulas in docstrings, ``P- = F P F' + Q``, as LaTeX: a docstring is read in an editor, its page in a browser.

A literal becomes a formula only if every sign of it is one of a formula's, and one of its names is a symbol (a letter
or a Greek one); all others stay what they are, code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

LITERAL = re.compile(r"``(?!\s)([^`]+?)``")
CODE = re.compile(r"(?<![`}])`([^`\n]+)`(?!`)")
"""A literal of Markdown; what a role holds, ``{py:obj}`name```, is none."""
GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi chi psi omega".split()
)
FUNCTIONS = frozenset("log exp sin cos tan tanh max min det".split())
"""Functions that LaTeX has a command for."""
OPERATORS = frozenset("softmax diag Cov Var arg argmax argmin sign sqrt".split())
LARGE = {"int": r"\int", "sum": r"\sum", "prod": r"\prod"}
SIGNS = {
    "<=": r"\le", ">=": r"\ge", "->": r"\mapsto", "<-": r"\leftarrow", "...": r"\dots", "~": r"\sim", "*": r"\cdot",
    "∝": r"\propto",
}  # fmt: skip
WORDS = (("prop. to", "∝"), ("proportional to", "∝"))
TOKEN = re.compile(
    r"""\s*(?:
        (?P<name>(?<![A-Za-z\d])[A-Za-z]+)
            (?P<mark>[-+](?=[\s)_,]|$)|~(?=\())?
            (?:_(?P<sub>\{[^{}]*\}|[A-Za-z\d]+(?::[A-Za-z\d]+)?(?:[-+]\d)?)(?P<late>[-+](?=[\s),]|$))?)?(?P<twice>'')?
      | (?P<number>(?<![A-Za-z\d])\d+(?:\.\d+)?(?![A-Za-z\d]))
      | (?P<power>\^(?P<exponent>-?\d+|-?[A-Za-z]+|\{[^{}]*\})(?:_(?P<norm>\{[^{}]*\}))?)
      | (?P<prime>(?<=[\w)\]}+-])'(?![\w']))
      | (?P<bar>\|\|?)
      | (?P<sign><=|>=|->|<-|\.\.\.|(?<=\s)[=~<>*/∝](?=\s)|[-+(),;]|(?<=\bE)\[|(?<=\bE_\w)\[|\])
    )""",
    re.VERBOSE,
)
RELATIONS = re.compile(r"[-=~<>+*/^|]|'|\w\(")
"""A formula has one of them: names, numbers and shapes such as ``(H, W)`` are code."""
FLAG = re.compile(r"(?:^|\s)--?[A-Za-z]")
"""A command's."""


class Name(NamedTuple):
    """A name as LaTeX, and whether it is a symbol, an operand or a whole word."""

    tex: str
    symbol: bool = False
    operand: bool = True
    word: bool = False


def named(name: str) -> Name:
    """How a name is written: letters, Greek letters, functions, sizes ``Dz``, differentials ``dt``, words."""
    if len(name) == 1:
        return Name(name, symbol=True)
    if name.lower() in GREEK:
        return Name("\\" + name, symbol=True)
    if name in LARGE:
        return Name(LARGE[name], operand=False)
    if name in FUNCTIONS:
        return Name("\\" + name, operand=False)
    if name in OPERATORS:
        return Name(rf"\operatorname{{{name}}}", operand=False)
    if len(name) == 2 and name[0] == "D" and name[1].islower():
        return Name(f"D_{name[1]}", symbol=True)
    if name[0] == "d" and (len(name) == 2 or name[1:] in GREEK):
        return Name(rf"\mathrm{{d}}{named(name[1:]).tex}", symbol=True)
    return Name(rf"\mathrm{{{name}}}", word=True)


def subscript(text: str) -> str | None:
    """What stands below; None for the second half of an identifier, such as ``step_size``."""
    inner = text.strip("{}")
    if re.fullmatch(r"[A-Z]{2,}", inner):
        return rf"\mathrm{{{inner}}}"
    if text[0] != "{" and re.search(r"[A-Za-z]{3}", inner) and inner not in GREEK:
        return None
    return re.sub(r"[A-Za-z]+", lambda found: named(found[0]).tex if found[0] in GREEK else found[0], inner)


def tex(literal: str) -> str | None:
    """A literal as LaTeX, or None if it is no formula."""
    # A relation stands between blanks, also one that a line begins with.
    text = " " + " ".join(literal.split())
    for words, sign in WORDS:
        text = text.replace(words, sign)
    position, parts, symbols, last = 0, list[str](), 0, ""
    open_end = any(text.count(left) != text.count(right) for left, right in ("()", "[]"))
    if open_end or not RELATIONS.search(text) or FLAG.search(text):
        return None
    while position < len(text):
        found = TOKEN.match(text, position)
        if found is None or found.end() == position:
            return None
        kind, position = found.lastgroup, found.end()
        if found["name"]:
            name = named(found["name"])
            symbols += name.symbol
            below = subscript(found["sub"]) if found["sub"] else ""
            if below is None:
                return None
            mark = found["mark"] or found["late"]
            letter = rf"\tilde{{{name.tex}}}" if mark == "~" else name.tex
            letter = rf"\ddot{{{letter}}}" if found["twice"] else letter
            above = f"^{{{mark}}}" if mark and mark != "~" else ""
            written = letter + (f"_{{{below}}}" if below else "") + above
            now = "word" if name.word else "operand" if name.operand else "function"
            if "word" in (now, last) and {now, last} <= {"word", "operand", "closed", "function"}:
                parts.append(r"\,")
            parts.append(written)
            last = now
            continue
        last = "operand" if kind == "number" else "closed" if kind in ("prime", "power") else ""
        if kind == "number":
            parts.append(found["number"])
        elif kind == "power":
            above = found["exponent"].strip("{}")
            parts.append(f"^{{{re.sub(r'[A-Za-z]+', lambda m: named(m[0]).tex, above)}}}")
            if found["norm"]:
                parts[-1] += "_{" + re.sub(r"\^(-?\w+)", r"^{\1}", subscript(found["norm"]) or "") + "}"
        elif kind == "prime":
            # A double superscript is an error: what carries a mark is put into braces.
            if parts and "^" in parts[-1]:
                parts[-1] = f"{{{parts[-1]}}}"
            parts.append(r"^{\top}")
        elif kind == "bar":
            before, after = text[found.start("bar") - 1 :][:1], text[found.end() :][:1]
            single = r"\mid" if before == after == " " else "|"
            parts.append(single if found["bar"] == "|" else r"\,\|\,")
        else:
            sign = found["sign"]
            last = "closed" if sign in ")]" else ""
            parts.append(SIGNS.get(sign, sign))
    return " ".join(parts) if symbols else None


def in_docstring(formula: str) -> str:
    """The role of reStructuredText."""
    return f":math:`{formula}`"


def typeset(text: str, role: Callable[[str], str], literals: re.Pattern[str] = CODE) -> str:
    """Text with the formulas among its literals in a role of their own; the rest as it was."""

    def replaced(found: re.Match[str]) -> str:
        formula = tex(found[1].replace(r"\|", "|"))
        return found[0] if formula is None else role(formula)

    return literals.sub(replaced, text)


FIRST_RELATION = re.compile(r" (=|\\sim|\\propto) |^(=) ")


def said(words: str) -> str:
    """A remark beside a formula: one more formula, or words."""
    formula = tex(words)
    return rf"\text{{{words}}}" if formula is None or re.search(r"mathrm\{[a-z]{3}", formula) else formula


def aligned(lines: list[str]) -> str | None:
    """Lines of formulas, with words after two blanks, as LaTeX that stands below each other; None if they are code."""
    rows = []
    for line in lines:
        columns = re.split(r"\s{2,}", line.strip())
        if (len(columns) > 1 and columns[1][:1] in ("=", "~")) or (columns[1:2] and columns[1].startswith("prop")):
            columns[:2] = [f"{columns[0]} {columns[1]}"]
        # A row that begins with a relation goes on from the one above; a symbol before it is not asked for.
        formula = tex(columns[0])
        if formula is None:
            return None
        words = [said(words) for words in columns[1:]]
        row = FIRST_RELATION.sub(lambda found: f" &{found[1] or found[2]} ", formula, count=1)
        row = row if "&" in row else row + " &"
        rows.append(row + (r" && " + r",\ ".join(words) if words else ""))
    return r" \\ ".join(rows)


def display(lines: list[str]) -> list[str]:
    """An indented block of a docstring: formulas, or else code, as reStructuredText."""
    formula = aligned(lines) if all(line.strip() for line in lines) else None
    if formula is not None:
        return [".. math::", "", rf"   \begin{{aligned}} {formula} \end{{aligned}}", ""]
    return [".. code-block:: text", "", *(f"   {line}" for line in lines), ""]


def runs(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """A docstring's lines in turn: sentences (False), and indented blocks between paragraphs (True).

    What is indented right below a line, as the arguments are below ``Args:``, is no such block.
    """
    said: list[str] = []
    position = 0
    while position < len(lines):
        before = next((text for text in reversed(said) if text.strip()), "")
        free = bool(said) and not said[-1].strip() and not before.startswith(" ")
        if not (lines[position].startswith("    ") and free):
            said.append(lines[position])
            position += 1
            continue
        end = position
        while end < len(lines) and (not lines[end].strip() or lines[end].startswith("    ")):
            end += 1
        block = lines[position:end]
        while not block[-1].strip():
            block.pop()
        yield False, said
        yield True, [text[4:] for text in block]
        # What comes next follows a paragraph's end.
        said, position = [""], end
    yield False, said


TABLE = re.compile(r"^ *=+(?: +=+)+ *$", re.MULTILINE)
"""The border of a table, whose columns would not stand below each other with formulas in them."""


def formulas_of(lines: list[str]) -> list[str]:
    """A docstring, line by line, with its formulas as reStructuredText has them; bars in sentences are no markup."""
    out: list[str] = []
    for number, (block, run) in enumerate(runs(lines)):
        if block:
            out += display(run)
        elif run[1:] or not number:
            # After a block the first line is the blank one that :func:`display` has left already.
            text = "\n".join(run[1:] if number else run)
            out += "\n\n".join(sentences(paragraph) for paragraph in text.split("\n\n")).split("\n")
    return out


def sentences(paragraph: str) -> str:
    """A paragraph, its literals and the formulas between them set; a table stays as it is."""
    if TABLE.search(paragraph):
        return paragraph
    pieces, last = [], 0
    for literal in LITERAL.finditer(paragraph):
        pieces += [prose(paragraph[last : literal.start()]), typeset(literal[0], in_docstring, LITERAL)]
        last = literal.end()
    return "".join([*pieces, prose(paragraph[last:])])


SPOKEN = re.compile(
    rf"""(?<![\w`.:/\\$-])(?:
        [pq]\((?:[^()`\n]|\([^()`\n]*\))*\)(?:\ =\ N\((?:[^()`\n]|\([^()`\n]*\))*\))?
      | (?:[A-Za-z]|{"|".join(sorted(GREEK))})
        _(?:\{{[^{{}}\n]*\}}|[A-Za-z\d](?::[A-Za-z\d])?(?:[-+]\d)?|[A-Z]{{2,}})(?![\w`':])
        (?:\((?:[^()`\n])*\))?
    )""",
    re.VERBOSE,
)
"""Formulas that a sentence says without marking them: distributions, and symbols with something below them."""


def prose(text: str) -> str:
    """Sentences with what is surely a formula set as one, and with bars that name no substitution."""
    pieces, last = [], 0
    for found in SPOKEN.finditer(text):
        # A symbol alone is taken for code: not here.
        formula = tex(found[0]) or (tex(f"{found[0]} = x") or "")[: -len(" = x")]
        if formula:
            pieces += [_bars(text[last : found.start()]), in_docstring(formula)]
            last = found.end()
            if text[last : last + 1].isalnum():
                pieces.append("\\ ")
    return "".join([*pieces, _bars(text[last:])])


def _bars(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)
