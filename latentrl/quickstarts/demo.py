"""The shipped pendulum at work: weights are loaded, it swings up, and its data is recorded anew; nothing is trained."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from latentrl.data_collection.behaviour import held_uniform
from latentrl.data_collection.rollout import collect
from latentrl.evaluation.agents_by_name import contestant
from latentrl.evaluation.beliefs import believed
from latentrl.evaluation.options import EvaluateOptions, trial_of
from latentrl.evaluation.protocol import Evaluation, demonstrate
from latentrl.evaluation.run import Run
from latentrl.evaluation.setting import Setting
from latentrl.figures.coverage import state_coverage
from latentrl.figures.report import gif, picture, table, write_page
from latentrl.figures.theme import wrap
from latentrl.figures.video import one_palette, write_gif
from latentrl.models.base import WorldModel
from latentrl.quickstarts.never_seen import NeverSeen, never_seen
from latentrl.quickstarts.pendulum_report import latent_space
from latentrl.shipped.copies import readable
from latentrl.shipped.entries import PREFIX, entry_of
from latentrl.types import Agent, Sequences

RUN = "zoo:pendulum"
FILM, PAGE = "swing_up.gif", "demo.html"


@dataclass(frozen=True)
class Loaded:
    """The shipped run, its model and its swing-up, ready to be begun."""

    run: Run
    model: WorldModel
    setting: Setting


@dataclass(frozen=True)
class SwingUp:
    """One episode.

    Attributes:
        success: of the task's own measure.
        evaluation: what happened.
        torques: that were applied, ``[T]``, N m.
        frames: of the film.
    """

    success: bool
    evaluation: Evaluation
    torques: NDArray[np.float32]
    frames: list[Image.Image]

    @property
    def truth(self) -> dict[str, NDArray[np.floating]]:
        """Angle and velocity ``[T]``."""
        return {name: self.evaluation.truth[name][:, 0] for name in ("angle", "velocity")}


@dataclass(frozen=True)
class Recorded:
    """The sequences that the model was learned from."""

    sequences: Sequences
    truth: dict[str, NDArray[np.floating]]


class _Noting:
    """An agent whose actions are kept."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.actions: list[NDArray[np.float32]] = []

    def reset(self, seed: int | None = None) -> None:
        self.agent.reset(seed)

    def act(self, observation: NDArray[Any], seen: NDArray[np.bool_] | bool | None = None) -> NDArray[np.float32]:
        action = self.agent.act(observation, seen)  # type: ignore[arg-type]
        self.actions.append(action)
        return action


def load(seed: int) -> Loaded:
    """Read the shipped weights; ``seed`` is that of the camera's noise.

    Raises:
        UserError: they are damaged.
    """
    options = EvaluateOptions(run=readable(RUN), agent="policy", seed=seed)
    run = Run.open(options.run)
    return Loaded(run, run.load_model(), Setting.of(trial_of(options, run), run).only(0))


def swing_up(loaded: Loaded) -> SwingUp:
    """Let the policy act in the real pendulum, from hanging at rest."""
    setting, model = loaded.setting, loaded.model
    agent = contestant(setting, model).agent(0)
    noted = _Noting(agent)  # type: ignore[arg-type]
    evaluation, frames = demonstrate(noted, setting.starting, lambda: believed(agent, model), setting.trial.seed)
    success = setting.outcome(evaluation.truth).success
    assert success is not None
    return SwingUp(bool(success[0]), evaluation, np.stack(noted.actions)[:, 0, 0], one_palette(frames))


def record_again(loaded: Loaded) -> Recorded:
    """The training data, from its seed: as many sequences, as long, under the same random torques."""
    recorded = loaded.run.settings["data"]
    made = recorded["collection"]
    seed = int(np.random.SeedSequence(made["seed"]).generate_state(2)[0])
    drawn = partial(held_uniform, hold=made["hold"], amplitude=made["amplitude"])
    found = list(collect(recorded["env_id"], recorded["env_kwargs"], made["sequences"], made["length"], seed, drawn))
    sequences = Sequences(
        torch.from_numpy(np.stack([one.observations for one in found])),
        torch.from_numpy(np.stack([one.actions for one in found])),
    )
    return Recorded(sequences, {name: np.stack([one.infos[name] for one in found]) for name in ("angle", "velocity")})


def compared(loaded: Loaded, data: Recorded, episode: SwingUp) -> NeverSeen:
    """What of the swing-up the data does not hold."""
    step = loaded.setting.task.control_step
    return never_seen(data.truth, data.sequences.actions.numpy(), episode.truth, episode.torques, step)


def write(loaded: Loaded, data: Recorded, episode: SwingUp, unseen: NeverSeen, out: Path, following: str) -> Path:
    """Write the film and the page into ``out``; ``following`` is the next command. Returns the page."""
    model, step = loaded.model, loaded.setting.task.control_step
    stored = entry_of(RUN.removeprefix(PREFIX)).evaluation["outcome"]
    film = write_gif(out / FILM, episode.frames, round(1 / step))
    with torch.no_grad():
        latents = model.smooth(data.sequences.observations, data.sequences.actions).mean.flatten(0, 1).numpy()
    angle, velocity = (data.truth[name].ravel() for name in ("angle", "velocity"))
    seen, path = (
        np.stack((wrap(one["angle"]).ravel(), one["velocity"].ravel()), 1) for one in (data.truth, episode.truth)
    )
    parts = {
        "outcome": "and it holds" if episode.success else "but did not hold",
        "swing_up": gif(film),
        "rows": table(
            [
                ("Upright within 0.2 rad through the last 5 of 20 s", "yes" if episode.success else "no"),
                (f"Of {stored['episodes']} episodes, as it was shipped", f"{stored['value']}"),
            ]
        ),
        "never": table([("", "in the data", "in this swing-up"), *unseen.rows()]),
        "coverage": picture(
            lambda theme: state_coverage(
                seen, path, unseen.new, ("angle, rad; 0 is upright", "velocity, rad/s"), theme
            ),
            "Angle and velocity: the data's states, and those of the swing-up",
        ),
        **latent_space(latents, angle, velocity),
        "next": html.escape(following),
    }
    write_page(out / PAGE, "A swing-up from shipped weights · latentrl", "demo.html", parts, "pendulum.js")
    return out / PAGE
