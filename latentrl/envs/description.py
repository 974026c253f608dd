"""What an environment says of itself, so that nothing else has to know it: a new one is a folder and a line.

Besides an :class:`Environment`, in the folder's ``__init__.py`` that imports neither torch nor a simulator, it takes:

    env.py        a ``gymnasium.Env`` with a continuous action space; its ``info`` holds the ground truth that the
                  coordinates name, and ``render_mode="rgb_array"`` makes pictures for people
    photograph    if it has a goal: a method ``(pose [D]) -> observation`` of the environment as its sensors see it;
                  of a vectorised environment ``([N, D]) -> [N, ...]``
    tasks.py      its tasks, whose names no other environment has
    vector.py     a ``gymnasium.vector.VectorEnv``, if tasks have goals drawn for every episode: resets take options
                  ``[N, ...]`` for the entries of ``Task.state``
    oracle.py     true physics or a servo, for upper baselines alone: the only file there that may import torch

``tests/conformance/test_environments.py`` holds an entry to all of this; the pendulum's folder is the shortest example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.measures.base import Floats
from latentrl.envs.tasks import Task
from latentrl.support.suggestion import Suggestion

if TYPE_CHECKING:  # an environment needs no torch: only who plans on its true physics does
    from torch import Tensor

    from latentrl.types import Distribution


@dataclass(frozen=True)
class Collection:
    """What ``latentrl collect`` records when nothing else is said.

    Attributes:
        sequences: to train on.
        test_sequences: held out.
        length: observations in each.
        hold: probability that a control is held for another step.
        amplitude: share of the action space that controls are drawn from, around its middle.
        num_envs: environments in a round; None leaves it to :func:`~latentrl.data_collection.making.make`.
        goal: the pose ``[D]`` that is photographed as a goal: by the ``photograph(pose)`` of the environment, or the
            first picture of that of its vectorised version; None: none is.
    """

    sequences: int = 500
    test_sequences: int = 500
    length: int = 15
    hold: float = 0.0
    amplitude: float = 1.0
    num_envs: int | None = None
    goal: tuple[float, ...] | None = None


class TruePhysics(Protocol):
    """An environment's true physics as dynamics to plan in (`latentrl.types.Dynamics`): for upper baselines alone.

    Attributes:
        position_size: how many leading dimensions of the state are the position; those that follow are the velocity.
    """

    position_size: int

    def transition(self, state: Tensor, action: Tensor) -> Distribution:
        """The state one control step after ``state [..., Dz]`` under ``action [..., Du]``, nearly without noise."""
        ...

    def state(self, truth: Mapping[str, Floats]) -> Tensor:
        """The states ``[N, Dz]`` float32 of ground truth, each entry ``[N]`` or ``[N, D]``."""
        ...


@runtime_checkable
class TruthAgent(Protocol):
    """Acts on ground truth, as an upper bound on what acting on observations can reach."""

    def reset(self, seed: int | None = None) -> None:
        """Forget everything: new episodes begin."""
        ...

    def act_on_truth(self, truth: Mapping[str, Floats]) -> NDArray[np.float32]:
        """Actions ``[N, Du]`` for the task's ground truth, each entry ``[N]`` or ``[N, ...]``."""
        ...


@dataclass(frozen=True)
class Flag:
    """A flag of ``latentrl collect`` that is an argument of the environment.

    Attributes:
        name: ``control_step`` is typed as ``--control-step``.
        kind: the type of its values, as they are typed: ``float``, or a ``Literal`` of words. Environments that share a
            name share the kind.
        default: what the environment takes without it, for people.
        help: what it is, in its unit.
        argument: of the environment; None: it has the flag's name.
    """

    name: str
    kind: Any
    default: str
    help: str
    argument: str | None = None

    @property
    def key(self) -> str:
        """The argument of the environment."""
        return self.argument or self.name


def no_pictures(env_kwargs: Mapping[str, Any]) -> bool:
    """That no observation is slow to come."""
    return False


def no_coordinates(env_kwargs: Mapping[str, Any]) -> tuple[Coordinate, ...]:
    """No coordinates: those of an environment that does not describe its ground truth."""
    return ()


def no_suggestion(env_kwargs: Mapping[str, Any]) -> Suggestion:
    """That the verbs' own defaults do."""
    return Suggestion()


@dataclass(frozen=True)
class Environment:
    """One environment of this package.

    Attributes:
        env_id: Gymnasium id.
        alias: the name for people: ``--env ALIAS``.
        entry_point: the Gymnasium environment, ``module:class``, imported when one is made.
        vector_entry_point: the same of many at once; None: there is none, and Gymnasium makes several.
        coordinates: what its ground truth is, given the arguments that it is made with.
        tasks: by name, the default one first.
        collection: what is recorded when nothing else is said.
        flags: the flags of ``latentrl collect`` that are arguments of the environment.
        pictures: whether, made with these arguments, it observes pictures that take long to render: they are collected
            by several processes, into a folder that says so.
        true_physics: makes its physics to plan in, given the seconds that an action is held for; imports them only
            then. None: they are not written down.
        suggestion: what works in it, made with these arguments, where the verbs' own defaults do not: sizes of a state
            and a distance, which stand in the commands that ``collect``, ``train`` and ``learn`` print.
        servo: makes a feedback controller on ground truth from true goal poses ``[N, D]`` and the largest action;
            imports it only then. None: there is none.
    """

    env_id: str
    alias: str
    entry_point: str
    vector_entry_point: str | None = None
    coordinates: Callable[[Mapping[str, Any]], tuple[Coordinate, ...]] = no_coordinates
    tasks: dict[str, Task] = field(default_factory=dict)
    collection: Collection = field(default_factory=Collection)
    flags: tuple[Flag, ...] = ()
    pictures: Callable[[Mapping[str, Any]], bool] = no_pictures
    true_physics: Callable[[float], TruePhysics] | None = None
    servo: Callable[[Floats, float], TruthAgent] | None = None
    suggestion: Callable[[Mapping[str, Any]], Suggestion] = no_suggestion
