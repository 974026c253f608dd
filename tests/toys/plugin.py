"""A plugin of pytest that adds the toys: one line for each, and nothing of the package or its tests is edited.

python -m pytest -p tests.toys.plugin -k toy tests/conformance
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium

from latentrl.agents.planners import PLANNERS
from latentrl.agents.policies import POLICIES, PolicyKind
from latentrl.envs import ENVIRONMENTS
from latentrl.envs.measures import MEASURES
from latentrl.figures import FIGURES
from latentrl.geometry.geodesics import GEODESICS
from latentrl.geometry.topologies import TOPOLOGIES
from latentrl.goals.parsing import GOALS
from latentrl.inference.backends import BACKENDS
from latentrl.models import MODELS, STATICS, ModelEntry
from latentrl.objectives import OBJECTIVES
from latentrl.priors import PRIORS
from latentrl.recordings.readers import READERS
from latentrl.studies.systems import SYSTEMS
from latentrl.tracking import TRACKERS
from latentrl.tracking.base import Kind
from latentrl.training.penalties import PENALTIES
from latentrl.training.stages import STAGES
from tests.toys.backend import ToyBackend
from tests.toys.environment import TOY_ENVIRONMENT
from tests.toys.figure import TOY_FIGURE
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

REGISTRIES: tuple[dict[str, Any], ...] = (
    MODELS,
    STATICS,
    PRIORS,
    OBJECTIVES,
    BACKENDS,
    PENALTIES,
    STAGES,
    TOPOLOGIES,
    GEODESICS,
    PLANNERS,
    POLICIES,
    GOALS,
    MEASURES,
    FIGURES,
    READERS,
    SYSTEMS,
    TRACKERS,
    ENVIRONMENTS,
)


def register() -> None:
    """The one line of each; a task stands in its environment's own dictionary."""
    MODELS["toy"] = ModelEntry(ToyModel, ToySettings)
    STATICS["toy-static"] = ModelEntry(ToyStatic, ToyStaticSettings)
    PRIORS["toy"] = ToyPrior
    OBJECTIVES["toy"] = ToyObjective
    BACKENDS["toy"] = ToyBackend
    PENALTIES["toy"] = ToyPenalty
    STAGES["toy"] = ToyStage()
    TOPOLOGIES["toy"] = ToyRing()
    GEODESICS["toy"] = ToyGeodesics
    PLANNERS["toy"] = ToyPlanner
    POLICIES["toy"] = PolicyKind(ToyPolicyOptions(), ToyLearner)
    GOALS["toy"] = ToyGoal
    MEASURES["toy"] = ToyMeasure
    FIGURES["toy"] = TOY_FIGURE
    READERS["toy"] = ToyReader()
    SYSTEMS["toy"] = TOY_SYSTEM
    TRACKERS["toy"] = Kind(ToyTracker)
    ENVIRONMENTS["toy"] = TOY_ENVIRONMENT


@contextmanager
def registered() -> Iterator[None]:
    """The toys for a while; afterwards everything is as it was."""
    before = [dict(registry) for registry in REGISTRIES]
    register()
    try:
        yield
    finally:
        for registry, entries in zip(REGISTRIES, before, strict=True):
            registry.clear()
            registry.update(entries)
        gymnasium.registry.pop(TOY_ENVIRONMENT.env_id, None)


def pytest_configure() -> None:
    """Before any suite is collected."""
    register()
