"""Kernels that numba compiles, kept in a folder from which the next process reads them; numba itself is optional.

The folder's name is the digest of all sources beside a kernel's, and it alone tells whether a kernel is the one that
was kept. numba itself looks at the file of the compiled function alone, and would go on with what another file said
before; and it looks at that file's place, and would compile everything anew in another environment or copy.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LOCK = threading.Lock()


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
            place = folder(Path(function.__code__.co_filename).parent, config.CACHE_DIR)
            return _compiled(function, arguments, _kept(function, place))
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
    return str(Path(given or user / "latentrl") / f"kernels-{_digest(sources)[:16]}")


@cache
def _digest(sources: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(sources.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
