"""The best of several policies, judged in the model over much longer than they were learned for.

What a policy does after its imagined steps is luck: of four that were learned in one model of a cart-pole, with other
first weights, two stayed where they were to go and two ran on into the rail, at returns that differ by a few percent.
Long imagined episodes tell them apart. Nothing but the model is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from latentrl.agents.policies.analytic_gradient import AnalyticGradient
from latentrl.agents.policies.mlp import MLPPolicy
from latentrl.agents.policies.progress import OnProgress

ENOUGH = 0.01
"""In the long run, of the squared distance at the start: a policy that comes so near needs no rival."""
STRIDE = 1_000_003
"""Between the seeds of two tries: larger than seeds that people give in a row."""


class BestOf:
    """Learns policies one after another, until one stays at the goal in the long run, and keeps the best of them.

    Args:
        make: a learner with a seed. The first try has ``seed`` itself.
        tries: at most.
        seed: of the first weights and of everything imagined.

    Raises:
        ValueError: fewer than one try.
    """

    def __init__(self, make: Callable[[int], AnalyticGradient], tries: int, seed: int = 0) -> None:
        if tries < 1:
            raise ValueError(f"tries must be at least 1, not {tries}")
        self._make, self._tries, self._seed = make, tries, seed
        self._best = make(seed)
        self._long_run: list[float] = []

    @property
    def budget(self) -> int:
        """Updates of all tries."""
        return self._best.budget * self._tries

    @property
    def policy(self) -> MLPPolicy:
        """The best of those that are finished; the first one until it is."""
        return self._best.policy

    @property
    def returns(self) -> Sequence[float]:
        """The best one's imagined returns."""
        return self._best.returns

    @property
    def long_run(self) -> Sequence[float]:
        """How each policy fared in the long run: see `AnalyticGradient.fares_in_the_long_run`."""
        return self._long_run

    def learn(self, on_progress: OnProgress | None = None) -> MLPPolicy:
        """All tries, or as many as it takes."""
        done = 0
        for number in range(self._tries):
            learner = self._best if number == 0 else self._make(self._seed + STRIDE * number)
            learner.learn(None if on_progress is None else _from(done, on_progress))
            done += learner.done
            # All from the same start states and with the same noise.
            found = learner.fares_in_the_long_run(self._seed)
            if number and found < min(self._long_run):
                self._best = learner
            self._long_run.append(found)
            if found <= ENOUGH:
                break
        return self.policy


def _from(done: int, on_progress: OnProgress) -> OnProgress:
    """``on_progress`` where ``done`` updates were done before."""

    def told(now: int, figures: Mapping[str, float]) -> None:
        on_progress(done + now, figures)

    return told
