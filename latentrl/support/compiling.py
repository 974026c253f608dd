"""Kernels that numba compiles, kept in a folder from which the next process reads them; numba itself is optional.

The folder's name is the digest of all sources beside a kernel's, and it alone tells whether a kernel is the one that
was kept. numba itself looks at the file of the compiled function alone, and would go on with what another file said
before; and it looks at that file's place, and would compile everything anew in another environment or copy. Another
version of the package has folders of its own; another version of numba writes over what was there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

LOCK = threading.Lock()
KEPT = "kernels-"
"""What the folders' names begin with."""
UNUSED = 30 * 24 * 3600.0
"""Seconds without being read, after which kernels are removed: those of another version may be in use beside these."""


@cache
def can_compile() -> bool:
    """Whether numba is installed (``pip install 'latentrl[fast]'``), can be imported, and is not switched off."""
    if find_spec("numba") is None:
        return False
    try:
        from numba import config
    # Of another version of NumPy, say: everything works without, only slower.
    except Exception as error:
        print(f"note: numba is installed, but cannot be used ({error}); going on without")
        return False
    return not config.DISABLE_JIT


def compiled(function: Callable[..., None], arguments: tuple[Any, ...]) -> Any:
    """``function`` for such arguments, read or compiled and kept; where nothing can be kept, compiled anew.

    Args:
        function: of arrays, that changes some of them.
        arguments: examples of what it will be called with: their types count.
    """
    from numba import config

    with LOCK:
        before = config.OPT
        # The vectors are explicit: what more a compiler finds is not worth twice the time it takes.
        config.OPT = type(config.OPT)(1)
        try:
            place = Path(folder(Path(function.__code__.co_filename).parent, config.CACHE_DIR))
            if not any(place.rglob(f"*.{function.__name__}-*.nbi")):
                _say_compiling(place.parent)
            found = _compiled(function, arguments, _kept(function, str(place)))
            with suppress(OSError):
                os.utime(place)
                if found.stats.cache_misses:
                    remove_unused(place.parent, time.time() - UNUSED)
            return found
        # No home, a folder that cannot be written to, a full disk, a file that is cut off: numba names them variously.
        except Exception:
            return _compiled(function, arguments, None)
        finally:
            config.OPT = before


def _compiled(function: Callable[..., None], arguments: tuple[Any, ...], kept: Any) -> Any:
    from numba import njit

    found = njit(error_model="numpy", nogil=True)(function)
    if kept is not None:
        found._cache = kept
    found.compile(tuple(map(found.typeof_pyval, arguments)))
    return found


@cache
def _say_compiling(place: Path) -> None:
    """Once in a process: it takes seconds, in which nothing else is shown."""
    with tqdm.external_write_mode(sys.stderr):
        print(f"compiling kernels (once on a machine; kept in {place})", file=sys.stderr, flush=True)


def remove_unused(place: Path, before: float) -> None:
    """Remove the folders of kernels that were last read or written ``before``, in seconds since 1970.

    A folder is moved aside first: whoever reads in it finds all of it or nothing, and then compiles.
    """
    for old in place.glob(f"{KEPT}*"):
        try:
            if old.is_symlink() or not old.is_dir() or old.stat().st_mtime >= before:
                continue
            aside = old if old.suffix == ".removed" else old.rename(old.with_name(f"{old.name}.{os.getpid()}.removed"))
        # Another process came first, or may what this one may not.
        except OSError:
            continue
        shutil.rmtree(aside, ignore_errors=True)


def _kept(function: Callable[..., None], place: str) -> Any:
    """numba's cache of a function, in a folder whose name tells all of its sources."""
    from numba.core import caching

    class Here(caching._CacheLocator):
        def get_cache_path(self) -> str:
            return place

        def get_source_stamp(self) -> str:
            return Path(place).name

        def get_disambiguator(self) -> str:
            return str(function.__code__.co_firstlineno)

        @classmethod
        def from_function(cls, *_: Any) -> Here:
            found = cls()
            found.ensure_cache_path()
            return found

    class Found(caching.CompileResultCacheImpl):
        _locator_classes = (Here,)

    class Kept(caching.FunctionCache):
        _impl_class = Found

    return Kept(function)


def folder(sources: Path, given: str) -> str:
    """Where compiled kernels are kept: in ``NUMBA_CACHE_DIR``, or in the user's folder for such things."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return str(Path(given or user / "latentrl") / f"{KEPT}{_digest(sources)[:16]}")


@cache
def _digest(sources: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(sources.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
