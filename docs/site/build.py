"""The site, from nothing to checked pages: what `make docs` does.

    python -m docs.site.build                  # -> build/site/VERSION/index.html
    python -m docs.site.build --external       # links to other sites too, for which there has to be a network

Examples in docstrings are run, pages are put together, Sphinx builds them (a warning is an error, the notebooks are
executed), and every link inside what came out is followed. ``build/site`` is what is published: it keeps the versions
that lie in it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import latentrl
from docs.site import examples, listings, versions
from docs.site.dead_links import dead_links, elsewhere
from docs.site.stage import ROOT, stage

BUILD = ROOT / "build"
SITE, WORK = BUILD / "site", BUILD / "docs"
SOURCE, PAGES = WORK / "source", WORK / "html"


def sphinx(builder: str, out: Path, known: Sequence[str], more: Sequence[str] = ()) -> int:
    """Run a builder of Sphinx over the pages; returns its exit code."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", builder]
    command += ["-c", str(ROOT / "docs" / "site")]
    environment = {**os.environ, "LATENTRL_VERSIONS": json.dumps(list(known))}
    command += ["-d", str(WORK / "doctrees"), *more, str(SOURCE), str(out)]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 if the site is whole."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--external", action="store_true", help="follow links to other sites, and build nothing")
    parser.add_argument("sphinx", nargs="*", help="options for Sphinx, after --")
    options = parser.parse_args(argv)
    version = latentrl.__version__
    known = versions.add(SITE, version)
    stage(ROOT, SOURCE)
    if options.external:
        return sphinx("linkcheck", WORK / "linkcheck", known, options.sphinx)
    if any(failed for failed, _ in examples.failures(ROOT / "latentrl").values()):
        return 1
    if code := sphinx("html", PAGES, known, options.sphinx):
        return code
    listings.write(ROOT / "latentrl", PAGES)
    # What is published never lies beside what a notebook left, and is never half built.
    shutil.rmtree(SITE / version, ignore_errors=True)
    shutil.copytree(PAGES, SITE / version)
    if found := dead_links(SITE):
        print("\n".join(found), file=sys.stderr)
        return 1
    print(f"{SITE / version / 'index.html'}: every link inside leads somewhere")
    print(f"{len(elsewhere(SITE))} addresses of other sites were not followed: make docs-links, with a network")
    return 0


if __name__ == "__main__":
    sys.exit(main())
