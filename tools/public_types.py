"""How much of what the package shows has types that a user's checker knows: `pyright --verifytypes`.

    python tools/public_types.py --least 0.95    # make public-types

Symbols of other packages are left out: whether they have types is not for this one to say. It fails below the share
that is asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "latentrl"
SHOWN = 10


def report() -> dict[str, Any]:
    """What pyright says of this checkout's package, with the libraries of the Python that runs this."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--verifytypes", PACKAGE, "--ignoreexternal"]
    # It asks the first `python` on PATH where the libraries are; and an editable install may lead to another checkout,
    # which PYTHONPATH comes before.
    first = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    paths = {**os.environ, "PATH": first, "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=paths)
    try:
        found: dict[str, Any] = json.loads(finished.stdout)["typeCompleteness"]
    except (ValueError, KeyError) as error:
        raise SystemExit(f"{' '.join(command)}\n{finished.stdout}{finished.stderr}") from error
    return found


def unknown_by_module(found: Mapping[str, Any]) -> Counter[str]:
    """How many exported symbols of each module have a type that is not known."""
    return Counter(
        symbol["name"].rsplit(".", 1)[0]
        for symbol in found["symbols"]
        if symbol["isExported"] and not symbol["isTypeKnown"]
    )


def complaints(found: Mapping[str, Any], least: float, package: Path) -> list[str]:
    """Why a report does not do: too little is known, or it is about another folder than ``package``."""
    said = []
    if Path(found["packageRootDirectory"]).resolve() != package.resolve():
        said.append(f"pyright looked at {found['packageRootDirectory']}, not at {package}")
    if found["completenessScore"] < least:
        said.append(f"less than {least:.0%} have a known type: annotate what the list above names")
    return said


def main() -> int:
    """1 if less is known than is asked for, or nothing of this checkout."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--least", type=float, default=0.95, help="share of exported symbols with a known type")
    least = parser.parse_args().least
    found = report()
    counts, score = found["exportedSymbolCounts"], found["completenessScore"]
    print(f"{score:.1%} of {sum(counts.values())} exported symbols have a known type: {json.dumps(counts)}")
    for module, count in unknown_by_module(found).most_common(SHOWN):
        print(f"  {count:4d}  {module}")
    said = complaints(found, least, ROOT / PACKAGE)
    print("\n".join(said), file=sys.stderr, end="\n" if said else "")
    return bool(said)


if __name__ == "__main__":
    sys.exit(main())
