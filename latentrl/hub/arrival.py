"""What is fetched becomes a run folder: written aside, checked as every foreign folder is, then given its name."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from latentrl.agents.policies.saving import read_policy
from latentrl.goals.picture import read_goal
from latentrl.hub.files import NOTE
from latentrl.runs.folder import goal_beside, load_any_model
from latentrl.support.errors import UserError
from latentrl.support.files import read_json, write_json


def arrive(files: Mapping[str, bytes], folder: Path, repo: str, revision: str) -> None:
    """Write a run folder that appears when all in it has been read once by those who will use it.

    Args:
        files: by name; all of them such as travel.
        folder: does not exist.
        repo: where they came from.
        revision: the commit's hash.

    Raises:
        UserError: the folder exists, or what came is no run, is damaged or does not fit together.
    """
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} exists already: give another folder with --out")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
    try:
        for name, content in files.items():
            (temporary / name).write_bytes(content)
        try:
            check(temporary)
        except UserError as error:
            raise UserError(f"{repo}: {str(error).replace(str(temporary), repo)}") from error
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        write_json(temporary / NOTE, {"repo": repo, "revision": revision, "files": digests})
        temporary.chmod(0o755)
        if folder.exists():
            raise UserError(f"{folder} exists already: another process made it meanwhile; give another with --out")
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check(folder: Path) -> None:
    """Read a run folder as the verbs will: settings, weights, policies, goal. Nothing in it is run or imported.

    Raises:
        UserError: names what is amiss.
    """
    model = load_any_model(folder)
    for path in sorted(folder.glob("*.json")):
        if path.stem != "goal":
            read_json(path, "it is damaged where it comes from")
    for path in sorted(folder.glob("policy*.safetensors")):
        try:
            read_policy(folder, path.stem)
        except ImportError:
            continue  # of a library that is not here; it is read again before it is used
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: {error}") from error
    goal = goal_beside(folder)
    if goal is not None:
        read_goal(goal, model.spec.observation_shape, model.spec.observation_dtype)
