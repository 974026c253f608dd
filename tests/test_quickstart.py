"""The whole path at a tiny size: that the pieces join, and that a second run goes on from the first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import latentrl.quickstart as module
from latentrl.errors import UserError
from latentrl.quickstart import Plan, QuickstartOptions, main, quickstart

SUMMARY = {"frames_collected", "model", "control", "wall_seconds"}
MODEL = {
    "r2_angle",
    "r2_velocity",
    "r2_velocity_from_velocity_dims",
    "r2_angle_from_position_dims",
    "mse_predict_mean",
    "mse_predict_median",
    "mse_mean_image",
    "mse_reconstruction",
    "test_elbo_per_step",
    "train_seconds",
}


def _tiny(options: QuickstartOptions) -> Plan:
    """The quickstart in seconds; chance stands in for the planner."""
    plan = Plan.of(options)
    return replace(
        plan,
        collect=replace(plan.collect, sequences=8, test_sequences=6, length=6, num_envs=2),
        train=replace(plan.train, steps=20, batch=4, progress=False),
        learn=replace(plan.learn, updates=1, horizon=2),
        policy=replace(plan.policy, episodes=2),
        cem=replace(plan.cem, agent="random", episodes=3),
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> QuickstartOptions:
    """A finished tiny quickstart that was interrupted once, before the policy was learned."""
    options = QuickstartOptions(out=tmp_path_factory.mktemp("quickstart") / "run")
    with pytest.MonkeyPatch.context() as patch:

        def interrupt(_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(module, "learn", interrupt)
        with pytest.raises(KeyboardInterrupt):
            quickstart(options, _tiny(options))
    assert json.loads((options.out / "stages.json").read_text())["finished"] == ["collect", "train"]
    trained = (options.out / "model" / "model.safetensors").stat().st_mtime_ns
    quickstart(options, _tiny(options))
    assert (options.out / "model" / "model.safetensors").stat().st_mtime_ns == trained, "trained a second time"
    return options


def test_summary_has_exactly_the_agreed_keys(finished: QuickstartOptions) -> None:
    summary = json.loads((finished.out / "summary.json").read_text())
    assert set(summary) == SUMMARY and set(summary["model"]) == MODEL
    assert summary["frames_collected"] == (8 + 6) * 6
    assert {name: set(result) for name, result in summary["control"].items()} == {
        "policy": {"episodes", "successes"},
        "cem": {"episodes", "successes"},
    }
    assert summary["control"]["policy"]["episodes"] == 2 and summary["control"]["cem"]["episodes"] == 3
    assert 0 < summary["model"]["train_seconds"] < summary["wall_seconds"]


def test_report_and_picture_are_written(finished: QuickstartOptions) -> None:
    assert "data:image/gif;base64," in (finished.out / "report.html").read_text(encoding="utf-8")
    assert (finished.out / "barrel.png").read_bytes().startswith(b"\x89PNG")
    assert not list(finished.out.rglob("*.partial"))


def test_a_finished_run_is_only_reported_again(
    finished: QuickstartOptions, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json.loads((finished.out / "summary.json").read_text())
    for verb in ("collect", "train", "learn", "evaluate"):
        monkeypatch.delattr(module, verb)
    assert quickstart(finished, _tiny(finished)) == before
    assert capsys.readouterr().out.count("done before") == 5


def test_another_seed_needs_another_folder(finished: QuickstartOptions, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_code:
        main(["--out", str(finished.out), "--seed", "1"])
    assert exit_code.value.code == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_stays(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="something else"):
        quickstart(QuickstartOptions(out=tmp_path, overwrite=overwrite))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_verb_ends_with_figures_places_and_the_next_command(
    finished: QuickstartOptions, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = json.loads((finished.out / "summary.json").read_text())
    monkeypatch.setattr(module, "quickstart", lambda _: summary)
    main(["--out", str(finished.out)])
    last = capsys.readouterr().out.strip().splitlines()
    assert last[-1].startswith("next: python -m latentrl.evaluate --run ")
    assert str(finished.out / "report.html") in last[-2]
    assert any("swing-up, policy: " in line for line in last)


def test_an_interrupted_verb_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "quickstart", interrupt)
    with pytest.raises(SystemExit) as exit_code:
        main(["--out", str(tmp_path), "--seed", "3"])
    assert exit_code.value.code == 130
    assert f"latentrl.quickstart --out {tmp_path} --seed 3" in capsys.readouterr().out
