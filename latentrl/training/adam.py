"""Adam as one kernel, without what PyTorch does around it at every step.

On a processor that takes three times as long as the kernel: the steps of every parameter are counted up one by one, and
down again where a step may be skipped, a conversion each. The numbers are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class FusedAdam(torch.optim.Adam):
    """``torch.optim.Adam(..., fused=True)`` and its state; not on a processor, it is nothing else.

    Args:
        parameters: or groups of them, all of one precision and on one device.
        lr: learning rate of groups that have none of their own.

    Attributes:
        found_inf: a float32 scalar: where it is 1, a step changes nothing.
    """

    # Of the class: a copy of an optimiser has nothing but its state and its groups.
    found_inf: Tensor | None = None

    def __init__(self, parameters: Any, lr: float = 1e-3) -> None:
        super().__init__(parameters, lr=lr, fused=True)
        for group in self.param_groups:
            group["capturable"] = any(one.device.type == "cuda" for one in group["params"])

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; PyTorch's own with a ``closure``, where a parameter has its first, and where none has any."""
        moving = [[one for one in group["params"] if one.grad is not None] for group in self.param_groups]
        states = [[self.state[parameter] for parameter in some] for some in moving]
        begun = any(moving) and all(map(all, states))
        if closure is not None or not begun or not all(map(self._is_plain, self.param_groups)):
            return super().step(closure)
        counts = [state["step"] for some in states for state in some]
        counted = torch.ones(()) if self.found_inf is None else 1 - self.found_inf
        torch._foreach_add_(counts, [counted] * len(counts))
        for group, parameters, some in zip(self.param_groups, moving, states, strict=True):
            if not parameters:
                continue
            beta1, beta2 = group["betas"]
            torch._fused_adam_(
                parameters,
                [parameter.grad for parameter in parameters],
                [state["exp_avg"] for state in some],
                [state["exp_avg_sq"] for state in some],
                [],
                [state["step"] for state in some],
                amsgrad=False,
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=0.0,
                eps=group["eps"],
                maximize=False,
                found_inf=self.found_inf,
            )
        return None

    @staticmethod
    def _is_plain(group: dict[str, Any]) -> bool:
        """Whether a group is on a processor and asks for nothing that the kernel is not told here."""
        here = all(one.device.type == "cpu" for one in group["params"][:1])
        return here and not (group["weight_decay"] or group["amsgrad"] or group["maximize"])
