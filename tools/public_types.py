"""How much of what the package shows has types that a user's checker knows: `pyright --verifytypes`.

    python tools/public_types.py --least 0.95    # make public-types

Symbols of other packages are left out: whether they have types is not for this one to say.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

PACKAGE = "latentrl"
SHOWN = 10


def report() -> dict[str, Any]:
    """What pyright says of the installed package."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--verifytypes", PACKAGE, "--ignoreexternal"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
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


def main() -> int:
    """1 if less is known than is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--least", type=float, default=0.95, help="share of exported symbols with a known type")
    least = parser.parse_args().least
    found = report()
    counts, score = found["exportedSymbolCounts"], found["completenessScore"]
    print(f"{score:.1%} of {sum(counts.values())} exported symbols have a known type: {json.dumps(counts)}")
    for module, count in unknown_by_module(found).most_common(SHOWN):
        print(f"  {count:4d}  {module}")
    return score < least


if __name__ == "__main__":
    sys.exit(main())
