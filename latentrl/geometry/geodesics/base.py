"""What finds geodesics: the shortest curves between latent points, by a decoder's metric (Latent Matters, 5.1.2)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from latentrl.geometry.metric import Decoder


class Curves(NamedTuple):
    """Curves between points, and how long they are, Eq. 5.6.

    Attributes:
        points: ``[B, K, d]``; the first is where a curve starts, the last where it ends.
        lengths: Riemannian, ``[B]``, in the decoder's units: distances, as far as these are geodesics.
    """

    points: Tensor
    lengths: Tensor


class Geodesics(Protocol):
    """Finds geodesics in the latent space of one decoder.

    Whoever is made of ``(decoder, nodes)``, see :class:`MakesGeodesics`, and answers this.
    """

    def __call__(self, start: Tensor, end: Tensor) -> Curves:
        """A curve for each pair of ``start`` and ``end [B, d]``; no gradient.

        Raises:
            ValueError: other shapes than ``[B, d]``, or numbers that are not finite.
        """
        ...


class MakesGeodesics(Protocol):
    """What stands in `latentrl.geometry.geodesics.GEODESICS`."""

    def __call__(self, decoder: Decoder, nodes: Tensor | None = None) -> Geodesics:
        """Prepare to find geodesics.

        Args:
            decoder: whose metric counts.
            nodes: points ``[L, d]`` that are known to lie where the data lies; None: nothing is known.

        Raises:
            ValueError: nodes are needed.
        """
        ...


def check_ends(start: Tensor, end: Tensor) -> None:
    """Refuse ends of curves that are none.

    Raises:
        ValueError: other shapes than ``[B, d]``, or numbers that are not finite.
    """
    if start.dim() != 2 or start.shape != end.shape:
        raise ValueError(f"start and end must both be [B, d], not {tuple(start.shape)} and {tuple(end.shape)}")
    if not (start.isfinite().all() and end.isfinite().all()):
        raise ValueError("start and end must be finite")
