"""Launchers: where the processes of a study run."""

from latentrl.clusters.where import LOCAL, RAY, SLURM, where
from latentrl.studies.launchers import local, ray, slurm
from latentrl.studies.launchers.base import Launcher, Plan

LAUNCHERS: dict[str, Launcher] = {LOCAL: local.launch, RAY: ray.launch, SLURM: slurm.launch}
"""By the word of ``--on``."""


def launched(on: str, plan: Plan) -> bool:
    """Launch a plan where ``--on`` says; see :class:`latentrl.studies.launchers.base.Launcher`."""
    place = where(on, tuple(LAUNCHERS))
    return LAUNCHERS[place.kind](plan, place.address)
