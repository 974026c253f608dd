"""The architecture as a test: which module may import which, read from the source without running it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import latentrl

PACKAGE = Path(latentrl.__file__).parent
VERBS = frozenset({"quickstart", "collect", "train", "imagine", "learn", "evaluate", "compare", "study"})

# What a room, a module or folder directly under `latentrl`, may import from the package. All may import `errors`,
# `files`, `options`.
FOUNDATIONS = frozenset(
    {
        "types",
        "kalman",
        "kalman_adjoint",
        "distributions",
        "networks",
        "architectures",
        "pieces",
        "priors",
        "rewards",
        "standardisation",
        "transitions",
        "recurrence",
        "frozen",
    }
)
ALLOWED: dict[str, frozenset[str]] = {
    "types": frozenset(),
    "errors": frozenset(),
    "files": frozenset(),
    "options": frozenset(),
    "kalman": frozenset({"types", "distributions"}),
    "kalman_adjoint": frozenset({"types", "kalman"}),
    "distributions": frozenset({"types"}),
    "networks": frozenset({"types", "distributions"}),
    "convolutions": frozenset({"types", "distributions", "networks"}),
    "lean": frozenset({"types", "distributions", "networks", "convolutions"}),
    "architectures": frozenset({"types", "networks", "convolutions", "lean"}),
    "pieces": frozenset(),
    "threads": frozenset({"architectures"}),
    "priors": frozenset({"types", "distributions", "networks"}),
    "rewards": frozenset({"types"}),
    "standardisation": frozenset({"pieces", "types"}),
    "transitions": frozenset({"types", "distributions", "networks"}),
    "recurrence": frozenset({"types"}),
    "frozen": frozenset({"transitions"}),
    "models": FOUNDATIONS | {"models"},
    "smoothing": frozenset({"types", "distributions", "models"}),
    "least_squares": frozenset(),
    "gauge": FOUNDATIONS | {"models", "smoothing", "least_squares"},
    "objective": frozenset({"types"}),
    "coarse_to_fine": frozenset({"pieces"}),
    "alignment": frozenset({"coarse_to_fine", "pieces"}),
    "straightening": frozenset({"least_squares"}),
    "even_motion": frozenset({"least_squares"}),
    "charts": frozenset({"types", "coarse_to_fine", "pieces", "straightening", "even_motion"}),
    "fitting": frozenset(),
    "prior_fit": FOUNDATIONS | {"models", "fitting", "smoothing"},
    "transition_fit": FOUNDATIONS | {"models", "fitting", "smoothing"},
    "transition_em": FOUNDATIONS | {"models", "fitting", "smoothing"},
    "chart_finish": FOUNDATIONS | {"models", "decoder_fit", "prior_fit", "training", "transition_fit"},
    "optimiser_state": frozenset(),
    "warm_start": FOUNDATIONS | {"models", "least_squares", "charts", "fitting", "pieces", "smoothing"},
    "interrupts": frozenset(),
    "train_settings": frozenset({"coarse_to_fine"}),
    "training": FOUNDATIONS
    | {"models", "objective", "coarse_to_fine", "alignment", "straightening", "optimiser_state", "train_settings"},
    "training_loop": frozenset({"interrupts", "runs", "train_settings", "training"}),
    "train_options": frozenset({"models"}),
    "chart_start": FOUNDATIONS | {"models", "objective", "runs", "charts", "smoothing", "warm_start", "training"},
    "decoder_fit": FOUNDATIONS
    | {"models", "errors", "fitting", "interrupts", "optimiser_state", "pieces", "runs", "smoothing"},
    "runs": FOUNDATIONS | {"models", "objective"},
    "agents": frozenset({"types", "rewards", "agents"}),
    "learning": frozenset({"agents", "interrupts"}),
    "envs": frozenset({"envs"}),
    "data_collection": frozenset({"types", "envs", "data_collection"}),
    "regression": frozenset(),
    "prediction": frozenset({"types", "models", "smoothing"}),
    "joint_metrics": frozenset({"types", "models", "smoothing", "prediction", "regression"}),
    "metrics": frozenset({"types", "models", "data_collection", "generation", "smoothing"})
    | {"joint_metrics", "prediction", "regression"},
    "generation": frozenset({"types", "models", "smoothing"}),
    "speed": frozenset({"runs", "least_squares"}),
    "goals": frozenset({"types", "rewards", "models", "runs", "speed", "data_collection"}),
    "video": frozenset(),
    "sensing": frozenset(),
    "measures": frozenset({"statistics"}),
    "episodes": frozenset({"envs"}),
    "tasks": frozenset({"envs", "episodes", "measures"}),
    "evaluation": frozenset({"types", "envs", "video", "sensing", "measures", "tasks"}),
    "oracle": frozenset({"types", "distributions", "agents", "envs"}),
    # What evaluate and compare share: one agent on one task, from the run folder to figures.
    "contestants": frozenset({"types", "rewards", "models", "agents", "envs", "evaluation", "goals", "oracle", "runs"})
    | {"episodes", "tasks"},
    "trials": frozenset({"agents", "contestants", "data_collection", "episodes", "goals", "runs", "sensing", "tasks"}),
    "film": frozenset({"types", "episodes", "evaluation", "sensing", "tasks", "video"}),
    "judging": frozenset(
        {"types", "models", "agents", "contestants", "evaluation", "goals", "measures", "runs", "trials"}
    )
    | {"belief_figure", "episodes", "film", "tasks"},
    "comparison": frozenset(),
    "statistics": frozenset(),
    "studies": frozenset({"types", "models", "runs", "metrics", "data_collection", "envs", "interrupts", "statistics"})
    | {"colours", "figures"},
    "stages": frozenset(),
    "colours": frozenset(),
    "figures": frozenset({"colours"}),
    "strips": frozenset({"figures"}),
    "belief_figure": frozenset({"figures"}),
    "arm_figures": frozenset({"colours", "figures"}),
    "report": frozenset({"figures"}),
    # The rest of the quickstart: it may name the verbs' options, as the verb itself does.
    "quickstarts": frozenset({"train_options", "learn", "evaluate", "data_collection", "metrics", "runs", "tasks"})
    | {"trials", "arm_figures", "colours", "figures", "report"},
}
# What a room may never import from outside, however indirectly a helper would spell it.
FORBIDDEN_OUTSIDE: dict[str, frozenset[str]] = {
    "envs": frozenset({"torch"}),
    "figures": frozenset({"torch", "gymnasium", "minari"}),
    "belief_figure": frozenset({"torch", "gymnasium", "minari"}),
    "arm_figures": frozenset({"torch", "gymnasium", "minari"}),
    "report": frozenset({"torch", "gymnasium", "minari"}),
    "measures": frozenset({"torch", "gymnasium", "minari"}),
    "episodes": frozenset({"torch", "gymnasium", "minari"}),
    "sensing": frozenset({"torch", "gymnasium", "minari"}),
    "comparison": frozenset({"torch", "gymnasium", "minari"}),
    "models": frozenset({"gymnasium", "minari"}),
    "training": frozenset({"gymnasium", "minari"}),
    "agents": frozenset({"gymnasium", "minari"}),
}
GROUND_TRUTH_READERS = frozenset({"data_collection", "metrics", "trials", "studies", "quickstarts"})
ORACLE_READERS = frozenset({"oracle", "contestants"})


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_names(source: str, package: tuple[str, ...]) -> set[str]:
    """Dotted names that ``source``, a module of ``package``, imports, relative imports resolved.

    ``from a import b`` counts as ``a.b``, since ``b`` may be a module.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            prefix = ".".join((*base, *([node.module] if node.module else [])))
            names.update(f"{prefix}.{alias.name}" for alias in node.names)
    return names


def _imports(path: Path) -> set[str]:
    package = ("latentrl", *path.relative_to(PACKAGE).parent.parts)
    return imported_names(path.read_text(encoding="utf-8"), package)


def _rooms_used(path: Path) -> set[str]:
    used = {name.split(".")[1] for name in _imports(path) if name.startswith("latentrl.")}
    return used - {"__version__", "errors", "files", "options"}


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_module_stays_within_its_room(path: Path) -> None:
    room = _room(path)
    if room not in VERBS | {"__init__", "__main__"}:
        assert room in ALLOWED, f"{room} is a new room: say in ALLOWED what it may import"
        excess = _rooms_used(path) - ALLOWED[room] - {room}
        assert not excess, f"{room} imports {sorted(excess)}; it may import {sorted(ALLOWED[room])}"
    # The shapes of spaces are a vocabulary, which stable-baselines3 speaks too; they open no environment.
    outside = {name.split(".")[0] for name in _imports(path) if not name.startswith("gymnasium.spaces")}
    assert not outside & FORBIDDEN_OUTSIDE.get(room, frozenset())


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_room_imports_a_verb(path: Path) -> None:
    if _room(path) not in ("__main__", "quickstart", "quickstarts"):
        assert not _rooms_used(path) & (VERBS - {_room(path)})


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_ground_truth_is_read_for_evaluation_alone(path: Path) -> None:
    if _room(path) not in GROUND_TRUTH_READERS:
        assert "load_ground_truth" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_true_physics_are_a_reference_alone(path: Path) -> None:
    if _room(path) not in ORACLE_READERS:
        assert "oracle" not in _rooms_used(path)
    if _room(path) not in ("contestants", "trials", "judging", *VERBS):
        assert "contestants" not in _rooms_used(path)


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_unpickles(path: Path) -> None:
    names = _imports(path)
    assert not {name.split(".")[0] for name in names} & {"pickle", "dill", "joblib", "cloudpickle", "shelve"}
    assert "torch.load" not in path.read_text(encoding="utf-8")


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
    assert {
        "latentrl.envs.pendulum.env",
        "latentrl.models",
        "latentrl.agents.sibling",
        "latentrl.rewards.distance",
    } <= names
    assert {"latentrl.types.Belief", "latentrl.agents.latent.LatentAgent"} <= names
