"""The rules of the house as pure functions from sources to complaints; nothing of the package is imported or run.

``Sources`` maps the path of every file, relative to the package, to its text. A rule returns one line for each breach,
so that an empty list means that it holds.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath
from typing import Literal

Sources = Mapping[str, str]
Rule = Callable[[Sources], list[str]]
PACKAGE = "latentrl"

FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"types", "numerics", "rewards"}),
    frozenset({"support", "shipped", "clusters", "networks", "objectives", "geometry", "envs", "live", "tracking"}),
    frozenset({"priors", "transitions", "inference", "agents", "data_collection", "figures", "zoo"}),
    frozenset({"models", "collect", "inspection", "recordings"}),
    frozenset({"runs", "metrics", "inspect", "import_recordings"}),
    frozenset({"training", "goals", "studies", "exporting", "imagine"}),
    frozenset({"evaluation", "hub", "adapters", "sweeps", "train", "learn", "study", "suite"}),
    frozenset({"evaluate", "compare", "export", "push", "pull", "quickstarts", "sweep"}),
    frozenset({"quickstart", "demo"}),
    frozenset({"__main__"}),
)
"""A room, a file or a folder at the top of the package, imports from the floors below its own alone."""
EVERYWHERE = frozenset({"support"})
"""Rooms without science: whoever stands on their floor or above may import them."""
VERBS = frozenset(
    "collect import_recordings inspect train imagine learn evaluate compare study suite sweep quickstart export demo "
    "zoo push pull".split()
)
AT_THE_TOP = VERBS | {"types", "__init__", "__main__"}

SHARED_BY_MODELS = frozenset({"__init__", "base", "capabilities", "entry", "spec", "over_data"})
SHARED_BY_STATICS = frozenset({"__init__", "base"})
"""What others may import of `models`; every other file there is a model, or a part of one."""
SHARED_BY_STAGES = frozenset({"__init__", "base"})
SHARED_BY_PENALTIES = frozenset({"__init__", "base"})

OF_ONE_ENVIRONMENT = ("pendulum", "reacher", "shoulder", "wrist")
"""Words that only an environment may say; the names of the folders in ``envs/`` come to them."""
NO_ENVIRONMENTS = frozenset({"measures", "control_suite"})
"""Folders in ``envs/`` that are none, or not one."""
DEFAULT_FOLDERS = re.compile(r"\b(data|runs)/pendulum\b")
"""Folders that commands read and write when nothing else is said: names of files, which stay."""
MAY_NAME_ENVIRONMENTS = ("envs/", "studies/", "quickstarts/")

ENVIRONMENTS_AND_DATA = frozenset({"gymnasium", "minari"})
UNPICKLERS = frozenset({"pickle", "dill", "joblib", "cloudpickle", "shelve"})
FORBIDDEN_OUTSIDE: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        ("numerics/", "support/", "clusters/", "networks/", "objectives/", "geometry/", "priors/"),
        ENVIRONMENTS_AND_DATA,
    ),
    **dict.fromkeys(("inspection/",), ENVIRONMENTS_AND_DATA),
    **dict.fromkeys(
        ("transitions/", "inference/", "agents/", "models/", "training/", "exporting/"), ENVIRONMENTS_AND_DATA
    ),
    # Spaces apart: nothing that a recording names is ever made.
    **dict.fromkeys(("recordings/",), frozenset({"gymnasium", "torch"})),
    **dict.fromkeys(("figures/", "evaluation/table.py", "evaluation/sensing.py"), ENVIRONMENTS_AND_DATA | {"torch"}),
    **dict.fromkeys(("envs/measures", "envs/episodes.py", "envs/coordinates.py"), ENVIRONMENTS_AND_DATA),
}
"""Libraries that files may not import, by how their paths begin; `gymnasium.spaces` opens nothing."""
GROUND_TRUTH_READERS = frozenset({"data_collection", "metrics", "evaluation", "studies", "quickstarts"})


@dataclass(frozen=True)
class Registry:
    """A folder whose files, or folders, each stand in one dictionary.

    Attributes:
        folder: of the entries.
        file: with the dictionary.
        name: of the dictionary.
        exempt: names in the folder that are no entries, and why.
        entries: what an entry is: a file, a folder or either.
    """

    folder: str
    file: str
    name: str
    exempt: Mapping[str, str] = field(default_factory=dict)
    entries: Literal["files", "folders", "either"] = "files"


REGISTRIES: tuple[Registry, ...] = (
    Registry(
        "models",
        "models/__init__.py",
        "MODELS",
        {
            "base": "what a model is",
            "entry": "what stands in the registry",
            "capabilities": "what a recipe may ask for",
            "spec": "shapes and units of the data",
            "over_data": "any model over a whole data set",
            "deep_ssm": "shared by dks and dvbs",
            "frame_autoencoder": "shared by all that encode frames",
            "scaled": "shared by all whose observations have a unit",
        },
    ),
    Registry("models/statics", "models/__init__.py", "STATICS", {"base": "what a static model is"}),
    Registry(
        "studies/launchers", "studies/launchers/__init__.py", "LAUNCHERS", {"base": "what a launcher is given, and is"}
    ),
    Registry(
        "priors",
        "priors/__init__.py",
        "PRIORS",
        {
            "base": "what a prior is",
            "transformed_normal": "has no density: the dvbs's own",
        },
    ),
    Registry(
        "objectives",
        "objectives/__init__.py",
        "OBJECTIVES",
        {"base": "what an objective is", "constrained": "shared by geco and rewo"},
    ),
    Registry(
        "networks",
        "networks/__init__.py",
        "NETWORKS",
        {
            "columns": "roll-outs of models with a memory: no layout of parameters",
            "recognition": "over sequences: the models' own",
            "recurrence": "memory of models",
            "standardisation": "before any network",
        },
    ),
    Registry(
        "geometry",
        "geometry/topologies.py",
        "TOPOLOGIES",
        {
            "topology": "what a topology is",
            "charts": "reads positions off pictures",
            "descriptors": "of charts",
            "neighbour_graph": "of charts",
            "leading_coordinates": "of what strong blur leaves",
            "slow_coordinates": "of the graph",
            "round_coordinates": "a circle of them",
            "coordinates": "which of them tell the pictures",
            "metric": "of a decoder",
            "flatness": "of a metric",
            "graph_search": "through latent points",
            "geodesics": "a registry of its own",
            "distance_field": "of rewards",
        },
        "either",
    ),
    Registry(
        "geometry/geodesics",
        "geometry/geodesics/__init__.py",
        "GEODESICS",
        {"base": "what finds geodesics", "starts": "shared by all that descend"},
    ),
    Registry(
        "agents/planners",
        "agents/planners/__init__.py",
        "PLANNERS",
        {
            "common": "shared by all",
            "noise": "shared by the samplers",
            "sampling": "of cem",
            "derivatives": "of ilqr and cem",
            "riccati": "of ilqr and cem",
        },
    ),
    Registry(
        "agents/policies",
        "agents/policies/__init__.py",
        "POLICIES",
        {
            "critic": "of analytic_gradient",
            "gradients": "of analytic_gradient",
            "mlp": "the network",
            "adjoint": "of analytic_gradient",
            "progress": "what a learner is",
            "saving": "policies as files",
            "squashing": "of mlp",
            "stable_baselines_policy": "the actor of stable_baselines",
        },
    ),
    Registry(
        "training/penalties",
        "training/penalties/__init__.py",
        "PENALTIES",
        {"base": "what a penalty is"},
    ),
    Registry(
        "inference/backends",
        "inference/backends/__init__.py",
        "BACKENDS",
        {"base": "what a backend is"},
        "either",
    ),
    Registry("recordings/readers", "recordings/readers/__init__.py", "READERS", {"base": "what a reader is"}),
    Registry("training/stages", "training/stages/__init__.py", "STAGES", {"base": "what a stage is"}),
    Registry(
        "envs",
        "envs/__init__.py",
        "ENVIRONMENTS",
        {"measures": "a registry of its own", "control_suite": "many, known to Gymnasium by their ids"},
        "folders",
    ),
    Registry(
        "tracking",
        "tracking/__init__.py",
        "TRACKERS",
        {
            "base": "what a tracker is",
            "guarded": "any of them in a thread, whose failures harm nobody",
            "kept": "what a run folder keeps of one",
        },
    ),
    Registry("studies/systems", "studies/systems/__init__.py", "SYSTEMS", {"base": "what a system is"}),
    Registry("studies/sources", "studies/sources/__init__.py", "SOURCES", {"base": "what a source of frames is"}),
    Registry(
        "studies/measurements", "studies/measurements/__init__.py", "MEASUREMENTS", {"base": "what a measurement is"}
    ),
    Registry("envs/measures", "envs/measures/__init__.py", "MEASURES", {"base": "what a measure is"}),
    Registry(
        "goals",
        "goals/parsing.py",
        "GOALS",
        {
            "base": "what a goal is",
            "distances": "to one",
            "doubts": "whether one is like what was seen",
            "imagining": "what one makes of a model",
            "picture": "the one without a keyword: what every other text names",
        },
    ),
    Registry(
        "figures",
        "figures/__init__.py",
        "FIGURES",
        {
            "base": "what a figure is",
            "theme": "shared by all",
            "colours": "shared by all",
            "report": "the page that holds figures",
            "video": "films, frame by frame",
        },
    ),
)


def read(root: Path) -> dict[str, str]:
    """The sources of the package in ``root``."""
    return {p.relative_to(root).as_posix(): p.read_text(encoding="utf-8") for p in sorted(root.rglob("*.py"))}


def room_of(path: str) -> str:
    """The first part of a file's path, without suffix."""
    return path.split("/")[0].removesuffix(".py")


@cache
def imported_names(source: str, package: tuple[str, ...]) -> frozenset[str]:
    """Dotted names that ``source``, a module of ``package``, imports, relative imports resolved.

    ``from a import b`` counts as ``a.b``, since ``b`` may be a module. Kept: a dozen rules ask for every file.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            prefix = ".".join((*base, *([node.module] if node.module else [])))
            names.update(f"{prefix}.{alias.name}" for alias in node.names)
    return frozenset(names)


def imports_of(path: str, sources: Sources) -> frozenset[str]:
    """Dotted names that the file imports, from inside and outside the package."""
    return imported_names(sources[path], (PACKAGE, *PurePosixPath(path).parts[:-1]))


def resolve(name: str, sources: Sources) -> tuple[str, str] | None:
    """The file of the package that a dotted name is in, and what of it is named; None: outside the package.

    The last part is empty where the name is that of a module.
    """
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return None
    for end in range(len(parts), 0, -1):
        stem = "/".join(parts[1:end])
        for candidate in (f"{stem}.py", f"{stem}/__init__.py".lstrip("/")):
            if candidate in sources:
                return candidate, ".".join(parts[end:])
    return None


def inner_imports(path: str, sources: Sources) -> Iterator[tuple[str, str]]:
    """(file, name in it) for everything that the file imports from the package."""
    for name in sorted(imports_of(path, sources)):
        found = resolve(name, sources)
        if found is not None:
            yield found


def face_of(folder: str) -> str:
    """The file that is run when the folder is imported."""
    return f"{folder}/__init__.py"


def stem_of(path: str) -> str:
    """A file's name without suffix."""
    return PurePosixPath(path).stem


def folder_of(path: str) -> str:
    """The folder that a file lies in; empty at the top."""
    parent = str(PurePosixPath(path).parent)
    return "" if parent == "." else parent


def concrete(folder: str, shared: Collection[str], sources: Sources) -> tuple[set[str], set[str]]:
    """Files of ``folder`` that are not ``shared``, and the names of them that the folder's face holds."""
    files = {path for path in sources if folder_of(path) == folder and stem_of(path) not in shared}
    face = face_of(folder)
    if face not in sources:
        return files, set()
    return files, {name for file, name in inner_imports(face, sources) if file in files and name}


def users_of(folder: str, shared: Collection[str], sources: Sources, by: Collection[str]) -> list[str]:
    """Which of the files ``by`` import something concrete of ``folder``, by file or through its face."""
    files, names = concrete(folder, shared, sources)
    face = face_of(folder)
    complaints: list[str] = []
    for path in by:
        for file, name in inner_imports(path, sources):
            if file != path and (file in files or (file == face and name in names)):
                complaints.append(f"{path} imports {file}" + (f": {name}" if name else ""))
    return complaints


# The rules.


def every_room_has_a_floor(sources: Sources) -> list[str]:
    """A new room says in FLOORS what it may import."""
    known = frozenset().union(*FLOORS) | {"__init__"}
    return [f"{room} stands on no floor" for room in sorted({room_of(path) for path in sources} - known)]


def nothing_is_imported_from_above(sources: Sources) -> list[str]:
    """A room imports from lower floors alone, and so there are no circles between rooms."""
    floor_of = {room: floor for floor, rooms in enumerate(FLOORS, 1) for room in rooms}
    complaints: list[str] = []
    for path in sources:
        room = room_of(path)
        for file, _ in inner_imports(path, sources):
            used = room_of(file)
            if used in (room, "__init__") or room not in floor_of or used not in floor_of:
                continue
            below = floor_of[used] <= floor_of[room] if used in EVERYWHERE else floor_of[used] < floor_of[room]
            if not below:
                complaints.append(f"{path} (floor {floor_of[room]}) imports {file} (floor {floor_of[used]})")
    return complaints


def files_import_each_other_in_no_circle(sources: Sources) -> list[str]:
    """Also within a room, and also where an import hides in a function."""
    edges = {path: {file for file, _ in inner_imports(path, sources)} - {path} for path in sources}
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return [" imports ".join(reversed(error.args[1]))]
    return []


def only_models_know_concrete_models(sources: Sources) -> list[str]:
    """Others ask for a capability, or for a name in MODELS."""
    outside = [path for path in sources if room_of(path) != "models"]
    return [
        *users_of("models", SHARED_BY_MODELS, sources, outside),
        *users_of("models/statics", SHARED_BY_STATICS, sources, outside),
    ]


def the_trainer_knows_no_stage_and_no_penalty(sources: Sources) -> list[str]:
    """It takes a gradient step and sums whatever penalties it was handed."""
    trainer = [path for path in sources if path == "training/trainer.py"]
    return [
        *users_of("training/stages", SHARED_BY_STAGES, sources, trainer),
        *users_of("training/penalties", SHARED_BY_PENALTIES, sources, trainer),
    ]


def stages_know_no_other_stage(sources: Sources) -> list[str]:
    """The order of stages is the recipe's affair."""
    stages = [p for p in sources if folder_of(p) == "training/stages" and stem_of(p) not in SHARED_BY_STAGES]
    return users_of("training/stages", SHARED_BY_STAGES, sources, stages)


def only_recipes_name_stages(sources: Sources) -> list[str]:
    """One place decides what a training consists of."""
    others = [p for p in sources if folder_of(p) != "training/stages" and p != "training/recipes.py"]
    return users_of("training/stages", SHARED_BY_STAGES, sources, others)


def general_code_names_no_environment(sources: Sources) -> list[str]:
    """What an environment is like, it says itself: in code, comments and docstrings alike."""
    folders = {path.split("/")[1] for path in sources if path.startswith("envs/") and path.count("/") > 1}
    names = "|".join(sorted({*OF_ONE_ENVIRONMENT, *folders} - NO_ENVIRONMENTS))
    words = re.compile(rf"(?<![a-z])({names})s?(?![a-z])", re.IGNORECASE)
    complaints: list[str] = []
    for path, source in sources.items():
        if path.startswith(MAY_NAME_ENVIRONMENTS):
            continue
        for number, line in enumerate(DEFAULT_FOLDERS.sub("", source).splitlines(), 1):
            found = words.search(line)
            if found:
                complaints.append(f"{path}:{number} says {found.group()!r}")
    return complaints


@cache
def without_typing(source: str) -> str:
    """The source but for what stands under ``if TYPE_CHECKING``, which no interpreter imports."""
    if "TYPE_CHECKING" not in source:
        return source
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).split(".")[-1] == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return ast.unparse(ast.fix_missing_locations(tree))


def outer_packages(path: str, sources: Sources) -> set[str]:
    """Packages outside of ours that a file imports when it is run, Gymnasium's spaces not counted."""
    names = imported_names(without_typing(sources[path]), (PACKAGE, *PurePosixPath(path).parts[:-1]))
    return {name.split(".")[0] for name in names if not name.startswith("gymnasium.spaces")} - {PACKAGE}


def environments_need_torch_for_the_oracle_alone(sources: Sources) -> list[str]:
    """The true physics for planners are tensors; an environment is NumPy."""
    return [
        f"{path} imports torch"
        for path in sources
        if room_of(path) == "envs" and stem_of(path) != "oracle" and "torch" in outer_packages(path, sources)
    ]


def rooms_keep_to_their_libraries(sources: Sources) -> list[str]:
    """FORBIDDEN_OUTSIDE: figures draw arrays, models and agents open no environment."""
    complaints: list[str] = []
    for path in sources:
        forbidden = frozenset[str]().union(
            *(names for start, names in FORBIDDEN_OUTSIDE.items() if path.startswith(start))
        )
        complaints.extend(f"{path} imports {name}" for name in sorted(outer_packages(path, sources) & forbidden))
    return complaints


def names_behind(registry: Registry, sources: Sources) -> set[str] | None:
    """Every name that the registry's dictionary is made of, definitions in the same file followed; None: no such name.

    An entry may thus be a lambda, a named tuple, or a function that imports late.
    """
    definitions: dict[str, list[ast.AST]] = {}
    for node in ast.parse(sources.get(registry.file, "")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            definitions.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    definitions.setdefault(target.id, []).append(node.value)
    if registry.name not in definitions:
        return None
    names, open_names = set[str](), [registry.name]
    while open_names:
        for definition in definitions.pop(open_names.pop(), []):
            found = {inner.id for inner in ast.walk(definition) if isinstance(inner, ast.Name)}
            open_names.extend(found - names)
            names |= found
    return names


def bindings(path: str, sources: Sources) -> Iterator[tuple[str, str]]:
    """(name as the file knows it, file of the package that it is from) for every import of the file."""
    package = (PACKAGE, *PurePosixPath(path).parts[:-1])
    for node in ast.walk(ast.parse(sources[path])):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            alone = (
                ast.Import([alias])
                if isinstance(node, ast.Import)
                else ast.ImportFrom(node.module, [alias], node.level)
            )
            (name,) = imported_names(ast.unparse(alone), package)
            found = resolve(name, sources)
            if found is not None:
                yield alias.asname or name.split(".")[-1], found[0]


def complaints_about(registry: Registry, sources: Sources) -> list[str]:
    """Entries that the registry's dictionary does not know, and exemptions of what is not there."""
    folder, file = registry.folder, registry.file
    inside = [path.removeprefix(f"{folder}/").split("/") for path in sources if path.startswith(f"{folder}/")]
    there = {"files": {p[0] for p in inside if len(p) == 1}, "folders": {p[0] for p in inside if len(p) > 1}}
    found = there["files"] | there["folders"] if registry.entries == "either" else there[registry.entries]
    found = {name.removesuffix(".py") for name in found}
    complaints = [
        f"{folder}/{name} is exempt from {registry.name}, but is not there"
        for name in sorted(set(registry.exempt) - found)
    ]
    names = names_behind(registry, sources)
    if names is None:
        return [*complaints, f"{file} has no {registry.name}"]
    used = {
        source.removeprefix(f"{folder}/").split("/")[0].removesuffix(".py")
        for name, source in bindings(file, sources)
        if name in names and source.startswith(f"{folder}/")
    }
    own = {"__init__"} | ({stem_of(file)} if folder_of(file) == folder else set())
    missing = found - own - set(registry.exempt) - used
    return [*complaints, *(f"{folder}/{name} is not in {registry.name}" for name in sorted(missing))]


def every_entry_stands_in_its_registry(sources: Sources) -> list[str]:
    """One file and one line: a file without its line is found by nobody."""
    return [complaint for registry in REGISTRIES for complaint in complaints_about(registry, sources)]


def siblings_are_imported_by_file(sources: Sources) -> list[str]:
    """A folder's face imports its files, so that a file which imports its own face runs in a circle."""
    complaints: list[str] = []
    for path in sources:
        if stem_of(path) in ("__init__", "__main__"):
            continue
        parents = [str(parent) for parent in PurePosixPath(path).parents if str(parent) != "."]
        faces = {face_of(parent) for parent in parents}
        complaints.extend(
            f"{path} imports {name or 'all'} through {file}"
            for file, name in inner_imports(path, sources)
            if file in faces
        )
    return complaints


def ground_truth_is_read_for_evaluation_alone(sources: Sources) -> list[str]:
    """It leaves the data folder through metrics and evaluation."""
    return [
        f"{path} reads ground truth"
        for path, source in sources.items()
        if room_of(path) not in GROUND_TRUTH_READERS and "load_ground_truth" in source
    ]


def the_true_physics_are_a_reference_alone(sources: Sources) -> list[str]:
    """An environment's description names its oracle, and evaluation alone asks for it."""
    complaints: list[str] = []
    for path in sources:
        parts = PurePosixPath(path).parts
        describes = parts[0] == "envs" and len(parts) == 3 and parts[2] == "__init__.py"
        for file, _ in inner_imports(path, sources):
            of_an_environment = room_of(file) == "envs" and stem_of(file) == "oracle"
            if of_an_environment and not describes and path != "evaluation/oracles.py":
                complaints.append(f"{path} imports {file}")
            if file == "evaluation/oracles.py" and parts[0] not in ("evaluation", "evaluate.py", "compare.py"):
                complaints.append(f"{path} imports {file}")
    return complaints


def nothing_unpickles(sources: Sources) -> list[str]:
    """A file from elsewhere may be opened without running what is in it."""
    complaints: list[str] = []
    for path, source in sources.items():
        complaints.extend(f"{path} imports {name}" for name in sorted(outer_packages(path, sources) & UNPICKLERS))
        complaints.extend(f"{path} says {call}" for call in ("torch.load", "allow_pickle=True") if call in source)
    return complaints


def the_top_holds_verbs_alone(sources: Sources) -> list[str]:
    """A file at the top is a verb (or `types.py`), a folder is a concept."""
    return [f"{path} is no verb" for path in sources if "/" not in path and stem_of(path) not in AT_THE_TOP]


RULES: tuple[Rule, ...] = (
    every_room_has_a_floor,
    nothing_is_imported_from_above,
    files_import_each_other_in_no_circle,
    only_models_know_concrete_models,
    the_trainer_knows_no_stage_and_no_penalty,
    stages_know_no_other_stage,
    only_recipes_name_stages,
    general_code_names_no_environment,
    environments_need_torch_for_the_oracle_alone,
    rooms_keep_to_their_libraries,
    every_entry_stands_in_its_registry,
    siblings_are_imported_by_file,
    ground_truth_is_read_for_evaluation_alone,
    the_true_physics_are_a_reference_alone,
    nothing_unpickles,
    the_top_holds_verbs_alone,
)
