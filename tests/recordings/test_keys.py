"""Which key becomes what: guesses where one thing alone comes into question, lists where several do."""

from __future__ import annotations

import numpy as np
import pytest

from latentrl.recordings.keys import Part, choose, is_action, is_bookkeeping, resolve
from latentrl.recordings.recording import Key
from latentrl.support.errors import UserError

PICTURE = Key(9, (48, 64, 3), np.dtype(np.uint8))
VECTOR, NUMBER = Key(9, (3,), np.dtype(np.float32)), Key(9, (), np.dtype(np.float64))


@pytest.mark.parametrize(
    ("keys", "observation", "actions"),
    [
        ({"frames": PICTURE, "actions": VECTOR}, ["frames"], ["actions"]),
        ({"frames": PICTURE, "actions": VECTOR, "ball": VECTOR}, ["frames"], ["actions"]),
        ({"view": PICTURE, "u": VECTOR}, ["view"], ["u"]),
        ({"view": PICTURE, "motor": VECTOR}, ["view"], ["motor"]),
        ({"joints": VECTOR, "action": VECTOR, "reward": NUMBER, "done": NUMBER}, ["joints"], ["action"]),
        ({"frame": PICTURE, "actions": VECTOR, "timestamp": NUMBER}, ["frame"], ["actions"]),
        ({"video": PICTURE, "time": NUMBER, "ux": NUMBER, "uy": NUMBER}, ["video"], ["ux", "uy"]),
        (
            {"video": PICTURE, "frame": NUMBER, "torque_0": NUMBER, "torque_1": NUMBER},
            ["video"],
            ["torque_0", "torque_1"],
        ),
        ({"observations/camera": PICTURE, "actions": VECTOR, "rewards": NUMBER}, ["observations/camera"], ["actions"]),
        (
            {"observation.images.top": PICTURE, "action": VECTOR, "next.done": NUMBER},
            ["observation.images.top"],
            ["action"],
        ),
    ],
)
def test_what_is_clear_is_guessed(keys: dict[str, Key], observation: list[str], actions: list[str]) -> None:
    chosen = choose(keys, (), (), (), "rec")
    assert [part.key for part in chosen.observation] == observation
    assert [part.key for part in chosen.actions] == actions


@pytest.mark.parametrize(
    ("keys", "flag"),
    [
        ({"left": PICTURE, "right": PICTURE, "actions": VECTOR}, "--observation"),
        ({"observation.state": VECTOR, "observation.images.top": PICTURE, "action": VECTOR}, "--observation"),
        ({"frames": PICTURE, "torque": VECTOR, "command": VECTOR}, "--actions"),
        ({"frames": PICTURE, "hand": VECTOR, "foot": VECTOR}, "--actions"),
        ({"frames": PICTURE}, "--actions"),
        ({"observation.images.top": PICTURE, "observation.state": VECTOR}, "--actions"),
    ],
)
def test_what_is_not_clear_is_listed(keys: dict[str, Key], flag: str) -> None:
    with pytest.raises(UserError, match=f"rec: give {flag} KEY") as caught:
        choose(keys, (), (), (), "rec")
    assert all(key in str(caught.value) for key in keys)


def test_what_is_asked_for_is_taken_and_the_rest_is_named() -> None:
    keys = {"left": PICTURE, "right": PICTURE, "arm": VECTOR, "hand": VECTOR, "qpos": VECTOR, "done": NUMBER}
    chosen = choose(keys, ["right"], ["arm", "hand:2"], ["qpos"], "rec")
    assert chosen.observation == (Part("right"),)
    assert chosen.actions == (Part("arm"), Part("hand", (2,)))
    assert chosen.truth == {"qpos": Part("qpos")}
    assert chosen.left_out == ("left",)


def test_names_mean_a_key_all_beneath_it_or_its_end() -> None:
    keys = {
        "obs/b": VECTOR,
        "obs/a": VECTOR,
        "infos/qpos": VECTOR,
        "observation.state": VECTOR,
        "x/qvel": VECTOR,
        "y/qvel": VECTOR,
    }
    assert resolve("obs/a", keys, "--truth", "rec") == [Part("obs/a")]
    assert resolve("obs", keys, "--truth", "rec") == [Part("obs/a"), Part("obs/b")], "a dictionary is flattened by name"
    assert resolve("qpos", keys, "--truth", "rec") == [Part("infos/qpos")]
    assert resolve("state:0,2", keys, "--truth", "rec") == [Part("observation.state", (0, 2))]
    with pytest.raises(UserError, match="--truth qvel: could be x/qvel or y/qvel; rec has"):
        resolve("qvel", keys, "--truth", "rec")
    with pytest.raises(UserError, match="--truth qpso: is none of its keys, did you mean qpos"):
        resolve("qpso", keys, "--truth", "rec")
    with pytest.raises(UserError, match=r"--actions state:3: .* numbers 0 to 2"):
        resolve("state:3", keys, "--actions", "rec")


def test_two_truths_of_one_name_are_refused() -> None:
    keys = {"frames": PICTURE, "actions": VECTOR, "a/q": VECTOR, "b/q": VECTOR}
    with pytest.raises(UserError, match="--truth: b/q and a/q would both be 'q'"):
        choose(keys, (), (), ["a/q", "b/q"], "rec")


@pytest.mark.parametrize("name", ["action", "actions", "u", "u1", "ux", "torque_2", "control", "data/action", "ctrl"])
def test_names_of_actions(name: str) -> None:
    assert is_action(name)


@pytest.mark.parametrize("name", ["reaction", "use", "unit", "frames", "actor", "x"])
def test_names_of_other_things(name: str) -> None:
    assert not is_action(name)


def test_bookkeeping_is_one_number_a_step() -> None:
    assert is_bookkeeping("rewards", ()) and is_bookkeeping("next.done", (1,)) and is_bookkeeping("a/timestamp", ())
    assert not is_bookkeeping("frame", (48, 64, 3)) and not is_bookkeeping("force", ())
