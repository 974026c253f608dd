"""Control on learned latent state-space models: random frames of a system and a goal image become a controller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentrl.agents.latent import LatentAgent as LatentAgent
    from latentrl.evaluation.loading import load_agent as load_agent

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
