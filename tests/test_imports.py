"""The architecture as a test: the rules of `tests/architecture.py` on the package, and each rule on what breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest

import latentrl
from tests.architecture import (
    FLOORS,
    REGISTRIES,
    RULES,
    Registry,
    Rule,
    complaints_about,
    environments_need_torch_for_the_oracle_alone,
    every_room_has_a_floor,
    files_import_each_other_in_no_circle,
    general_code_names_no_environment,
    ground_truth_is_read_for_evaluation_alone,
    imported_names,
    nothing_is_imported_from_above,
    nothing_unpickles,
    only_models_know_concrete_models,
    only_recipes_name_stages,
    read,
    rooms_keep_to_their_libraries,
    siblings_are_imported_by_file,
    stages_know_no_other_stage,
    the_top_holds_verbs_alone,
    the_trainer_knows_no_stage_and_no_penalty,
    the_true_physics_are_a_reference_alone,
)

SOURCES = read(Path(latentrl.__file__).parent)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps(rule: Rule) -> None:
    complaints = rule(SOURCES)
    assert not complaints, "\n".join([str(rule.__doc__), *complaints])


def test_the_whole_package_was_read() -> None:
    rooms = frozenset[str]().union(*FLOORS)
    assert {"types.py", "models/ekvae.py", "envs/pendulum/env.py", "agents/planners/cem.py"} <= SOURCES.keys()
    named_by_rules = {
        "training/trainer.py",
        "training/recipes.py",
        "evaluation/oracles.py",
        "data_collection/options.py",
    }
    assert named_by_rules <= SOURCES.keys(), "a rule about a file that is elsewhere holds of nothing"
    assert rooms == {path.split("/")[0].removesuffix(".py") for path in SOURCES} - {"__init__"}, "a floor of nobody"


# A small house in which every rule holds, to be broken in one place at a time.
MODELS = "from latentrl.models.ekvae import EKVAE\nMODELS = {'ekvae': EKVAE}\ndef build(name): ...\n"
HOUSE: dict[str, str] = {
    "__init__.py": "__version__ = '1'\n",
    "types.py": "import torch\n",
    "train.py": "from latentrl import __version__\nfrom latentrl.training.recipes import choose\n",
    "support/__init__.py": "",
    "support/errors.py": "",
    "envs/__init__.py": "import gymnasium\nfrom latentrl.envs.swing import SWING\n",
    "envs/swing/__init__.py": "def physics():\n    from latentrl.envs.swing.oracle import True_\n    return True_()\n",
    "envs/swing/oracle.py": "import torch\n",
    "envs/measures/held.py": "import numpy\nfrom latentrl.support.errors import UserError\n",
    "figures/theme.py": "import matplotlib\n",
    "models/__init__.py": MODELS,
    "models/base.py": "from latentrl.types import Belief\n",
    "models/spec.py": "",
    "models/ekvae.py": "from latentrl.models.base import WorldModel\n",
    "runs/folder.py": "from latentrl.models import MODELS, build\nfrom latentrl.models.base import WorldModel\n",
    "metrics/held_out.py": "from latentrl.data_collection.storage import load_ground_truth\n",
    "data_collection/storage.py": "def load_ground_truth(): ...\n",
    "training/trainer.py": "from latentrl.training.penalties import Penalty\nfrom latentrl.models import build\n",
    "training/penalties/__init__.py": "from latentrl.training.penalties.base import Penalty\n"
    "from latentrl.training.penalties.position import Position\nPENALTIES = {'position': Position}\n",
    "training/penalties/base.py": "class Penalty: ...\n",
    "training/penalties/position.py": "from latentrl.training.penalties.base import Penalty\nclass Position: ...\n",
    "training/stages/__init__.py": "from latentrl.training.stages.prior import Prior\nSTAGES = {'prior': Prior}\n",
    "training/stages/base.py": "class Stage: ...\n",
    "training/stages/prior.py": "from latentrl.training.stages.base import Stage\nclass Prior(Stage): ...\n",
    "training/stages/gauge.py": "from latentrl.training.stages.base import Stage\n",
    "training/recipes.py": "from latentrl.training.stages.prior import Prior\n",
    "evaluation/oracles.py": "from latentrl.envs import ENVIRONMENTS\n",
    "compare.py": "from latentrl.evaluation.oracles import oracle_agent\n",
}


def test_a_sound_house_has_no_complaints() -> None:
    for rule in RULES:
        if rule.__name__ != "every_entry_stands_in_its_registry":
            assert rule(HOUSE) == [], rule.__name__


BREACHES: list[tuple[Rule, str, str, str]] = [
    (every_room_has_a_floor, "utils/helpers.py", "", "utils"),
    (nothing_is_imported_from_above, "models/base.py", "from latentrl.runs.folder import load", "floor 4"),
    (nothing_is_imported_from_above, "models/base.py", "import latentrl.runs.folder as f", "runs/folder.py"),
    (nothing_is_imported_from_above, "models/base.py", "def f():\n    from ..runs import folder", "runs/folder.py"),
    (nothing_is_imported_from_above, "envs/tasks.py", "from latentrl.geometry.charts import read", "floor 2"),
    (nothing_is_imported_from_above, "types.py", "from latentrl.support.errors import UserError", "floor 1"),
    (nothing_is_imported_from_above, "models/base.py", "from latentrl.train import train", "train.py"),
    (files_import_each_other_in_no_circle, "models/base.py", "from latentrl.models import build", "models/ekvae.py"),
    (
        files_import_each_other_in_no_circle,
        "models/spec.py",
        "def f():\n    from latentrl.models.spec2 import x",
        "spec2",
    ),
    (only_models_know_concrete_models, "train.py", "from latentrl.models.ekvae import EKVAE", "models/ekvae.py: EKVAE"),
    (only_models_know_concrete_models, "train.py", "from latentrl.models import EKVAE", "models/__init__.py: EKVAE"),
    (only_models_know_concrete_models, "train.py", "from latentrl.models import ekvae", "models/ekvae.py"),
    (only_models_know_concrete_models, "training/stages/gauge.py", "import latentrl.models.ekvae", "models/ekvae.py"),
    (the_trainer_knows_no_stage_and_no_penalty, "training/trainer.py", "from .stages.prior import Prior", "prior.py"),
    (the_trainer_knows_no_stage_and_no_penalty, "training/trainer.py", "from .stages import Prior", "Prior"),
    (the_trainer_knows_no_stage_and_no_penalty, "training/trainer.py", "from .penalties import Position", "Position"),
    (
        the_trainer_knows_no_stage_and_no_penalty,
        "training/trainer.py",
        "from .penalties import position",
        "position.py",
    ),
    (stages_know_no_other_stage, "training/stages/gauge.py", "from .prior import Prior", "prior.py: Prior"),
    (stages_know_no_other_stage, "training/stages/gauge.py", "from . import prior", "prior.py"),
    (only_recipes_name_stages, "train.py", "from latentrl.training.stages.prior import Prior", "prior.py: Prior"),
    (only_recipes_name_stages, "train.py", "from latentrl.training.stages import Prior", "Prior"),
    (general_code_names_no_environment, "models/base.py", '"""Of a pendulum."""', "models/base.py:2"),
    (general_code_names_no_environment, "train.py", "x = 1\nWRIST_ERROR = 2", "train.py:4"),
    (general_code_names_no_environment, "train.py", "key = 'r2_shoulder_velocity'", "shoulder"),
    (general_code_names_no_environment, "data_collection/making.py", "# Two reachers", "reachers"),
    (environments_need_torch_for_the_oracle_alone, "envs/swing/env.py", "def f():\n    import torch", "env.py"),
    (environments_need_torch_for_the_oracle_alone, "envs/swing/env.py", "from torch.nn import Linear", "env.py"),
    (rooms_keep_to_their_libraries, "figures/theme.py", "import torch", "torch"),
    (rooms_keep_to_their_libraries, "agents/latent.py", "from gymnasium import make", "gymnasium"),
    (rooms_keep_to_their_libraries, "envs/measures/held.py", "import minari", "minari"),
    (siblings_are_imported_by_file, "models/ekvae.py", "from latentrl.models import build", "build through models/"),
    (siblings_are_imported_by_file, "models/ekvae.py", "from . import build", "build through models/"),
    (siblings_are_imported_by_file, "models/ekvae.py", "import latentrl.models", "all through models/"),
    (siblings_are_imported_by_file, "envs/swing/env.py", "from latentrl.envs import SWING", "SWING through envs/"),
    (ground_truth_is_read_for_evaluation_alone, "train.py", "storage.load_ground_truth(folder)", "train.py"),
    (the_true_physics_are_a_reference_alone, "train.py", "from latentrl.envs.swing.oracle import True_", "oracle.py"),
    (the_true_physics_are_a_reference_alone, "envs/swing/env.py", "from .oracle import True_", "oracle.py"),
    (the_true_physics_are_a_reference_alone, "train.py", "import latentrl.evaluation.oracles", "oracles.py"),
    (nothing_unpickles, "runs/folder.py", "import pickle", "pickle"),
    (nothing_unpickles, "runs/folder.py", "def f():\n    from joblib import load", "joblib"),
    (nothing_unpickles, "runs/folder.py", "torch.load(path)", "torch.load"),
    (nothing_unpickles, "runs/folder.py", "numpy.load(path, allow_pickle=True)", "allow_pickle"),
    (the_top_holds_verbs_alone, "metrics.py", "", "metrics.py"),
]


@pytest.mark.parametrize(("rule", "path", "line", "complaint"), BREACHES)
def test_a_breach_is_told(rule: Rule, path: str, line: str, complaint: str) -> None:
    """The sound house with ``line`` at the end of the file ``path``; other rules' rooms are there to be imported."""
    more = {
        "geometry/charts.py": "",
        "models/spec2.py": "from latentrl.models.spec import DataSpec\n",
    }
    house = {**HOUSE, **more, path: HOUSE.get(path, "") + line + "\n"}
    found = rule(house)
    assert any(complaint in line for line in found), found


def test_every_rule_but_that_of_registries_is_seen_to_fail() -> None:
    assert {rule.__name__ for rule, *_ in BREACHES} | {"every_entry_stands_in_its_registry"} == {
        rule.__name__ for rule in RULES
    }


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("studies/rows.py", "picture: str  # of the pendulum"),
        ("envs/tasks.py", "# the reacher"),
        ("train.py", 'data = Path("data/pendulum")  # and runs/pendulum/'),
        ("train.py", "wristwatch, pendulous = 1, 2"),
    ],
)
def test_where_an_environment_may_be_named(path: str, source: str) -> None:
    assert general_code_names_no_environment({path: source}) == []


def test_an_environment_s_own_folder_makes_its_name_one_that_general_code_must_not_say() -> None:
    house = {"train.py": "# for a cart", "envs/tasks.py": ""}
    assert general_code_names_no_environment(house) == []
    found = general_code_names_no_environment({**house, "envs/cart/__init__.py": "", "envs/measures/held.py": ""})
    assert found == ["train.py:1 says 'cart'"]


FACE = "from latentrl.priors.normal import Normal\nfrom latentrl.priors import flow\n"
FOUND_ENTRIES = [
    ("PRIORS = {'normal': Normal, 'flow': flow.Flow}", []),
    ("PRIORS: dict[str, Any] = {'normal': Entry(Normal), 'flow': lambda size: flow.Flow(size)}", []),
    ("def late():\n    return flow.Flow\nPRIORS = dict(normal=Normal, flow=late)", []),
    ("PRIORS = {prior.name: prior for prior in (Normal, flow.Flow)}", []),
    ("PRIORS = {'normal': Normal}", ["priors/flow is not in PRIORS"]),
    ("PRIORS = {}\nOTHERS = {'normal': Normal, 'flow': flow.Flow}", ["flow is not", "normal is not"]),
    ("OTHERS = {'normal': Normal, 'flow': flow.Flow}", ["priors/__init__.py has no PRIORS"]),
]


@pytest.mark.parametrize(("registry", "complaints"), FOUND_ENTRIES)
def test_files_and_their_registry(registry: str, complaints: list[str]) -> None:
    sources = {"priors/__init__.py": FACE + registry, "priors/base.py": ""}
    sources |= {"priors/normal.py": "class Normal: ...", "priors/flow.py": "class Flow: ..."}
    found = complaints_about(Registry("priors", "priors/__init__.py", "PRIORS", {"base": "shared"}), sources)
    assert len(found) == len(complaints)
    assert all(wanted in line for wanted, line in zip(complaints, found, strict=True))


def test_folders_and_their_registry() -> None:
    sources = {
        "envs/__init__.py": "from latentrl.envs.swing import SWING\nENVIRONMENTS = {'swing': SWING}",
        "envs/tasks.py": "",
        "envs/swing/__init__.py": "SWING = 1",
        "envs/swing/env.py": "",
    }
    registry = Registry("envs", "envs/__init__.py", "ENVIRONMENTS", entries="folders")
    assert complaints_about(registry, sources) == []
    by_module = "from latentrl.envs import swing as pendulum\nENVIRONMENTS = {e.alias: e for e in (pendulum.SWING,)}"
    assert complaints_about(registry, {**sources, "envs/__init__.py": by_module}) == []
    sources["envs/arm/__init__.py"] = "ARM = 1"
    assert complaints_about(registry, sources) == ["envs/arm is not in ENVIRONMENTS"]


def test_entries_may_be_files_or_folders() -> None:
    sources = {
        "geometry/topologies.py": "from .ring import Ring as R\nfrom .plane import Plane\nTOPOLOGIES = (R(), Plane())",
        "geometry/ring/__init__.py": "class Ring: ...",
        "geometry/plane.py": "class Plane: ...",
    }
    registry = Registry("geometry", "geometry/topologies.py", "TOPOLOGIES", entries="either")
    assert complaints_about(registry, sources) == []
    sources |= {"geometry/torus.py": "", "geometry/knot/__init__.py": ""}
    assert complaints_about(registry, sources) == [
        "geometry/knot is not in TOPOLOGIES",
        "geometry/torus is not in TOPOLOGIES",
    ]


def test_a_registry_beside_its_entries() -> None:
    sources = {
        "goals/parsing.py": "from latentrl.goals.speed import Speed\nGOALS = {'velocity': Speed}",
        "goals/speed.py": "class Speed: ...",
        "goals/__init__.py": "",
    }
    registry = Registry("goals", "goals/parsing.py", "GOALS")
    assert complaints_about(registry, sources) == []
    sources["goals/region.py"] = ""
    assert complaints_about(registry, sources) == ["goals/region is not in GOALS"]


def test_what_only_a_type_checker_imports_needs_no_library() -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from torch import Tensor\n"
    assert environments_need_torch_for_the_oracle_alone({"envs/description.py": source}) == []
    assert environments_need_torch_for_the_oracle_alone({"envs/description.py": source + "else:\n    import torch\n"})


def test_an_exemption_of_nothing_is_told() -> None:
    sources = {"priors/__init__.py": "PRIORS = {}"}
    registry = Registry("priors", "priors/__init__.py", "PRIORS", {"base": "gone"})
    assert complaints_about(registry, sources) == ["priors/base is exempt from PRIORS, but is not there"]


def test_every_registry_says_why_a_file_is_exempt() -> None:
    assert all(reason for registry in REGISTRIES for reason in registry.exempt.values())


def test_the_walk_sees_every_spelling_of_an_import() -> None:
    source = """
import latentrl.envs.pendulum.env as p
from latentrl import models
from . import sibling
from .. import rewards
from ..types import Belief
def late():
    from latentrl.agents.latent import LatentAgent
"""
    names = imported_names(source, ("latentrl", "agents"))
    assert {"latentrl.envs.pendulum.env", "latentrl.models", "latentrl.agents.sibling", "latentrl.rewards"} <= names
    assert {"latentrl.types.Belief", "latentrl.agents.latent.LatentAgent"} <= names
