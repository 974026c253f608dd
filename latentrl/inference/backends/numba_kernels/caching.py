"""Kernels compiled at their first call, and kept for the next process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from latentrl.support.compiling import compiled


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
            self._compiled = compiled(self.function, arguments)
        self._compiled(*arguments)
