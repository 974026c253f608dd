"""Studies: which models are trained how and compared in which table. Pure data but for what runs and reports it."""

from __future__ import annotations

from latentrl.studies.definition import Study
from latentrl.studies.pendulum import PENDULUM
from latentrl.studies.reacher_angles import REACHER_ANGLES

STUDIES: dict[str, Study] = {study.name: study for study in (PENDULUM, REACHER_ANGLES)}
