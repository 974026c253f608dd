"""Which bound on a state's gradient a policy is learned with: the largest one that brings something.

A bound is a bias, so that a large one is better as long as it works. Where a model stretches what it is given, the few
samples whose gradients explode decide together where the policy goes, and that is to its largest actions, where a
saturated network gets no gradient any more. Which models do so is not to be seen beforehand; that the imagined return
has stopped rising is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from latentrl.agents.imagination import StartStates
from latentrl.agents.policies.analytic_gradient import AnalyticGradient, AnalyticGradientOptions
from latentrl.agents.policies.mlp import MLPPolicy
from latentrl.agents.policies.progress import OnProgress
from latentrl.types import Dynamics, Reward

TRIAL = 100
"""Updates, after which a bound is given up where the second half of them brought too little."""
STUCK = 0.1
"""Of all that they brought: learning that has hardly begun brings a quarter and more, one that is stuck up to 3%."""


class SofteningGradient:
    """An `AnalyticGradient` that begins again with a smaller bound where it is stuck; a `Learner`.

    Where the second half of the first updates raised the imagined return by less than `STUCK` of all that they did, the
    next smaller bound is tried, from the same first weights, up to one that is not stuck; the trial with the best
    return goes on. Where the first is not stuck nothing else happens, and the policy is the same to the bit.

    Args:
        dynamics: see `AnalyticGradient`, as for all others.
        reward: differentiable in the state.
        start_states: where roll-outs start.
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        options: settings; ``softer`` are the bounds to try after ``state_gradient``, in turn.
        seed: of every trial.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        reward: Reward,
        start_states: StartStates,
        low: Tensor,
        high: Tensor,
        options: AnalyticGradientOptions | None = None,
        seed: int = 0,
    ) -> None:
        self.options = options = options or AnalyticGradientOptions()
        # A training that is hardly longer than a trial is not worth one.
        self._softer = options.softer if options.updates > 2 * TRIAL else ()

        def make(bound: float) -> AnalyticGradient:
            own = replace(options, state_gradient=bound)
            return AnalyticGradient(dynamics, reward, start_states, low, high, own, seed)

        self._make = make
        self.learner = make(options.state_gradient)

    @property
    def budget(self) -> int:
        """Updates to do at most, those of trials that are given up among them."""
        return self.learner.budget + TRIAL * len(self._softer)

    @property
    def policy(self) -> MLPPolicy:
        """That of the bound at work; while bounds are tried, of the best trial that is done, or of the first."""
        return self.learner.policy

    @property
    def returns(self) -> list[float]:
        """Those of the same bound as :attr:`policy`."""
        return self.learner.returns

    @property
    def found(self) -> dict[str, Any]:
        """The bound that :attr:`policy` is learned with, as the option that it is."""
        return {"state_gradient": self.learner.options.state_gradient}

    def learn(self, on_progress: OnProgress | None = None) -> MLPPolicy:
        """Choose the bound, then learn on with it."""
        if not self._softer:
            return self.learner.learn(on_progress)
        best, rose = _try(self.learner, on_progress)
        spent = TRIAL
        for bound in self._softer:
            if rose:
                break
            trial = self._make(bound)
            last, rose = _try(trial, _counting_from(spent, on_progress))
            spent += TRIAL
            # Not before its trial is done: whoever stops within it keeps the best so far.
            if last > best:
                best, self.learner = last, trial
        return self.learner.learn(_counting_from(spent - TRIAL, on_progress))


def _try(learner: AnalyticGradient, on_progress: OnProgress | None) -> tuple[float, bool]:
    """The return after the first updates; whether it still rose in the second half of them."""
    first = learner.imagined_return()
    learner.advance(TRIAL // 2, on_progress)
    halfway = learner.imagined_return()
    learner.advance(TRIAL - TRIAL // 2, on_progress)
    last = learner.imagined_return()
    return last, last - halfway > STUCK * abs(last - first)


def _counting_from(spent: int, on_progress: OnProgress | None) -> OnProgress | None:
    """``on_progress`` for a learner that begins after ``spent`` updates of others."""
    return None if on_progress is None else lambda done, figures: on_progress(spent + done, figures)
