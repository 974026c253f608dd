"""What is sent to PyPI, tried as a stranger finds it: built, checked, installed into an empty environment, run.

    python tools/package.py                    # make package
    python tools/package.py --venv /tmp/empty  # keep the environment, to look into it

A wheel is made from the source distribution, not from the working tree, so that a file that one of them lacks is
missed. The environment is empty, and nothing is run from the repository.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IN_THE_WHEEL = (
    "latentrl/py.typed",
    "latentrl/shipped/runs/pendulum/model.safetensors",
    "latentrl/figures/assets/demo.html",
)
IN_THE_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "docs/index.md", "tests/test_cli.py")
LARGEST = 10 * 2**20
"""Bytes of either file."""


def run(arguments: Sequence[str | Path], folder: Path | None = None) -> str:
    """What a command printed; its failure ends everything, with what it said."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    finished = subprocess.run([str(a) for a in arguments], cwd=folder, env=environment, capture_output=True, text=True)
    if finished.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}\n{finished.stdout}{finished.stderr}")
    return finished.stdout


def missing(names: Sequence[str], there: Sequence[str]) -> list[str]:
    """Those of ``names`` that are not ``there``."""
    return sorted(set(names) - set(there))


def strangers(there: Sequence[str]) -> list[str]:
    """What a wheel holds besides the package and its metadata, or what nobody wants in it."""
    return [
        name
        for name in there
        if not name.startswith(("latentrl/", "latentrl-")) or "__pycache__" in name or name.endswith((".pyc", ".orig"))
    ]


def contents(wheel: Path, sources: Path) -> list[str]:
    """Complaints about what the two files hold."""
    with zipfile.ZipFile(wheel) as opened:
        inside = opened.namelist()
    with tarfile.open(sources) as archive:
        outside = [name.partition("/")[2] for name in archive.getnames()]
    complaints = [f"{wheel.name} lacks {name}" for name in missing(IN_THE_WHEEL, inside)]
    complaints += [f"{sources.name} lacks {name}" for name in missing(IN_THE_SOURCES, outside)]
    complaints += [f"{wheel.name} holds {name}" for name in strangers(inside)]
    return complaints + [
        f"{file.name} has {file.stat().st_size} bytes, more than {LARGEST}"
        for file in (wheel, sources)
        if file.stat().st_size > LARGEST
    ]


def extras(wheel: Path) -> list[str]:
    """The extras that a wheel names."""
    with zipfile.ZipFile(wheel) as opened:
        metadata = next(name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        lines = opened.read(metadata).decode().splitlines()
    return [line.partition(": ")[2] for line in lines if line.startswith("Provides-Extra: ")]


def build(out: Path) -> tuple[Path, Path]:
    """The wheel and the source distribution, made in ``out`` and checked."""
    run([sys.executable, "-m", "build", "--outdir", out, ROOT])
    wheel, sources = next(out.glob("*.whl")), next(out.glob("*.tar.gz"))
    run([sys.executable, "-m", "twine", "check", "--strict", wheel, sources])
    found = contents(wheel, sources)
    if found:
        raise SystemExit("\n".join(found))
    return wheel, sources


def install_and_run(wheel: Path, venv: Path) -> None:
    """An empty environment with the wheel alone, and the demo in an empty folder."""
    run([sys.executable, "-m", "venv", venv])
    python, constraints = venv / "bin" / "python", ROOT / "constraints.txt"
    run([python, "-m", "pip", "install", "--quiet", "-c", constraints, wheel])
    with tempfile.TemporaryDirectory() as folder:
        print(run([venv / "bin" / "latentrl", "demo"], Path(folder)))
        if not (Path(folder) / "runs" / "demo" / "demo.html").is_file():
            raise SystemExit("latentrl demo wrote no page")
    failed = []
    for extra in extras(wheel):
        try:
            run([python, "-m", "pip", "install", "--quiet", "--dry-run", "-c", constraints, f"{wheel}[{extra}]"])
        except SystemExit as refusal:
            print(refusal)
            failed.append(extra)
        else:
            print(f"latentrl[{extra}] resolves")
    if failed:
        raise SystemExit(f"these extras do not resolve with {constraints.name}: {', '.join(failed)}")


def main() -> None:
    """Everything once; ends with 1 at the first thing that does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for wheel and sources")
    parser.add_argument("--venv", type=Path, help="the empty environment; a temporary one if left out")
    options = parser.parse_args()
    wheel, sources = build(options.out.resolve())
    for file in (wheel, sources):
        print(f"{file.name}: {file.stat().st_size / 2**20:.1f} MiB")
    with tempfile.TemporaryDirectory() as folder:
        install_and_run(wheel, options.venv or Path(folder) / "venv")


if __name__ == "__main__":
    main()
