"""Backends: ways to compute the recursions. A backend is one file or folder and one line in ``BACKENDS``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec

from latentrl.inference.backends.base import Backend, Emission, Joint, Marginals, Mixture, StateSpace, Transition
from latentrl.inference.backends.parallel import Parallel
from latentrl.inference.backends.reference import Reference
from latentrl.support.compiling import can_compile
from latentrl.support.errors import UserError

__all__ = [
    "AUTO",
    "BACKENDS",
    "NEEDS",
    "PLAIN",
    "REFERENCE",
    "Backend",
    "Emission",
    "Joint",
    "Marginals",
    "Mixture",
    "StateSpace",
    "Transition",
    "backend_named",
    "choose",
    "is_installed",
    "suits",
]


def _numba() -> Backend:
    # Late, for it takes half a second, and may not be installed.
    from latentrl.inference.backends.numba_kernels import Numba

    return Numba()


BACKENDS: dict[str, Callable[[], Backend]] = {"reference": Reference, "parallel": Parallel, "numba": _numba}
"""By name, from what is always there to what is fastest."""
NEEDS: dict[str, tuple[str, str]] = {"numba": ("numba", "latentrl[fast]")}
"""The module that a backend needs, and what installs it; none where nothing is said."""
LARGEST = 32
"""Dimensions of a state up to which kernels of small matrices are faster than PyTorch's products."""
AUTO, PLAIN = "auto", "reference"
"""What `--backend` says for the fastest there is, and for what is always there."""
REFERENCE = Reference()


def is_installed(name: str) -> bool:
    """Whether there is all that the backend of this name needs."""
    return name not in NEEDS or (can_compile() if name == "numba" else find_spec(NEEDS[name][0]) is not None)


def suits(device: str, size: int) -> bool:
    """Whether compiled kernels are the faster way for tensors on ``device`` and Dz = ``size``."""
    return device == "cpu" and size <= LARGEST


def choose(name: str, device: str, size: int = 1) -> str:
    """The backend that ``--backend NAME`` means for tensors on ``device``: ``auto`` is the fastest for Dz = ``size``.

    Raises:
        UserError: no such backend, one that is not installed, or one that does not compute on ``device``.
    """
    if name == AUTO:
        return "numba" if suits(device, size) and is_installed("numba") else PLAIN
    if name not in BACKENDS:
        raise UserError(f"--backend {name}: there is no such backend; give {AUTO} or one of {', '.join(BACKENDS)}")
    if not is_installed(name):
        module, extra = NEEDS[name]
        raise UserError(
            f"--backend {name}: {module} is not installed; pip install '{extra}', or give --backend {PLAIN}, which "
            "computes the same but for rounding"
        )
    if name == "numba" and device != "cpu":
        raise UserError(f"--backend numba: computes on the processor, not on {device}; give {AUTO} or --device cpu")
    return name


@cache
def backend_named(name: str) -> Backend:
    """The backend of this name, one for all."""
    return BACKENDS[name]()
