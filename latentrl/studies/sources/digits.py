"""Handwritten digits of 8 x 8 pixels, black and white: scikit-learn's, in place of binarised MNIST."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentrl.studies.sources.base import TEST, TRAIN, Frames, Splits
from latentrl.support.errors import UserError

BRIGHTEST = 16
HELD_OUT = 200
"""Of 1797: the likelihood of each takes 5,000 samples of the model, and of more pictures longer than its training."""
DRAWS = 20
"""Times that a picture to train on is binarised; the source draws afresh every epoch."""


def digits(seed: int) -> Splits:
    """Pictures ``[N, 8, 8, 1]`` of 0 and 255, and which digit each shows.

    A pixel of brightness g of 16 is white with probability g / 16 (dynamic binarisation). The ``seed`` draws which
    pictures are held out, and every pixel; a held-out one is drawn once.

    Raises:
        UserError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UserError("the digits are scikit-learn's: pip install 'latentrl[digits]'") from error
    found = load_digits()
    drawn = np.random.default_rng(seed)
    order = drawn.permutation(len(found.images))
    parts = {TEST: (order[:HELD_OUT], 1), TRAIN: (order[HELD_OUT:], DRAWS)}
    return Splits(
        {
            split: Frames(
                np.concatenate([binarised(found.images[chosen], drawn) for _ in range(times)])[..., None],
                np.tile(found.target[chosen].astype(np.int64), times),
            )
            for split, (chosen, times) in parts.items()
        },
        {"labels": [str(name) for name in found.target_names], "origin": "scikit-learn, load_digits", "draws": DRAWS},
    )


def binarised(images: NDArray[np.floating], drawn: np.random.Generator) -> NDArray[np.uint8]:
    """0 or 255 for every pixel of ``images [N, H, W]``, the latter as likely as it is bright."""
    return np.where(drawn.random(images.shape) * BRIGHTEST < images, 255, 0).astype(np.uint8)
