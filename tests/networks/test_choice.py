"""Every network in ``NETWORKS``: shapes, gradients, pieces, the way into a run folder and back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import nn

from latentrl.models import MODELS, build
from latentrl.models.ekvae import EKVAE
from latentrl.models.frame_autoencoder import FrameAutoencoder
from latentrl.models.spec import DataSpec
from latentrl.networks import NETWORKS, NetworkName, suggested_network
from latentrl.networks.lean import Waves, from_patches, halved
from latentrl.runs.folder import load_model, model_settings
from latentrl.runs.tensors import write_tensors
from latentrl.support.files import write_json
from latentrl.types import Sequences

NAMES = sorted(NETWORKS)
EKVAE_SETTINGS = MODELS["ekvae"].settings
FOR_IMAGES = sorted(set(NETWORKS) - {"dense"})
SHAPES = [(16, 16, 1), (17, 23, 3), (5, 40, 2), (64, 64, 3)]


def make_model(model: str, network: str, shape: tuple[int, ...], **changes: object) -> FrameAutoencoder:
    torch.manual_seed(0)
    hidden = NETWORKS[network].hidden  # type: ignore[index]
    settings = {**asdict(MODELS[model].settings()), "network": network, "hidden": hidden, **changes}
    made = build(model, DataSpec(shape, "uint8", 2, (1.0, 1.0)), settings)
    assert isinstance(made, FrameAutoencoder)
    return made


def make_batch(shape: tuple[int, ...], count: int = 2, length: int = 3) -> Sequences:
    g = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (count, length, *shape), dtype=torch.uint8, generator=g)
    return Sequences(pictures, torch.randn(count, length - 1, 2, generator=g))


@pytest.mark.parametrize("network", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_any_size_of_image_goes_in_and_comes_out(network: str, shape: tuple[int, ...]) -> None:
    model, batch = make_model("ekvae", network, shape), make_batch(shape)
    with torch.no_grad():
        posterior = model.encode(batch.observations)
        pictures = model.decode(posterior.mean)
    assert posterior.mean.shape == posterior.variance.shape == (2, 3, 2)
    assert pictures.shape == (2, 3, *shape) and pictures.dtype == torch.float32
    # No two frames are the same to the encoder, and no two positions to the decoder.
    assert posterior.mean.flatten(0, 1).std(0).min() > 0 and pictures.flatten(0, 1).std(0).mean() > 0


@pytest.mark.parametrize("network", FOR_IMAGES)
def test_vectors_are_refused(network: str) -> None:
    with pytest.raises(ValueError, match=rf"'{network}' takes images .*\(7,\)"):
        make_model("ekvae", network, (7,))


def test_a_network_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"'dens'.*dense, conv, lean"):
        EKVAE(DataSpec((4,), "float32", 1, (1.0,)), EKVAE_SETTINGS(network="dens"))


@pytest.mark.parametrize("name", ["ekvae", "kvae"])
@pytest.mark.parametrize("network", NAMES)
def test_gradients_reach_every_weight(name: str, network: str) -> None:
    model = make_model(name, network, (17, 23, 3))
    terms = model.rate_distortion(make_batch((17, 23, 3)), torch.Generator().manual_seed(0))
    (terms.rate + terms.distortion).mean().backward()
    for part in (model.encoder, model.decoder):
        for key, parameter in part.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), key
            assert parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize("name", ["ekvae", "kvae"])
@pytest.mark.parametrize("network", FOR_IMAGES)
def test_a_saved_model_is_the_same_model(name: str, network: str, tmp_path: Path) -> None:
    model = make_model(name, network, (17, 23, 3)).eval()
    write_json(tmp_path / "settings.json", {"model": model_settings(name, model)})
    write_tensors(tmp_path / "model.safetensors", model.state_dict())
    loaded = load_model(tmp_path)
    assert loaded.settings == model.settings
    assert isinstance(loaded, FrameAutoencoder)
    batch = make_batch((17, 23, 3))
    with torch.no_grad():
        assert torch.equal(loaded.encode(batch.observations).mean, model.encode(batch.observations).mean)


def test_settings_without_a_network_are_those_of_a_dense_one() -> None:
    old = {key: value for key, value in asdict(EKVAE_SETTINGS()).items() if key != "network"}
    model = build("ekvae", DataSpec((8, 8, 1), "uint8", 1, (1.0,)), old)
    assert isinstance(model, EKVAE) and model.settings.network == "dense"
    assert {key.split(".")[0] for key in model.state_dict()} >= {"encoder", "decoder"}


@pytest.mark.parametrize("network", NAMES)
@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("kept", [0, 2**22])
def test_a_batch_in_pieces_is_the_batch(
    network: str, standardise: bool, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terms and gradients of the same batch, whole and four frames at a time, activations kept or computed again."""
    monkeypatch.setattr("latentrl.numerics.pieces.KEPT", kept)
    shape = (40, 48, 3)
    model, batch = make_model("ekvae", network, shape, standardise=standardise), make_batch(shape, 3, 5)
    if model.standard is not None:
        model.standard.fit(batch.observations.flatten(0, 1))
    found = []
    for piece in (2**30, 4 * 40 * 48 * 3):
        monkeypatch.setattr("latentrl.numerics.pieces.PIECE", piece)
        model.zero_grad()
        terms = model.rate_distortion(batch, torch.Generator().manual_seed(0))
        terms.error.mean().backward()
        found.append((*terms, *(p.grad for p in model.decoder.parameters())))
    for whole, pieces in zip(*found, strict=True):
        assert whole is not None and pieces is not None
        torch.testing.assert_close(pieces, whole, rtol=1e-4, atol=1e-6)


# A step with convolutions costs many times as much, and fewer are enough.
@pytest.mark.parametrize(("network", "steps"), [("dense", 60), ("conv", 40), ("lean", 120)])
def test_a_moving_square_is_learned(network: str, steps: int) -> None:
    """A few steps of plain autoencoding leave a fraction of the error of the mean picture."""
    torch.manual_seed(0)
    pictures = torch.zeros(20, 24, 32, 3)
    for start, picture in enumerate(pictures):
        picture[8:16, start : start + 8] = torch.tensor([1.0, 0.7, 0.3])
    make = NETWORKS[network]  # type: ignore[index]
    seen = pictures if make.reduce is None else make.reduce(pictures)
    encoder, decoder = make.encoder(seen.shape[1:], make.hidden, 2), make.decoder(2, make.hidden, (24, 32, 3))
    optimiser = torch.optim.Adam(nn.ModuleList((encoder, decoder)).parameters(), 2e-3)
    error = torch.tensor(torch.inf)
    for _ in range(steps):
        error = (decoder(encoder(seen).mean) - pictures).square().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
    assert float(error.detach()) < 0.5 * float((pictures - pictures.mean(0)).square().mean())


def test_patches_are_put_back_as_squares_of_pixels() -> None:
    images = torch.arange(2 * 8 * 12 * 3.0).view(2, 8, 12, 3)
    patches = torch.stack([images[:, row : row + 4].unfold(2, 4, 4) for row in (0, 4)], 1)  # [N, row, y, column, C, x]
    patches = patches.permute(0, 1, 3, 2, 5, 4).flatten(3)
    assert patches.shape == (2, 2, 3, 48)
    assert torch.equal(from_patches(patches, 4), images)


def test_a_halved_image_is_made_of_means_and_an_odd_side_is_padded() -> None:
    images = torch.rand(2, 6, 8, 3, generator=torch.Generator().manual_seed(0))
    means = torch.nn.functional.avg_pool2d(images.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    torch.testing.assert_close(halved(images), means)
    torch.testing.assert_close(halved(images[:, :5, :7])[:, :2, :3], means[:, :2, :3])
    torch.testing.assert_close(halved(images[:, :5, :7])[:, 2, 3], images[:, 4, 6] / 4)


def test_waves_keep_the_position_and_have_unit_size() -> None:
    torch.manual_seed(0)
    position = torch.randn(500, 3)
    waves = Waves(3, 200)(position)
    assert waves.shape == (500, 203) and torch.equal(waves[:, :3], position)
    assert float(waves[:, 3:].detach().square().mean()) == pytest.approx(1, abs=0.05)


def test_some_frames_stand_for_all_in_training_and_all_are_drawn_otherwise() -> None:
    batch = make_batch((17, 23, 3), count=4, length=10)
    whole, some = (make_model("ekvae", "lean", (17, 23, 3), drawn_frames=drawn) for drawn in (0, 3))

    def distortion(model: FrameAutoencoder, seed: int) -> torch.Tensor:
        return model.rate_distortion(batch, torch.Generator().manual_seed(seed)).distortion.detach().mean()

    for model in (whole, some):
        model.eval()
    assert torch.equal(distortion(some, 0), distortion(whole, 0))
    some.train()
    drawn = torch.stack([distortion(some, seed) for seed in range(60)])
    assert float(drawn.std()) > 0
    assert float(drawn.mean()) == pytest.approx(float(distortion(whole, 0)), abs=4 * float(drawn.std()) / 60**0.5 + 1)


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((2,), torch.float32, "dense"),
        ((16, 16, 1), torch.uint8, "dense"),
        ((32, 32, 3), torch.uint8, "dense"),
        ((64, 64, 3), torch.uint8, "lean"),
        ((64, 64, 3), torch.float32, "dense"),
    ],
)
def test_what_suits_the_data(shape: tuple[int, ...], dtype: torch.dtype, expected: NetworkName) -> None:
    assert suggested_network(torch.zeros(1, 1, *shape, dtype=dtype), torch.device("cpu")) == expected
