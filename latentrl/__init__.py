"""Control on learned latent state-space models: random frames of a system and a goal image become a controller."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from latentrl.support.interrupts import is_a_verb, leave_at_once
from latentrl.support.streams import keep_numbers

if TYPE_CHECKING:
    from latentrl.agents.latent import LatentAgent as LatentAgent
    from latentrl.evaluation.loading import load_agent as load_agent

# Threads of PyTorch that wait for each other do so asleep: awake they take from other processes the time that they wait
# for, and training falls to a fraction of its speed (docs/benchmarks.md). It is read once, when PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Where a verb is started, Ctrl-C while its libraries are imported is one line.
if is_a_verb(sys.orig_argv, "latentrl"):
    leave_at_once()
    keep_numbers()

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``load_agent`` and ``LatentAgent``, imported when they are first asked for: a verb's help needs neither."""
    if name == "load_agent":
        from latentrl.evaluation.loading import load_agent

        return load_agent
    if name == "LatentAgent":
        from latentrl.agents.latent import LatentAgent

        return LatentAgent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
