"""A distance by one metric everywhere: the geodesic one where the space is flat (Latent Matters, 5.2.1)."""

from __future__ import annotations

import torch
from torch import Tensor


class QuadraticDistance:
    """``d^2(z) = (z - g)' M (z - g)``; implements `latentrl.rewards.distance.Distance`.

    Args:
        goal: g ``[Da]``, or ``[N, Da]``, one for each of N parallel episodes.
        metric: M ``[Da, Da]``, symmetric and positive definite.

    Raises:
        ValueError: a metric that is none, or of another size than the goal.
    """

    goal: Tensor
    metric: Tensor

    def __init__(self, goal: Tensor, metric: Tensor) -> None:
        if metric.shape != (goal.shape[-1],) * 2 or not metric.isfinite().all():
            raise ValueError(f"a metric for goals [{goal.shape[-1]}] is finite and square, not {tuple(metric.shape)}")
        root, failed = torch.linalg.cholesky_ex(metric)
        if not torch.equal(metric, metric.mT) or failed:
            raise ValueError("a metric is symmetric and positive definite")
        self.goal, self.metric, self._root = goal, metric, root

    def squared(self, position: Tensor) -> Tensor:
        """Squared distances ``[...]`` of ``position [..., Da]``; with N goals, of ``[..., N, S, Da]``."""
        goal = self.goal.unsqueeze(-2) if self.goal.dim() > 1 else self.goal
        # As a sum of squares, which no rounding makes negative.
        return ((position - goal) @ self._root.to(position)).square().sum(-1)

    def only(self, index: int) -> QuadraticDistance:
        """The distance to the goal of one of N episodes, still one for each of 1."""
        return QuadraticDistance(self.goal[index : index + 1], self.metric)
