"""Distances along a run's data, made when they are first asked for and kept in the run folder.

Positions of training frames, links between them and the decoder's metric: a small file, so that whoever acts later
needs no data. What it was made of, the model's weights and the data, is noted in it; for another model, or where other
data lie in the data's place by now, it is made anew.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from latentrl.geometry.distance_field import GeodesicField
from latentrl.geometry.metric import Decoder
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FrameEncoder
from latentrl.models.over_data import encode_frames, smooth
from latentrl.numerics.pieces import frames_at
from latentrl.runs.folder import SETTINGS, load_settings
from latentrl.runs.schema import require
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.shipped.entries import HOME
from latentrl.support.digests import digest
from latentrl.support.errors import UserError
from latentrl.types import Sequences

FILE = "geodesics.safetensors"
NODES = 1000
"""Training frames that distances are measured along."""
SEQUENCES = 100
"""Training sequences that they come from, where a frame alone does not tell the position."""
OF_MODEL, OF_DATA = "model", "data"
"""Of the file's metadata: the digest of the model's weights, and that of the training split; "" where it has none."""


GEODESIC = "geodesic"


def geodesic_field(model: WorldModel, run: Path, data: Path | None = None, distance: str = GEODESIC) -> GeodesicField:
    """The distances of ``model`` along its training data.

    Args:
        model: of the run.
        run: its folder, where the field is kept.
        data: the data folder; the one that the run was trained on if None. Not needed once the field is there.
        distance: what ``--distance`` says, for messages.

    Raises:
        UserError: a model without position dimensions, no data, or data that shows no two positions.
    """
    if model.position_size == model.latent_size:
        raise UserError(
            f"--distance {distance}: this model's state has no position dimensions of its own, so its pictures tell no "
            "distance; leave it out, or train the model with --recipe latentrl"
        )
    decoder, weights, path = position_decoder(model), digest(model.state_dict()), run / FILE
    data = _place(run) if data is None else data
    recorded = _recorded(data)
    if path.is_file():
        stored, notes = read_tensors(path, "remove it, and it is made again")
        if notes.get(OF_MODEL) == weights and recorded in (None, notes.get(OF_DATA)):
            try:
                return GeodesicField.from_tensors(stored, decoder)
            except (KeyError, ValueError, IndexError) as error:
                raise UserError(f"{path} is damaged ({error!r}): remove it, and it is made again") from error
    try:
        field = GeodesicField.of(decoder, _positions(model, data, distance))
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"--distance {distance}: {error}; is the model trained?") from error
    # What comes with the package stays as it came.
    if not path.resolve().is_relative_to(HOME.resolve()):
        write_tensors(path, field.tensors(), {OF_MODEL: weights, OF_DATA: recorded or ""})
    return field


def position_decoder(model: WorldModel) -> Decoder:
    """Positions ``[..., Da]`` to the mean of what is observed there; what else a state holds is zero."""

    def decode(positions: Tensor) -> Tensor:
        rest = positions.new_zeros(*positions.shape[:-1], model.state_size - positions.shape[-1])
        return model.emission(torch.cat((positions, rest), -1)).mean

    return decode


@torch.no_grad()
def training_positions(model: WorldModel, sequences: Sequences, count: int = NODES) -> Tensor:
    """Positions ``[count, Da]`` of frames that are evenly spread over the data; fewer where there are fewer."""
    if isinstance(model, FrameEncoder):
        total = sequences.actions.shape[0] * sequences.length
        index = torch.linspace(0, total - 1, min(count, total)).long()
        frames = frames_at(sequences.observations, index).unsqueeze(1)
        shown = Sequences(frames, sequences.actions.new_zeros(len(frames), 0, sequences.actions.shape[-1]))
        return encode_frames(model, shown).mean[:, 0].float().cpu()
    some = torch.linspace(0, len(sequences) - 1, min(SEQUENCES, len(sequences))).long()
    found = smooth(model, sequences[some]).mean[..., : model.position_size].flatten(0, 1).float().cpu()
    return found[torch.linspace(0, len(found) - 1, min(count, len(found))).long()]


def _place(run: Path) -> Path:
    """The data folder of a run, by its settings."""
    settings = load_settings(run)
    require(settings, run / SETTINGS, "options.data")
    return Path(settings["options"]["data"])


def _recorded(data: Path) -> str | None:
    """The digest of the training split in a data folder; None where there is no folder, or one of before digests."""
    # Only here and below: whoever measures distances otherwise does not load what reads data.
    from latentrl.data_collection.digest import known_digest
    from latentrl.data_collection.storage import METADATA, load_metadata

    return known_digest(load_metadata(data), "train") if (data / METADATA).is_file() else None


def _positions(model: WorldModel, data: Path, distance: str) -> Tensor:
    from latentrl.data_collection.storage import load_sequences

    try:
        sequences = load_sequences(data, "train")
    except UserError as error:
        raise UserError(f"--distance {distance}: is measured along the run's data, once: {error}") from error
    shown, wanted = tuple(sequences.observations.shape[2:]), tuple(model.spec.observation_shape)
    if shown != wanted:
        raise UserError(
            f"--distance {distance}: {data} holds observations of {shown}, but the model has {wanted}: say with --data "
            "where the data is that it was trained on"
        )
    return training_positions(model, sequences)
