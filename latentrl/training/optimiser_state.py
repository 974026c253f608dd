"""What an optimiser has gathered, as tensors by name: half of what a training needs to go on."""

from __future__ import annotations

from torch import Tensor
from torch.optim import Optimizer

PREFIX = "optimiser."


def optimiser_tensors(optimiser: Optimizer) -> dict[str, Tensor]:
    """The optimiser's state, ``optimiser.PARAMETER.KEY``."""
    states = optimiser.state_dict()["state"]
    return {f"{PREFIX}{index}.{key}": value for index, state in states.items() for key, value in state.items()}


def load_optimiser(optimiser: Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of :func:`optimiser_tensors`, which may have others among them; its settings stay as they are."""
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(PREFIX):
            index, key = name.removeprefix(PREFIX).split(".", 1)
            states.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": states})
