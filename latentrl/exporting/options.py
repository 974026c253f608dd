"""The options of ``latentrl export``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from latentrl.shipped.copies import RUN
from latentrl.support.options import default_hint


@dataclass(frozen=True)
class ExportOptions:
    """Write a run's filter and one of its policies as ONNX and torch.export graphs, checked against the agent."""

    run: Annotated[Path, RUN]
    """The run folder of a trained model with a policy, or zoo:NAME."""
    policy: Annotated[str, tyro.conf.arg(metavar="NAME")] = "policy"
    """Which of the run's policies."""
    goal: Annotated[str | None, default_hint("what came with the run's data", "GOAL")] = None
    """Of a policy for any goal: a picture, readings or frame:SEQUENCE:STEP, which becomes part of the graph. Any other
    policy has learned its own."""
    action_limit: Annotated[float | None, default_hint("the policy's own", "FLOAT")] = None
    """Largest action to both sides, in the environment's units: what is more is cut off."""
    out: Annotated[Path | None, default_hint("export in the run folder", "FOLDER")] = None
    """Where to write; a new folder."""
    overwrite: bool = False
    """Replace a folder that an export has made."""
    data: Annotated[Path | None, default_hint("where the training found it", "FOLDER")] = None
    """The run's data folder, for frames to check with; noise where it is not there."""
    steps: int = 50
    """Of the episode that is checked."""
