"""Opening a run folder: made, refused, gone on with or replaced, and held so that nobody else trains into it.

A run that is to be replaced is moved aside, to ``.NAME.replaced`` beside its place, and stays there until the new one
has something to go on with; a new one that never came so far is removed, and the old one is back.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

from latentrl.runs.folder import CHECKPOINT, HISTORY, METRICS, MODEL, SETTINGS
from latentrl.support import locks
from latentrl.support.commands import command
from latentrl.support.errors import UserError

OF_A_RUN = (
    *(SETTINGS, CHECKPOINT, MODEL, HISTORY, METRICS, "velocity.json", "*.safetensors", "events.out.tfevents.*"),
    *("policy*", "imagined.*", "evaluation_*", "compare*", "export*", "*.partial"),
    *("tracking*", "wandb"),
    *("goal.*", "entry.json", "hub.json", "README.md"),
)
"""Names of what verbs write into a run folder."""


def check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a run folder that exists, unless it is empty, or holds a run and may be replaced.

    Raises:
        UserError: it exists and ``overwrite`` is False, or it holds something else.
    """
    if folder.is_symlink():
        raise UserError(f"{folder} is a link: give the folder that it leads to with --run, {folder.resolve()}")
    # Asked once: another process may make, or move away, the folder meanwhile.
    try:
        names = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise UserError(f"{folder} is no folder: move it away, or give another folder with --run") from error
    if not names:
        return
    if overwrite:
        foreign = [name for name in names if not any(fnmatch(name, pattern) for pattern in OF_A_RUN)]
        if foreign and not {CHECKPOINT, MODEL, HISTORY} & set(names):
            raise UserError(
                f"--overwrite: {folder} is no run folder, so it stays: it holds {foreign[0]}; give another with --run"
            )
        return
    if SETTINGS not in names:
        raise UserError(
            f"{folder} exists already, and without {SETTINGS} nothing can go on with it: "
            "give --overwrite to replace it, or another --run"
        )
    raise UserError(
        f"{folder} exists already: give --resume to continue it, --overwrite to replace it, or another --run"
    )


def check_resumable(folder: Path) -> None:
    """Refuse to go on with what cannot be gone on with.

    Raises:
        UserError: no such folder, one without settings, or one that another process is replacing.
    """
    recover(folder)
    if (folder / SETTINGS).is_file():
        return
    if not _holds_something(folder):
        raise UserError(f"--resume: {folder} holds no run: leave --resume out to begin one")
    raise UserError(
        f"--resume: {folder / SETTINGS} does not exist, which says how the run was begun: put it back, or begin again "
        f"with `{command('train', '--run', folder, '--overwrite')}` and the run's other options"
    )


@contextmanager
def opened(folder: Path, overwrite: bool = False, resume: bool = False) -> Iterator[None]:
    """Make the run folder, or go on with it, and keep every other training out until the block ends.

    Where the block fails before there is something to go on with, the folder is as it was before: gone, or the run that
    was to be replaced. One that is gone on with stays in any case.

    Args:
        folder: of the run.
        overwrite: replace a run that is there.
        resume: go on with the run that is there.

    Raises:
        UserError: as :func:`check_folder` and :func:`check_resumable`, or another process is at work there.
    """
    busy = _busy(folder)
    if resume:
        check_resumable(folder)
        with locks.exclusive(folder, busy):
            yield
            if _started(folder):
                shutil.rmtree(_aside(folder), ignore_errors=True)
        return
    recover(folder)
    check_folder(folder, overwrite)
    if _holds_something(folder):
        with locks.exclusive(folder, busy):
            _move_aside(folder)
            with _fresh(folder, busy):
                yield
    else:
        with _fresh(folder, busy):
            yield


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Keep a run folder from being trained into, or replaced, while a verb works with what is in it.

    Else a policy that took hours would be written beside another model than it was learned in.

    Raises:
        UserError: a training is at work there.
    """
    if not folder.is_dir():  # which is for whoever reads it to say
        yield
        return
    with locks.shared(folder, f"{folder}: a training is at work there; wait for it, or stop it"):
        yield


def recover(folder: Path) -> None:
    """Put a run back that was moved aside by a process which was killed before it made the new folder.

    Raises:
        UserError: that process is still at work, or another one has come first.
    """
    aside = _aside(folder)
    if folder.exists() or not aside.is_dir():
        return
    # Who moves a run aside holds it to the end: what can be held here is nobody's any more.
    with locks.exclusive(aside, _busy(folder)):
        _put_back(folder)


def _put_back(folder: Path) -> None:
    # Where there are no locks, another process may come first.
    with suppress(FileNotFoundError):
        if not folder.exists():
            _aside(folder).rename(folder)


def _busy(folder: Path) -> str:
    return f"{folder}: another process is at work there; wait for it, or give another --run"


@contextmanager
def _fresh(folder: Path, busy: str) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    with locks.exclusive(folder, busy):
        # Between the check and the lock, another one may have begun, or even have come to its end.
        check_folder(folder, overwrite=False)
        stopped = False
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            stopped = True
            raise
        finally:
            begun = (folder / SETTINGS).is_file()
            if _started(folder) or (begun and (stopped or not _aside(folder).is_dir())):
                shutil.rmtree(_aside(folder), ignore_errors=True)
            else:
                shutil.rmtree(folder, ignore_errors=True)
                _put_back(folder)


def _move_aside(folder: Path) -> None:
    aside = _aside(folder)
    if aside.is_dir() and not _started(folder):
        shutil.rmtree(folder)  # a replacement that was killed at its beginning: what it was to replace is aside
        return
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)


def _holds_something(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _aside(folder: Path) -> Path:
    place = folder.absolute()
    return place.with_name(f".{place.name}.replaced")


def _started(folder: Path) -> bool:
    """Whether there is something to go on with, be it of the first stage alone."""
    return any(folder.glob("*.safetensors"))
