"""The environment's own reward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from latentrl.envs.measures.base import Outcome, Truth

REWARD = "reward"
"""Stands among a task's truth for the environment's own reward."""


@dataclass(frozen=True)
class Score:
    """The environment's own reward, summed over the episode: for comparing alone, no agent sees it.

    Figure ``return``; its mean counts, with an interval.
    """

    @property
    def headings(self) -> Mapping[str, str]:
        """Column headings of the figures in a table for people, by figure."""
        return {"return_mean": "return", "return_low": "95% from, return", "return_high": "to, return"}

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of ``truth["reward"] [T, N]``."""
        return Outcome(None, {"return": truth[REWARD].sum(axis=0)}, averaged=("return",))
