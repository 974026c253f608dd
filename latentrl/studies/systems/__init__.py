"""The systems of the suite: one file and one line each."""

from __future__ import annotations

from latentrl.studies.systems.acrobot import ACROBOT
from latentrl.studies.systems.ball_in_cup import BALL_IN_CUP
from latentrl.studies.systems.ball_log import BALL_LOG
from latentrl.studies.systems.base import System
from latentrl.studies.systems.cartpole import CARTPOLE
from latentrl.studies.systems.dm_pendulum import DM_PENDULUM
from latentrl.studies.systems.finger import FINGER
from latentrl.studies.systems.gym_pendulum import GYM_PENDULUM
from latentrl.studies.systems.inverted_pendulum import INVERTED_PENDULUM
from latentrl.studies.systems.mountain_car import MOUNTAIN_CAR
from latentrl.studies.systems.point_mass import POINT_MASS
from latentrl.studies.systems.reacher import REACHER

SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        GYM_PENDULUM,
        DM_PENDULUM,
        CARTPOLE,
        POINT_MASS,
        BALL_IN_CUP,
        MOUNTAIN_CAR,
        INVERTED_PENDULUM,
        REACHER,
        ACROBOT,
        FINGER,
        BALL_LOG,
    )
}
