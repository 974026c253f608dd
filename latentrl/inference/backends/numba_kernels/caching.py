"""Kernels compiled at their first call and kept in a folder, from which the next process reads them.

The folder's name is the digest of all sources of the kernels: numba itself looks at the file of the compiled function
alone, and would go on with what another file said before.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import config, njit

LOCK = threading.Lock()


@cache
def folder() -> str:
    """Where compiled kernels are kept: in ``NUMBA_CACHE_DIR``, or in the user's folder for such things."""
    sources = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sources.update(path.read_bytes())
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return str(Path(config.CACHE_DIR or user / "latentrl") / f"kernels-{sources.hexdigest()[:16]}")


class Kernel:
    """A function that is compiled when it is first called.

    Args:
        function: of arrays, that changes some of them.
    """

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        self._compiled: Any = None

    def __call__(self, *arguments: Any) -> None:
        if self._compiled is None:
            self._compiled = _compile(self.function, arguments)
        self._compiled(*arguments)


def _compile(function: Callable[..., None], arguments: tuple[Any, ...]) -> Any:
    """``function`` for such arguments, read or compiled and kept; where nothing can be kept, compiled anew."""
    with LOCK:
        before = config.CACHE_DIR, config.OPT
        # The vectors are explicit: what more a compiler finds is not worth twice the time it takes.
        config.OPT = type(config.OPT)(1)
        try:
            config.CACHE_DIR = folder()
            return _compiled(function, arguments, cache=True)
        # No home, a folder that cannot be written to, a full disk, a file that is cut off: numba names them variously.
        except Exception:
            return _compiled(function, arguments, cache=False)
        finally:
            config.CACHE_DIR, config.OPT = before


def _compiled(function: Callable[..., None], arguments: tuple[Any, ...], cache: bool) -> Any:
    found = njit(error_model="numpy", nogil=True, cache=cache)(function)
    found.compile(tuple(map(found.typeof_pyval, arguments)))
    return found
