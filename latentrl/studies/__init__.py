"""Studies: which models are trained how and compared in which table. Pure data but for what runs and reports it."""

from __future__ import annotations

from latentrl.studies.around import AROUND
from latentrl.studies.contests.definition import Contest
from latentrl.studies.control import CONTROL
from latentrl.studies.definition import Study
from latentrl.studies.digits import DIGITS
from latentrl.studies.geometry import GEOMETRY
from latentrl.studies.geometry_arm import GEOMETRY_ARM
from latentrl.studies.motion import MOTION
from latentrl.studies.pendulum import PENDULUM
from latentrl.studies.reacher_angles import REACHER_ANGLES
from latentrl.studies.static_pendulum import STATIC_PENDULUM

STUDIES: dict[str, Study] = {
    study.name: study for study in (PENDULUM, REACHER_ANGLES, STATIC_PENDULUM, GEOMETRY, GEOMETRY_ARM, DIGITS, MOTION)
}
CONTESTS: dict[str, Contest] = {contest.name: contest for contest in (CONTROL, AROUND)}
