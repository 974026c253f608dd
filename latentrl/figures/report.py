"""What the reports of all environments share: one self-contained HTML page with cards, tables and pictures."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from latentrl.figures.theme import DARK, LIGHT, Theme, to_png
from latentrl.support.files import write_text


def write_page(path: Path, title: str, body: str, parts: Mapping[str, str], script: str | None = None) -> None:
    """Write the page to ``path``, whole or not at all. It loads nothing, and runs no script but its own.

    Args:
        path: the HTML file; its folder exists.
        title: of the window.
        body: the name of the file among the assets that holds the page's sections.
        parts: what stands in the places ``{{name}}`` of body and script.
        script: the name of a script among the assets.

    Raises:
        ValueError: a part without a place, or a place without a part.
    """
    code = "" if script is None else asset(script)
    in_code = {name: text for name, text in parts.items() if "{{" + name + "}}" in code}
    code = fill(code, in_code, finished=True)
    frame = {"title": html.escape(title), "body": asset(body), "scripts": _allowed(code)}
    page = fill(asset("report.html"), frame)
    others = {name: text for name, text in parts.items() if name not in in_code or "{{" + name + "}}" in page}
    page = fill(page, others)
    write_text(path, fill(page, {"script": f"\n<script>{code}</script>\n" if code else ""}, finished=True))


def fill(template: str, parts: Mapping[str, str], finished: bool = False) -> str:
    """``template`` with every ``{{name}}`` replaced.

    Raises:
        ValueError: a part without a place or, if ``finished``, a place without a part.
    """
    for name, text in parts.items():
        place = "{{" + name + "}}"
        if place not in template:
            raise ValueError(f"the report's template has no place for '{name}'")
        template = template.replace(place, text)
    if finished and "{{" in template:
        raise ValueError(f"the report's template has an unfilled place: {template[template.index('{{') :][:40]!r}")
    return template


def gif(animation: bytes | Path) -> str:
    """The data URI of an animated GIF, given as its bytes or its file.

    Raises:
        ValueError: no GIF.
    """
    content = animation if isinstance(animation, bytes) else animation.read_bytes()
    if not content.startswith((b"GIF87a", b"GIF89a")):
        raise ValueError("the animation is not a GIF: give an animated GIF's bytes or file")
    return data_uri(content, "image/gif")


def picture(draw: Callable[[Theme], Figure], text: str) -> str:
    """A figure in two themes; the reader's browser chooses. ``text`` describes it to who cannot see it."""
    light, dark = (data_uri(to_png(draw(theme)), "image/png") for theme in (LIGHT, DARK))
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{html.escape(text)}"></picture>'
    )


def data_uri(content: bytes, kind: str) -> str:
    """``content`` of the media type ``kind`` as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def cards(rows: Iterable[tuple[str, str, str]]) -> str:
    """Cards of a value, what it is and a note; HTML, nothing is escaped."""
    return "\n".join(
        f'<div class="card"><b>{value}</b><span>{label}</span><i>{note}</i></div>' for value, label, note in rows
    )


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows of a heading and its cells; HTML, nothing is escaped."""
    return "\n".join(
        f"<tr><th>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for name, *cells in rows
    )


def share(result: Mapping[str, Any]) -> str:
    """``successes / episodes`` for a card."""
    return f"{result['successes']}<small>&thinsp;/&thinsp;{result['episodes']}</small>"


def r_squared(value: float) -> str:
    """``value`` with four decimals, more where those would say 1 of a figure that is less."""
    decimals = next((n for n in range(4, 9) if round(value, n) < 1), 4)
    return f"{value:.{decimals}f}"


def scientific(value: float) -> str:
    """``value`` for people, in HTML: 2.1e-4 becomes 2.1 × 10 to the power of -4."""
    if not np.isfinite(value) or value == 0:
        return html.escape(str(value))
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}&thinsp;×&thinsp;10<sup>{html.escape(str(int(exponent))).replace('-', '−')}</sup>"


def duration(seconds: float) -> str:
    """``seconds`` as minutes and seconds, in HTML."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}<small>&thinsp;min</small>" if minutes else f"{rest}<small>&thinsp;s</small>"


def _allowed(code: str) -> str:
    """What a Content-Security-Policy says for a page to run ``code``, by its digest, and nothing else."""
    if not code:
        return "'none'"
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode('ascii')}'"


def asset(name: str) -> str:
    """The text of one of the assets."""
    return resources.files("latentrl.figures").joinpath(f"assets/{name}").read_text("utf-8")
