"""Weights & Biases: online, or offline where its own variables say so (``WANDB_MODE=offline``)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from latentrl.support.errors import UserError, message_of
from latentrl.tracking.base import Beginning, Ending, Kind

EXIT_CODES: Mapping[Ending, int] = MappingProxyType({"finished": 0, "interrupted": 130, "failed": 1})
WITHOUT_A_LOGIN = ("offline", "disabled", "dryrun")
"""Modes in which nothing is sent."""


class Wandb:
    """A run in Weights & Biases, with its files in ``wandb/`` of the run folder unless ``WANDB_DIR`` says otherwise."""

    def __init__(self, beginning: Beginning) -> None:
        import wandb

        self._library, self._step = wandb, 0
        self._run = wandb.init(
            project=beginning.project,
            name=beginning.name,
            group=beginning.group,
            job_type=beginning.part or "training",
            config=dict(beginning.settings),
            dir=os.environ.get("WANDB_DIR") or str(beginning.folder),
            id=beginning.run,
            resume=None if beginning.run is None else "allow",
            # It asks for no login in the midst of a training, and takes no output that bars and panels are drawn on.
            settings=wandb.Settings(silent=True, console="off"),
        )

    @property
    def run(self) -> str | None:
        found: str = self._run.id
        return found

    @property
    def where(self) -> str:
        return f"wandb sync {Path(self._run.dir).parent}" if self._run.offline else str(self._run.url)

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._step = step
        self._run.log(dict(figures), step=step)

    def log_file(self, path: Path) -> None:
        if path.suffix == ".gif":
            self._run.log({path.stem: self._library.Video(str(path), format="gif")}, step=self._step)
        elif path.suffix == ".png":
            self._run.log({path.stem: self._library.Image(str(path))}, step=self._step)
        else:
            self._run.log_artifact(str(path), type="figures")

    def finish(self, ending: Ending) -> None:
        self._run.finish(exit_code=EXIT_CODES[ending])


def _check() -> None:
    """Refuse to begin without a login: it could only be asked for in the midst of a training.

    Raises:
        UserError: says how to log in, or to do without.
    """
    import wandb

    # Silent it asks nothing, and says that it would have to.
    if wandb.setup(settings=wandb.Settings(silent=True)).settings.mode in WITHOUT_A_LOGIN:
        return
    try:
        wandb.login()
    except wandb.errors.UsageError as error:
        raise UserError(f"--track wandb: {message_of(error).rstrip('.')}, or set WANDB_MODE=offline") from error
    except wandb.errors.Error:
        # A network that is down is nothing to wait for: it may be up by then, and is told of if it is not.
        return


WANDB = Kind(Wandb, "wandb", _check)
