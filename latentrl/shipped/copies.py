"""``zoo:NAME`` as a folder: verbs write beside what they read, and so work in a copy."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tyro.constructors import PrimitiveConstructorSpec

from latentrl.shipped.entries import ENTRY, PREFIX, Entry, checked, entry_of
from latentrl.support.errors import UserError
from latentrl.support.files import refuse_link

COPIES = Path("runs") / "zoo"
"""Where copies lie, as seen from the working folder."""
WEIGHTS = "model.safetensors"
"""What a copy must share with the run that was shipped: policies may be added to it, but it stays this model."""


def readable(run: str | Path) -> Path:
    """The folder to read a run from: for ``zoo:NAME`` the shipped one itself, in which nothing may be written.

    Raises:
        UserError: there is no shipped run of that name.
    """
    text = str(run)
    return entry_of(text.removeprefix(PREFIX)).folder if text.startswith(PREFIX) else Path(run)


def writable(run: str | Path) -> Path:
    """The folder to work in: for ``zoo:NAME`` a copy in ``runs/zoo/NAME``, made where it is not there yet.

    Raises:
        UserError: there is no shipped run of that name, or another run has its place.
    """
    text = str(run)
    if not text.startswith(PREFIX):
        return Path(run)
    entry = entry_of(text.removeprefix(PREFIX))
    folder = COPIES / entry.name
    if not is_copy(folder, entry):
        copy(entry, folder)
        print(f"{text}: copied to {folder}, where all that is made of it goes")
    else:
        others = [name for name in entry.files if not _alike(folder / name, entry.folder / name)]
        changed = f"; {', '.join(others)}: no longer as shipped (zoo get {entry.name} --out FOLDER)" if others else ""
        print(f"{text}: its copy in {folder}{changed}")
    return folder


def is_copy(folder: Path, entry: Entry) -> bool:
    """Whether ``folder`` is a copy of the entry, whatever was written into it since.

    Raises:
        UserError: something else has its place.
    """
    refuse_link(folder)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if not all(_alike(folder / name, entry.folder / name) for name in (ENTRY, WEIGHTS)):
        raise UserError(
            f"{folder} holds something else than {PREFIX}{entry.name}: move it away, or give it as what it is, "
            f"--run {folder}"
        )
    return True


def _alike(one: Path, other: Path) -> bool:
    return one.is_file() and one.read_bytes() == other.read_bytes()


def copy(entry: Entry, folder: Path) -> None:
    """Copy an entry to ``folder``, which appears when it is complete.

    Raises:
        UserError: the shipped files are damaged, or something else has its place.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
    try:
        for name, expected in entry.files.items():
            (temporary / name).write_bytes(checked(entry.folder, name, expected))
        shutil.copyfile(entry.folder / ENTRY, temporary / ENTRY)
        temporary.chmod(0o755)
        try:
            temporary.rename(folder)
        except OSError:
            # Another process came first, or the folder's name is taken.
            if not is_copy(folder, entry):
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def new(run: str) -> Path:
    """The folder of a run that is to be made.

    Raises:
        UserError: it is the name of a shipped one, which is trained already.
    """
    if run.startswith(PREFIX):
        name = entry_of(run.removeprefix(PREFIX)).name
        raise UserError(f"--run {run}: is trained already; give a folder of your own, such as --run runs/{name}")
    return Path(run)


def _run(metavar: str, read: Callable[[str], Path]) -> PrimitiveConstructorSpec[Path]:
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda arguments: _told(read, arguments[0]),
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda value: [str(value)],
    )


def _told(read: Callable[[str], Path], run: str) -> Path:
    try:
        return read(run)
    except UserError as error:
        # A parser makes a box of every ValueError; this is told as all else that a user can cure.
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


RUN = _run("RUN", writable)
"""How tyro reads a run folder: its path, or ``zoo:NAME`` for a run that comes with the package."""
NEW_RUN = _run("FOLDER", new)
"""How it reads the folder of a run that is to be made."""
