"""Settings that are not whole are refused by the name of the key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from latentrl.runs.folder import MODEL, SETTINGS, load_model, load_settings
from latentrl.runs.schema import KEYS, SCHEMA, VERSION, keys_of
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.support.errors import UserError

Change = Callable[[dict[str, Any]], Any]


def rewrite(run: Path, change: Change) -> None:
    content = json.loads((run / SETTINGS).read_text())
    found = change(content)
    (run / SETTINGS).write_text(json.dumps(content if found is None else found))


def as_now(run: Path) -> None:
    """As this version writes it."""

    def change(content: dict[str, Any]) -> None:
        content.update({"training": {"steps": 8, "batch": 2}, VERSION: SCHEMA})
        content[KEYS] = keys_of(content)

    rewrite(run, change)


CHANGES: dict[str, tuple[Change, str]] = {
    "newer": (lambda content: content.update({VERSION: SCHEMA + 1}), "newer version of latentrl"),
    "version": (lambda content: content.update({VERSION: "one"}), "schema is 'one'"),
    "list": (lambda content: [], "holds a list"),
    "number": (lambda content: 3, "holds a number"),
    "empty": (lambda content: {}, "model is missing"),
    "no model": (lambda content: content.pop("model") and None, "model is missing"),
    "dropped option": (lambda content: content["options"].pop("data") and None, r"options\.data is missing"),
    "dropped number": (lambda content: content["training"].pop("batch") and None, r"training\.batch is missing"),
    "dropped setting": (
        lambda content: content["model"]["settings"].pop("state_size") and None,
        r"model\.settings\.state_size is missing",
    ),
    "scale of zero": (lambda content: content["model"]["spec"].update(action_scale=[0]), "action_scale is "),
    "scale of two": (lambda content: content["model"]["spec"].update(action_scale=[1, 1]), "not 1 number"),
    "no shape": (lambda content: content["model"]["spec"].update(observation_shape=[]), "observation_shape is "),
    "dtype": (lambda content: content["model"]["spec"].update(observation_dtype="object"), "observation_dtype is "),
    "unknown setting": (lambda content: content["model"]["settings"].update(colour="red"), "model.settings make no"),
    "a huge size": (lambda content: content["model"]["settings"].update(hidden=[10**9]), "does not fit"),
}


@pytest.mark.parametrize("name", list(CHANGES))
def test_settings_that_are_not_whole_are_named(pendulum_run: Path, name: str) -> None:
    as_now(pendulum_run)
    load_model(pendulum_run)
    change, said = CHANGES[name]
    rewrite(pendulum_run, change)
    with pytest.raises(UserError, match=said) as told:
        load_model(pendulum_run)
    assert str(pendulum_run / SETTINGS) in str(told.value)


@pytest.mark.parametrize("content", [b"\xff\xfe{}", b"{", b"", b"[" * 100_000, b'{"model": 1' + b"0" * 5000 + b"}"])
def test_what_is_no_json_is_damaged(pendulum_run: Path, content: bytes) -> None:
    (pendulum_run / SETTINGS).write_bytes(content)
    with pytest.raises(UserError, match=r"settings\.json is damaged"):
        load_settings(pendulum_run)


def test_settings_of_older_versions_are_read_as_they_are(pendulum_run: Path) -> None:
    assert VERSION not in load_settings(pendulum_run)
    assert load_model(pendulum_run).spec.action_scale == (2.0,)


def test_a_flipped_bit_in_the_weights_is_noticed_and_files_without_a_digest_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tensors = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.tensor(True), "none": torch.zeros(0, 3)}
    write_tensors(path, tensors, {"note": "kept"})
    found, metadata = read_tensors(path, "cure")
    assert metadata == {"note": "kept"} and all(torch.equal(found[name], value) for name, value in tensors.items())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"are not those that were written.*cure"):
        read_tensors(path, "cure")
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, path)
    assert torch.equal(read_tensors(path, "cure")[0]["a"], torch.ones(2))


def test_weights_that_are_not_finite_are_damaged(pendulum_run: Path) -> None:
    tensors, _ = read_tensors(pendulum_run / MODEL, "")
    tensors["log_sigma"] = torch.full_like(tensors["log_sigma"], torch.nan)
    write_tensors(pendulum_run / MODEL, tensors)
    with pytest.raises(UserError, match="log_sigma holds numbers that are not finite"):
        load_model(pendulum_run)


@pytest.mark.parametrize(
    ("key", "value"),
    [("noise_floor", None), ("noise_floor", True), ("state_size", "3"), ("prior", 1), ("standardise", 0)],
)
def test_settings_of_a_model_that_are_of_another_kind_are_named(pendulum_run: Path, key: str, value: Any) -> None:
    content = json.loads((pendulum_run / SETTINGS).read_text())
    content["model"]["settings"][key] = value
    (pendulum_run / SETTINGS).write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"settings\.json.*model\.settings"):
        load_model(pendulum_run)
