"""The tests on every Python that is here or that uv can fetch, with the lowest and the newest dependencies allowed.

    python tools/test_matrix.py --pythons 3.10 3.12 --allowed newest -- -n 2 tests/support

Each pair of a Python and dependencies has an environment of its own below ``--work``, which is made once and used
again. What follows ``--`` goes to pytest; without it, all tests run. At the end there is a table: versions, and how the
tests ended. A Python that is not to be had is said to be missing, and is no failure; what cannot be installed is one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
ALLOWED = {"lowest": "lowest-direct", "newest": "highest"}
"""How uv resolves the versions that pyproject.toml allows: of what it names itself, the lowest or the highest."""
TOLD = ("torch", "numpy", "gymnasium", "minari")
"""Packages whose versions stand in the table."""


class Ended(NamedTuple):
    """A line of the table: ``fine`` is None where there was nothing to try."""

    python: str
    allowed: str
    versions: str
    outcome: str
    fine: bool | None


def uv() -> list[str]:
    """The command of uv: its own, or that of this interpreter.

    Raises:
        SystemExit: there is neither.
    """
    if found := shutil.which("uv"):
        return [found]
    here = [sys.executable, "-m", "uv"]
    if subprocess.run([*here, "--version"], capture_output=True, check=False).returncode == 0:
        return here
    raise SystemExit(f"uv is missing: {sys.executable} -m pip install uv")


def interpreter(version: str, command: Sequence[str]) -> str | None:
    """The path of a Python of this version, fetched if need be; None: it is not to be had here."""
    # pyenv has Pythons that are on no path, behind shims that refuse to start them.
    for place in sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"), reverse=True):
        return str(place)
    for before in ((), ("python", "install", version)):
        if before:
            subprocess.run([*command, *before], capture_output=True, check=False)
        find = [*command, "python", "find", "--no-python-downloads", version]
        found = subprocess.run(find, capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return found.stdout.strip()
    return None


def tried(version: str, allowed: str, work: Path, extras: str, tests: Sequence[str]) -> Ended:
    """Make the environment of a pair if it is not there, and run the tests in it; the log stays beside it."""
    command = uv()
    python = interpreter(version, command)
    if python is None:
        return Ended(version, allowed, "", "no such Python here, and none to be had", None)
    home, log = work / f"{version}-{allowed}", work / f"{version}-{allowed}.log"
    work.mkdir(parents=True, exist_ok=True)
    made = home / ".made"
    with log.open("w") as told:
        if not made.is_file():
            install = [*command, "pip", "install", "--resolution", ALLOWED[allowed], "--python", str(home)]
            for one in (
                [*command, "venv", "--clear", "--python", python, str(home)],
                [*install, "--editable", f"{ROOT}[{extras}]"],
            ):
                if subprocess.run(one, stdout=told, stderr=told, cwd=ROOT, check=False).returncode != 0:
                    return Ended(version, allowed, "", f"cannot be installed: {_last(log)} ({log})", False)
            made.touch()
        own = str(home / "bin" / "python")
        # An environment of the caller would lend its packages.
        surroundings = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        start = time.monotonic()
        ended = subprocess.run(
            [own, "-m", "pytest", *tests], stdout=told, stderr=told, cwd=ROOT, env=surroundings, check=False
        )
    outcome = f"{_last(log).strip('= ')} ({time.monotonic() - start:.0f} s)"
    return Ended(version, allowed, _versions(own), outcome, ended.returncode == 0)


def _last(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "nothing was said"


def _versions(python: str) -> str:
    asked = f"import importlib.metadata as m; print(', '.join(f'{{n}} {{m.version(n)}}' for n in {TOLD}))"
    return subprocess.run([python, "-c", asked], capture_output=True, text=True, check=False).stdout.strip()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the matrix; 1 if anything failed."""
    given = list(sys.argv[1:] if argv is None else argv)
    at = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pythons", nargs="+", default=list(PYTHONS))
    parser.add_argument("--allowed", nargs="+", choices=list(ALLOWED), default=list(ALLOWED))
    parser.add_argument("--extras", default="dev", help="of pyproject.toml, that are installed")
    parser.add_argument("--work", type=Path, default=ROOT / ".matrix", help="a folder for environments and logs")
    options = parser.parse_args(given[:at])
    tests = given[at + 1 :] or ["-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder"]
    lines = []
    for version in options.pythons:
        for allowed in options.allowed:
            lines.append(tried(version, allowed, options.work.resolve(), options.extras, tests))
            print(_row(lines[-1]), flush=True)
    print("\n| Python | Dependencies | Versions | Outcome |\n|---|---|---|---|")
    print("\n".join(_row(line) for line in lines))
    return int(any(line.fine is False for line in lines))


def _row(line: Ended) -> str:
    return f"| {line.python} | {line.allowed} | {line.versions or '-'} | {line.outcome} |"


if __name__ == "__main__":
    raise SystemExit(main())
