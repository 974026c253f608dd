"""Trackio: on this machine, or in a Hugging Face Space where its own variables say so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from latentrl.tracking.base import TEXTS, Beginning, Ending, Kind, flat


class Trackio:
    """A run in Trackio, which knows runs by their names: this one's is no other's."""

    def __init__(self, beginning: Beginning) -> None:
        import trackio

        self._library, self._project, self._step = trackio, beginning.project, 0
        self._name = beginning.run or f"{beginning.name}-{uuid4().hex[:8]}"
        self._run = trackio.init(
            project=beginning.project,
            name=self._name,
            group=beginning.group,
            config=flat(beginning.settings),
            resume="allow",
            embed=False,
            # Nobody asked how warm the machine is.
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    @property
    def run(self) -> str | None:
        return self._name

    @property
    def where(self) -> str:
        return f"trackio show --project {self._project}; run {self._name}"

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._step = step
        self._run.log(dict(figures), step=step)

    def log_file(self, path: Path) -> None:
        if path.suffix == ".gif":
            self._run.log({path.stem: self._library.Video(str(path))}, step=self._step)
        elif path.suffix == ".png":
            self._run.log({path.stem: self._library.Image(str(path))}, step=self._step)
        elif path.suffix in TEXTS:
            text = self._library.Markdown(f"```\n{path.read_text(encoding='utf-8')}\n```")
            self._run.log({path.name: text}, step=self._step)
        else:
            self._library.save(str(path), project=self._project)

    def finish(self, ending: Ending) -> None:
        self._run.finish()


TRACKIO = Kind(Trackio, "trackio")
