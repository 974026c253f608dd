"""Every relative link of a built site leads to a file that is there, and to a place in it: what the build cannot see.

    python -m docs.site.dead_links build/site

The build checks what it resolves itself; this reads the pages as a browser does, navigation, search and films included.
"""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ADDRESSES = frozenset({"href", "src"})


class Page(HTMLParser):
    """What a page points to, and the places in it that can be pointed to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ADDRESSES and value:
                self.links.append(value)
            elif name == "id" or (name == "name" and tag == "a"):
                self.places.add(value or "")


@cache
def read(file: Path) -> Page:
    """A page, parsed once."""
    page = Page()
    page.feed(file.read_text(encoding="utf-8"))
    return page


def dead_links(site: Path) -> list[str]:
    """One line for each link in a page below ``site`` that leads nowhere."""
    complaints = []
    for file in sorted(site.rglob("*.html")):
        for link in dict.fromkeys(read(file).links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = file if not parts.path else (file.parent / unquote(parts.path)).resolve()
            if target.is_dir():
                target /= "index.html"
            name = file.relative_to(site)
            if not target.is_file():
                complaints.append(f"{name}: {link} is not there")
            elif parts.fragment and target.suffix == ".html":
                if unquote(parts.fragment) not in read(target).places:
                    complaints.append(f"{name}: {link} has no such place")
    return complaints


def elsewhere(site: Path) -> set[str]:
    """Addresses of other sites that pages below ``site`` name; nobody has followed them here."""
    links = {link for file in site.rglob("*.html") for link in read(file).links}
    return {link for link in links if urlsplit(link).netloc}


def main(arguments: list[str]) -> int:
    """1 if a link is dead."""
    found = dead_links(Path(arguments[0]).resolve())
    print("\n".join(found) or "every link leads somewhere", file=sys.stderr if found else sys.stdout)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
