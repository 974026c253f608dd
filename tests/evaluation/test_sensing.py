"""Which frames arrive."""

from __future__ import annotations

import numpy as np
import pytest

from latentrl.evaluation.sensing import Losses, parse_blackout
from latentrl.support.errors import UserError


def test_without_losses_every_frame_arrives() -> None:
    assert not Losses().any
    assert Losses().arrivals(20, 3).all()


def test_dropped_frames_are_as_many_as_asked_and_independent() -> None:
    arrived = Losses(drop=0.3).arrivals(400, 100, seed=1)
    lost = ~arrived[1:]
    assert lost.mean() == pytest.approx(0.3, abs=0.01)
    assert (lost[1:] & lost[:-1]).mean() == pytest.approx(0.09, abs=0.01), "in time"
    assert (lost[:, 1:] & lost[:, :-1]).mean() == pytest.approx(0.09, abs=0.01), "between episodes"


def test_a_blackout_is_five_steps_at_a_stretch_in_every_twenty() -> None:
    arrived = Losses(dark=5, period=20).arrivals(200, 300, seed=2)
    for column in arrived[1:].T:
        edges = np.flatnonzero(np.diff(np.concatenate(([True], column, [True])).astype(int)))
        spans = [(start, end) for start, end in edges.reshape(-1, 2) if 0 < start and end < 199]
        assert all(end - start == 5 for start, end in spans) and len(spans) >= 9
        assert np.all(np.diff([start for start, _ in spans]) == 20)
    phases = {int(np.argmin(column)) for column in arrived.T}
    assert len(phases) > 15, "every episode has a phase of its own"


@pytest.mark.parametrize("losses", [Losses(drop=0.99), Losses(dark=19, period=20), Losses(0.5, 5, 20)], ids=str)
def test_the_first_frame_always_arrives(losses: Losses) -> None:
    arrived = losses.arrivals(30, 200)
    assert losses.any and arrived[0].all() and not arrived[1:].all()


def test_both_kinds_of_loss_add_up() -> None:
    arrived = Losses(0.3, 5, 20).arrivals(400, 100)
    assert arrived[1:].mean() == pytest.approx(0.7 * 0.75, abs=0.01)


def test_the_same_seed_loses_the_same_frames() -> None:
    losses = Losses(0.3, 5, 20)
    assert np.array_equal(losses.arrivals(50, 5, 3), losses.arrivals(50, 5, 3))
    assert not np.array_equal(losses.arrivals(50, 5, 3), losses.arrivals(50, 5, 4))


@pytest.mark.parametrize("wrong", [{"drop": 1.0}, {"drop": -0.1}, {"dark": 20, "period": 20}, {"dark": -1}], ids=str)
def test_impossible_losses_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give"):
        Losses(**wrong)  # type: ignore[arg-type]


def test_a_blackout_in_words() -> None:
    assert parse_blackout("5/20") == (5, 20)


@pytest.mark.parametrize("text", ["5", "5/5", "20/5", "0/5", "a/b", "-1/5", "5/20/3", ""])
def test_what_is_no_blackout_says_what_is(text: str) -> None:
    with pytest.raises(UserError, match="5/20"):
        parse_blackout(text)
