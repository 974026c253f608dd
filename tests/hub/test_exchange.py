"""A run goes to the hub and comes back; the hub is a stand-in on loopback, and no token leaves a header."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from latentrl.agents.policies import MLPPolicy, save_policy
from latentrl.evaluation.loading import load_agent
from latentrl.hub.files import NOTE, stale, to_send
from latentrl.pull import PullOptions, pull
from latentrl.push import PushOptions, push
from latentrl.runs.evaluated import EVALUATED, acted
from latentrl.runs.folder import load_settings
from latentrl.shipped.copies import copy
from latentrl.shipped.entries import entry_of
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from tests.hub_stand_in import TOKEN, Hub, serving

pytest.importorskip("huggingface_hub")

REPO = "somebody/swing"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serving() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.endpoint)
        # The library reads the variable once, when it is imported.
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", found.endpoint)
        template = found.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        # Large files go as in Git LFS: the stand-in does not speak the hub's newer protocol, which the library prefers.
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.chdir(tmp_path)
        yield found


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_run_goes_and_comes_back(
    hub: Hub, pendulum_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pendulum_run / "metrics.json").write_text('{"r2_angle": 0.998}')
    (pendulum_run / "notes.txt").write_text("mine")
    before = contents(pendulum_run)
    revision = push(PushOptions(pendulum_run, REPO))
    assert revision == hub.newest(REPO) and hub.private[REPO] and contents(pendulum_run) == before
    sent = hub.commits[REPO][revision]
    names = {"settings.json", "model.safetensors", "velocity.json", "metrics.json", "goal.png", "README.md"}
    policies = {f"policy{kind}.{end}" for kind in ("", "-spin") for end in ("json", "safetensors")}
    assert sent.keys() == names | policies | {".gitattributes"}
    card = sent["README.md"].decode()
    assert card.startswith("---\nlibrary_name: latentrl\n") and "| r2_angle | 0.998 |" in card
    assert f"latentrl pull {REPO}" in card
    assert str(tmp_path) not in "".join(content.decode("latin-1") for content in sent.values())

    folder = pull(PullOptions(REPO))
    assert folder == Path("runs/swing")
    told = capsys.readouterr()
    assert f"--revision {revision}" in told.out and TOKEN not in told.out + told.err
    came = contents(folder)
    note = json.loads(came.pop(NOTE))
    assert came == {name: content for name, content in sent.items() if name != ".gitattributes"}
    assert (note["repo"], note["revision"]) == (REPO, revision)
    assert came["model.safetensors"] == before["model.safetensors"]
    # The goal came with it: nothing else is needed to act.
    observation = load_agent(pendulum_run).model.spec.observation_shape  # type: ignore[attr-defined]
    assert load_agent(folder).model.spec.observation_shape == observation  # type: ignore[attr-defined]
    # The token was in headers alone.
    assert not any(TOKEN.encode() in body for body in hub.bodies)
    assert not any(TOKEN.encode() in content for content in contents(tmp_path).values())


def test_a_revision_is_that_and_nothing_later(hub: Hub, pendulum_run: Path) -> None:
    first = push(PushOptions(pendulum_run, REPO))
    hub.commit(REPO, {"metrics.json": b'{"r2_angle": 0.5}'})
    old = pull(PullOptions(REPO, revision=first, out=Path("old")))
    new = pull(PullOptions(REPO, out=Path("new")))
    assert not (old / "metrics.json").exists() and (new / "metrics.json").exists()
    for wrong, problem in (("main", "all 40 digits"), (first[:12] if first else "", "all 40"), ("0" * 40, "no such")):
        with pytest.raises(UserError, match=problem):
            pull(PullOptions(REPO, revision=wrong, out=Path("other")))
    with pytest.raises(UserError, match="exists already"):
        pull(PullOptions(REPO, out=Path("old")))
    assert sorted(os.listdir()) == ["data", "new", "old", "run"]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"evil.py": b"print()"}, "'evil.py', which is no file of a run"),
        ({"policy.pkl": b"cos\nsystem\n."}, r"'policy\.pkl'"),
        ({"../settings.json": b"{}"}, r"'\.\./settings\.json'"),
        ({"sub/model.safetensors": b""}, "'sub/model.safetensors'"),
        ({"model.safetensors": b"\x08\0\0\0\0\0\0\0{}      "}, "does not fit"),
        ({"settings.json": b"[1]"}, "settings.json is damaged"),
        ({"metrics.json": b"{"}, "metrics.json is damaged"),
        ({"policy.safetensors": b"no"}, "do not belong together"),
        ({"goal.png": b"no picture"}, "cannot be read as a picture"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_no_run_does_not_arrive(hub: Hub, pendulum_run: Path, files: dict[str, bytes], problem: str) -> None:
    push(PushOptions(pendulum_run, REPO))
    hub.commit(REPO, files)
    before = contents(Path())
    with pytest.raises(UserError, match=problem):
        pull(PullOptions(REPO))
    assert contents(Path()) == before and not list(Path("runs").glob(".*"))


@pytest.mark.parametrize("name", ["settings.json", "model.safetensors"])
def test_what_the_commit_does_not_hold_is_refused(hub: Hub, pendulum_run: Path, name: str) -> None:
    """Somebody between here and the hub changes a byte."""
    push(PushOptions(pendulum_run, REPO))
    content = hub.commits[REPO][hub.newest(REPO)][name]
    hub.served[name] = content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]
    with pytest.raises(UserError, match=f"{name} is not what commit"):
        pull(PullOptions(REPO))
    assert not Path("runs").exists()


def test_a_link_in_a_folder_is_not_sent(hub: Hub, pendulum_run: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"private": 1}')
    (pendulum_run / "metrics.json").symlink_to(secret)
    with pytest.raises(UserError, match="is a link"):
        push(PushOptions(pendulum_run, REPO))
    assert not hub.commits


def test_who_may_not_is_told_how_to_log_in(hub: Hub, pendulum_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(PushOptions(pendulum_run, REPO))
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(UserError, match=r"hf auth login") as refused:
        push(PushOptions(pendulum_run, "somebody/else"))
    assert "hf_another" not in str(refused.value)
    with pytest.raises(UserError, match="no such repository, or it is not yours"):
        pull(PullOptions(REPO))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="is the network there"):
        pull(PullOptions(REPO))


def test_figures_of_another_policy_are_not_sent(
    hub: Hub, pendulum_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who learns anew keeps the evaluations of before in the folder; they would be sent as the new policy's."""
    figures = {"agent": "policy", "task": "t", "episodes": 50, "successes": 50, "wilson_95": [0.929, 1.0]}
    for name in ("policy", "policy-spin"):
        write_json(
            pendulum_run / f"evaluation_{name}.json",
            {**figures, "agent": name, EVALUATED: acted(pendulum_run, pendulum_run / f"{name}.safetensors")},
        )
    write_json(pendulum_run / "evaluation_cem.json", {**figures, "agent": "cem", EVALUATED: acted(pendulum_run, None)})
    write_json(pendulum_run / "evaluation_old.json", {**figures, "agent": "old"})
    limit = torch.tensor([1.0])
    save_policy(MLPPolicy(-limit, limit, torch.zeros(3), torch.ones(3), (4,)), pendulum_run, {"goal": "goal.png"})
    push(PushOptions(pendulum_run, REPO))
    sent = hub.commits[REPO][hub.newest(REPO)]
    said = capsys.readouterr().out
    assert {name for name in sent if name.startswith("eval")} == {"evaluation_policy-spin.json", "evaluation_cem.json"}
    assert "| policy |" not in sent["README.md"].decode() and "| policy-spin |" in sent["README.md"].decode()
    assert "evaluation_policy.json: not sent: it tells of another policy.safetensors than this one" in said
    assert "evaluation_old.json: not sent: it does not say which weights" in said


def test_a_shipped_runs_entry_goes_with_its_own_policy_alone(tmp_path: Path) -> None:
    copy(entry_of("pendulum"), tmp_path / "run")
    assert stale(to_send(tmp_path / "run")) == {}
    (tmp_path / "run" / "policy.safetensors").write_bytes(b"another")
    assert stale(to_send(tmp_path / "run")) == {"entry.json": "tells of another policy.safetensors than this one"}


@pytest.mark.parametrize("repo", ["swing", "a/b/c", "../swing", "a/..", "a b/c", "-a/b"])
def test_a_repository_is_a_user_and_a_name(hub: Hub, pendulum_run: Path, repo: str) -> None:
    with pytest.raises(UserError, match="give user/name"):
        push(PushOptions(pendulum_run, repo))
    with pytest.raises(UserError, match="give user/name"):
        pull(PullOptions(repo))


def test_a_dry_run_sends_nothing(hub: Hub, pendulum_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert push(PushOptions(pendulum_run, REPO, dry_run=True)) is None
    assert "library_name: latentrl" in capsys.readouterr().out and not hub.bodies
    assert load_settings(pendulum_run)["options"]["data"].startswith("/")
