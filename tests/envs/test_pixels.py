"""Pictures of any renderer: what is one becomes the same picture, what is none is refused."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from latentrl.envs.pixels import PixelObservation, as_picture
from latentrl.support.errors import UserError

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = PICTURE[..., 0]


@pytest.mark.parametrize(
    ("rendered", "expected"),
    [
        (PICTURE, PICTURE),
        (PICTURE / 255.0, PICTURE),
        ((PICTURE / 255.0).astype(np.float32), PICTURE),
        (PICTURE.astype(np.int64), PICTURE),
        (np.concatenate([PICTURE, PICTURE[..., :1]], axis=2), PICTURE),
        (GREY, np.stack([GREY] * 3, axis=2)),
        (GREY[..., None] / 255.0, np.stack([GREY] * 3, axis=2)),
        (GREY > 100, 255 * np.stack([GREY > 100] * 3, axis=2)),
        (PICTURE.tolist(), PICTURE),
        (GREY.tolist(), np.stack([GREY] * 3, axis=2)),
        ([np.zeros_like(PICTURE), PICTURE], PICTURE),
        ((PICTURE,), PICTURE),
    ],
)
def test_every_kind_of_picture_is_taken(rendered: Any, expected: Any) -> None:
    picture = as_picture(rendered)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize(
    ("rendered", "problem"),
    [
        (None, "returned None"),
        ([], "empty list"),
        ("text", "str, which is no picture"),
        ({"camera": PICTURE}, "dict, which is no picture"),
        (np.zeros((3, 6, 9, 3)), r"shape \(3, 6, 9, 3\)"),
        (np.zeros((3, 40, 50), np.uint8), r"shape \(3, 40, 50\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
        (PICTURE.astype(float), r"float64 from \d+ to 2\d\d"),
        (np.full((2, 2, 3), np.nan), "float64 from nan"),
        (PICTURE.astype(np.int64) - 9, "int64 from -9"),
        (np.full((2, 2, 3), 999), "to 999"),
        ([[1, 2], [3]], "unequal length"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_cure(rendered: Any, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        as_picture(rendered)
    assert "[H, W, 3] uint8" in str(caught.value)


class Still(gymnasium.Env[Any, Any]):
    """Shows one picture."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = action_space = Box(-1, 1, (1,), np.float32)

    def __init__(self, picture: Any) -> None:
        self.picture, self.render_mode = picture, "rgb_array"

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return np.zeros(1, np.float32), {}

    def render(self) -> Any:
        return self.picture


@pytest.mark.parametrize(("size", "shape"), [(4, (4, 4)), ([4, 6], (4, 6)), ((3, 3), (3, 3))])
def test_size_is_height_and_width(size: Any, shape: tuple[int, int]) -> None:
    env = PixelObservation(Still(np.full((12, 18, 3), 7, np.uint8)), size)
    seen = env.reset()[0]
    assert seen.shape == (*shape, 3) == env.observation_space.shape
    assert (seen == 7).all()


def test_a_crop_is_a_part_of_the_picture() -> None:
    env = PixelObservation(Still(PICTURE), (3, 4), crop=(2, 5, 3, 4))
    np.testing.assert_array_equal(env.reset()[0], PICTURE[2:5, 5:9])


@pytest.mark.parametrize("crop", [(0, 0, 7, 9), (0, 6, 6, 4)])
def test_a_crop_beyond_the_picture_is_refused(crop: Any) -> None:
    with pytest.raises(UserError, match=r"--crop .* 6 pixels high and 9 wide"):
        PixelObservation(Still(PICTURE), 4, crop=crop).reset()


WRONG = ({"size": 0}, {"size": (4, 0)}, {"size": 4, "crop": (0, 0, 0, 1)}, {"size": 4, "crop": (-1, 0, 1, 1)})


@pytest.mark.parametrize("more", WRONG, ids=str)
def test_numbers_that_make_no_picture_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{list(more)[-1]}="):
        PixelObservation(Still(PICTURE), **more)
