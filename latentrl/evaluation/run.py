"""A run as evaluation meets it: its settings, its model, and the data that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrl.data_collection.storage import METADATA, load_ground_truth, load_metadata, load_sequences
from latentrl.envs.episodes import Recorded
from latentrl.models.base import WorldModel
from latentrl.runs.folder import load_model, load_settings
from latentrl.support.errors import UserError


@dataclass(frozen=True)
class Run:
    """A run folder and its data; whatever is read is read once, and nothing that no trial asks for.

    Attributes:
        folder: the run folder.
        settings: its ``settings.json``.
        data: the data folder, which need not be there.
    """

    folder: Path
    settings: Mapping[str, Any]
    data: Path

    @classmethod
    def open(cls, folder: Path, data: Path | None = None) -> Run:
        """The run in ``folder``; ``data`` is its data folder, if that is no longer where the training found it.

        Raises:
            UserError: ``folder`` is no run folder.
        """
        settings = load_settings(folder)
        return cls(folder, settings, data or Path(settings["options"]["data"]))

    @property
    def env_id(self) -> str:
        """The Gymnasium id of the environment that made the data."""
        return str(self.settings["data"]["env_id"])

    def load_model(self) -> WorldModel:
        """The finished model, without gradients.

        Raises:
            UserError: an unfinished or a damaged one, or a model this version does not know.
        """
        return load_model(self.folder, settings=self.settings).requires_grad_(False)

    def require_data(self, why: str) -> None:
        """Refuse to go on without the data folder.

        Raises:
            UserError: it is not there, but needed: ``why``.
        """
        if not (self.data / METADATA).is_file():
            raise UserError(f"{self.data}: the run's data is not there, but {why}; find it with --data")

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """The data's ``metadata.json``.

        Raises:
            UserError: the data folder is none.
        """
        return load_metadata(self.data)

    @cached_property
    def held_out(self) -> Recorded:
        """Observations and ground truth of the test split.

        Raises:
            UserError: the data folder is none, or is not the run's.
        """
        own = self.metadata
        recorded, spec = self.settings["data"], self.settings["model"]["spec"]
        for name, expected, found in (
            ("environment", recorded["env_id"], own.get("env_id")),
            ("environment's settings", recorded["env_kwargs"], own.get("env_kwargs")),
            ("observation shape", list(spec["observation_shape"]), own.get("observation_shape")),
        ):
            if expected != found:
                raise UserError(f"--data {self.data}: {name} {found}, but the run has {expected}; give the run's data")
        truth = load_ground_truth(self.data, "test", own)
        return Recorded(load_sequences(self.data, "test", metadata=own).observations.numpy(), truth)

    @cached_property
    def _trained_on(self) -> dict[str, NDArray[Any]]:
        return load_ground_truth(self.data, "train", self.metadata)

    def largest(self, entry: str) -> float:
        """The largest absolute value of an entry of the ground truth of the training data.

        Raises:
            UserError: no such data folder.
        """
        return float(np.abs(self._trained_on[entry]).max())
