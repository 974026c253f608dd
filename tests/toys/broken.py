"""A second plugin, after `plugin`: the toys under the same names, each with one promise broken, for suites to find."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor

from latentrl.agents.planners import PLANNERS
from latentrl.agents.policies import POLICIES, MLPPolicy, PolicyKind
from latentrl.agents.policies.progress import OnProgress
from latentrl.envs import ENVIRONMENTS
from latentrl.envs.description import Collection
from latentrl.envs.measures import MEASURES, Outcome, Truth
from latentrl.figures import FIGURES
from latentrl.figures.base import Arrays, Drawing
from latentrl.figures.theme import Theme
from latentrl.geometry.geodesics import GEODESICS, Curves
from latentrl.geometry.topologies import TOPOLOGIES
from latentrl.goals.parsing import GOALS
from latentrl.inference.backends import BACKENDS
from latentrl.inference.kalman import Filtered
from latentrl.models import MODELS, STATICS, ModelEntry
from latentrl.models.capabilities import Sampled
from latentrl.objectives import OBJECTIVES
from latentrl.priors import PRIORS
from latentrl.recordings.readers import READERS
from latentrl.studies.systems import SYSTEMS
from latentrl.tracking import TRACKERS
from latentrl.tracking.base import Kind
from latentrl.training.penalties import PENALTIES, Step
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages import STAGES
from latentrl.types import Belief, Dynamics, RateDistortion, Reward, Sequences
from tests.toys.backend import ToyBackend
from tests.toys.environment import TOY_ENVIRONMENT
from tests.toys.geodesics import ToyGeodesics
from tests.toys.goal import ToyGoal
from tests.toys.measure import ToyMeasure
from tests.toys.model import ToyModel, ToySettings
from tests.toys.objective import ToyObjective
from tests.toys.penalty import ToyPenalty
from tests.toys.planner import ToyPlanner
from tests.toys.policy import ToyLearner, ToyPolicyOptions
from tests.toys.prior import ToyPrior
from tests.toys.reader import ToyReader
from tests.toys.stage import ToyStage
from tests.toys.static import ToyStatic, ToyStaticSettings
from tests.toys.system import TOY_SYSTEM
from tests.toys.topology import ToyRing
from tests.toys.tracker import ToyTracker


class UnseededStatic(ToyStatic):
    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        return super().rate_distortion(batch)


class UnseededModel(ToyModel):
    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        return super().rate_distortion(batch)


class BoastfulPrior(ToyPrior):
    def bound(self, state: Tensor, generator: torch.Generator | None = None, samples: int = 1) -> Tensor:
        return super().bound(state) + 0.5


class SummingObjective(ToyObjective):
    def loss(self, terms: RateDistortion) -> Tensor:
        return (terms.distortion + self.beta * terms.rate).sum()


class UnboundedPlanner(ToyPlanner):
    def plan(
        self,
        dynamics: Dynamics,
        reward: Reward,
        state: Tensor,
        warm_start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        return 10 * super().plan(dynamics, reward, state, warm_start, generator)


class SilentLearner(ToyLearner):
    def learn(self, on_progress: OnProgress | None = None) -> MLPPolicy:
        return super().learn()


class ForgetfulBackend(ToyBackend):
    def smooth(self, run: Filtered) -> Belief:
        return run.filtered


class DrawingPenalty(ToyPenalty):
    def __call__(self, sampled: Sampled, step: Step) -> Tensor:
        return super().__call__(sampled, step) * torch.rand(())


class WordlessStage(ToyStage):
    def why(self, situation: Situation, settings: TrainSettings) -> str:
        return ""


class RingEverywhere(ToyRing):
    def detects(self, points: Tensor) -> bool:
        return True


class ShorterGeodesics(ToyGeodesics):
    def __call__(self, start: Tensor, end: Tensor) -> Curves:
        found = super().__call__(start, end)
        return found._replace(lengths=0.9 * found.lengths)


@dataclass(frozen=True)
class UnequalGoal(ToyGoal):
    def __str__(self) -> str:
        return f"toy:{self.number + 1}"


@dataclass(frozen=True)
class NamelessMeasure(ToyMeasure):
    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        return super().__call__(truth, control_step, target)._replace(figures={})


class GreedyReader(ToyReader):
    def locate(self, source: str) -> Path | None:
        return Path(source)


class ForgetfulTracker(ToyTracker):
    @property
    def run(self) -> str | None:
        return f"{self._run}-anew"


def _blank(arrays: Arrays, theme: Theme) -> Figure:
    return Figure()


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """In the places of the toys."""
    MODELS["toy"] = ModelEntry(UnseededModel, ToySettings)
    STATICS["toy-static"] = ModelEntry(UnseededStatic, ToyStaticSettings)
    PRIORS["toy"] = BoastfulPrior
    OBJECTIVES["toy"] = SummingObjective
    BACKENDS["toy"] = ForgetfulBackend
    PENALTIES["toy"] = DrawingPenalty
    STAGES["toy"] = WordlessStage()
    TOPOLOGIES["toy"] = RingEverywhere()
    GEODESICS["toy"] = ShorterGeodesics
    PLANNERS["toy"] = UnboundedPlanner
    POLICIES["toy"] = PolicyKind(ToyPolicyOptions(), SilentLearner)
    GOALS["toy"] = UnequalGoal
    MEASURES["toy"] = NamelessMeasure
    READERS["toy"] = GreedyReader()
    FIGURES["toy"] = Drawing({"x": ("N",), "y": ("N",)}, _blank)
    TRACKERS["toy"] = Kind(ForgetfulTracker)
    SYSTEMS["toy"] = replace(TOY_SYSTEM, train=("--kappa", "0.1"), seeds=2)
    tasks = {name: replace(task, description="") for name, task in TOY_ENVIRONMENT.tasks.items()}
    ENVIRONMENTS["toy"] = replace(TOY_ENVIRONMENT, tasks=tasks, collection=Collection(length=1))
