"""An optimiser's state as tensors by name, for checkpoints."""

from __future__ import annotations

from torch import Tensor
from torch.optim import Optimizer

PREFIX = "optimiser."


def optimiser_tensors(optimiser: Optimizer) -> dict[str, Tensor]:
    """The optimiser's state, each tensor of its parameter's shape or a scalar, as ``optimiser.PARAMETER.KEY``."""
    states = optimiser.state_dict()["state"]
    return {f"{PREFIX}{index}.{key}": value for index, state in states.items() for key, value in state.items()}


def load_optimiser(optimiser: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Restore what :func:`optimiser_tensors` returned, among other ``tensors``; the optimiser keeps its settings."""
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(PREFIX):
            index, key = name.removeprefix(PREFIX).split(".", 1)
            states.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": states})
