"""The whole path at a tiny size: that the pieces join, and that a second run goes on from the first."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import gymnasium
import pytest
from gymnasium.error import DependencyNotInstalled
from matplotlib.figure import Figure
from PIL import Image

import latentrl.quickstart as module
from latentrl.envs import TASKS
from latentrl.quickstart import QuickstartOptions, main, plan_of, quickstart
from latentrl.quickstarts import QUICKSTARTS, Plan
from latentrl.support.errors import UserError
from tests.drawn import drawn

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
    plan = plan_of(options)
    assert plan.learn is not None
    policy, cem = (plan.evaluations[agent,] for agent in ("policy", "cem"))
    return replace(
        plan,
        collect=replace(plan.collect, sequences=8, test_sequences=6, length=6, num_envs=2),
        train=replace(plan.train, steps=20, batch=4, progress=False),
        learn=replace(plan.learn, updates=1, horizon=2),
        # A tenth of the task's steps: each is a frame of the film.
        evaluations={
            ("policy",): replace(policy, episodes=2, steps=20),
            ("cem",): replace(cem, agent="random", episodes=3, steps=20),
        },
    )


def _leave_out_page(patch: pytest.MonkeyPatch, options: QuickstartOptions) -> list[Plan]:
    """What is tested ends before the report, whose figures take longest to draw, and other tests see it drawn.

    The plans that a page would have been written of, as they come.
    """
    reported: list[Plan] = []
    kind = QUICKSTARTS[options.env]
    name = next(name for name, showcase in kind.items() if showcase is options.showcase)
    patch.setitem(kind, name, replace(options.showcase, report=lambda plan, *_: reported.append(plan)))
    return reported


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
    assert json.loads((options.folder / "stages.json").read_text())["finished"] == ["collect", "train"]
    trained = (options.folder / "model" / "model.safetensors").stat().st_mtime_ns
    quickstart(options, _tiny(options))
    assert (options.folder / "model" / "model.safetensors").stat().st_mtime_ns == trained, "trained a second time"
    return options


def test_summary_has_exactly_the_agreed_keys(finished: QuickstartOptions) -> None:
    summary = json.loads((finished.folder / "summary.json").read_text())
    assert set(summary) == SUMMARY and set(summary["model"]) == MODEL
    assert summary["frames_collected"] == (8 + 6) * 6
    assert {name: set(result) for name, result in summary["control"].items()} == {
        "policy": {"episodes", "successes"},
        "cem": {"episodes", "successes"},
    }
    assert summary["control"]["policy"]["episodes"] == 2 and summary["control"]["cem"]["episodes"] == 3
    assert 0 < summary["model"]["train_seconds"] < summary["wall_seconds"]


def test_report_and_picture_are_written(finished: QuickstartOptions) -> None:
    assert "data:image/gif;base64," in (finished.folder / "report.html").read_text(encoding="utf-8")
    assert (finished.folder / "barrel.png").read_bytes().startswith(b"\x89PNG")
    assert not list(finished.folder.rglob("*.partial"))


def test_a_finished_run_is_only_reported_again(
    finished: QuickstartOptions, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json.loads((finished.folder / "summary.json").read_text())
    for verb in ("collect", "train", "learn", "evaluate"):
        monkeypatch.delattr(module, verb)
    reported = _leave_out_page(monkeypatch, finished)
    assert quickstart(finished, _tiny(finished)) == before
    assert len(reported) == 1
    assert capsys.readouterr().out.count("done before") == 5


@pytest.fixture
def trained(finished: QuickstartOptions, tmp_path: Path) -> QuickstartOptions:
    """A quickstart that has a model, and nothing done with it yet."""
    out = tmp_path / "run"
    shutil.copytree(finished.folder, out)
    stages = json.loads((out / "stages.json").read_text())
    (out / "stages.json").write_text(json.dumps({**stages, "finished": ["collect", "train"]}))
    for path in (out / "model").glob("*"):
        if path.name.startswith("evaluation"):
            path.unlink()
        elif path.name.startswith("policy"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return replace(finished, out=out)


def _judged(options: QuickstartOptions) -> dict[str, object]:
    """What the planner's evaluation found."""
    stem = _tiny(options).stem(("cem",))
    found = json.loads(stem.with_suffix(".json").read_text())
    return {name: found[name] for name in ("episodes", "successes", "measures")}


def test_with_two_processes_the_planner_acts_while_the_policy_is_learned(
    finished: QuickstartOptions,
    trained: QuickstartOptions,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _leave_out_page(monkeypatch, trained)
    quickstart(trained, _tiny(trained), processes=2)
    said = capsys.readouterr().out
    assert "[5/5] evaluate the planner (begun meanwhile)" in said and "random" in said.split("[5/5]")[1]
    assert "next: " not in said
    assert _judged(trained) == _judged(finished)
    stages = json.loads((trained.folder / "stages.json").read_text())["finished"]
    assert stages == ["collect", "train", "learn", "evaluate the policy", "evaluate the planner"]


def test_what_goes_wrong_beside_is_done_here(
    finished: QuickstartOptions,
    trained: QuickstartOptions,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Died:
        def __init__(self, work: object) -> None:
            pass

        def __enter__(self) -> Died:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def said(self) -> None:
            return None

    monkeypatch.setattr(module, "Beside", Died)
    _leave_out_page(monkeypatch, trained)
    quickstart(trained, _tiny(trained), processes=8)
    assert _judged(trained) == _judged(finished)


def test_another_seed_needs_another_folder(finished: QuickstartOptions, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_code:
        main(["--out", str(finished.folder), "--seed", "1"])
    assert exit_code.value.code == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_stays(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="something else"):
        quickstart(QuickstartOptions(out=tmp_path, overwrite=overwrite))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_a_kill_leaves_is_no_dead_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The half of the first file; a folder that was being replaced: it is told apart, and can be replaced."""
    monkeypatch.setattr(module, "_check_camera", lambda _: None)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "collect", killed)
    out = tmp_path / "half"
    out.mkdir()
    (out / "stages.json.partial").write_text("{")
    with pytest.raises(KeyboardInterrupt):
        quickstart(QuickstartOptions(out=out))
    (out / "model").mkdir()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("latentrl.quickstart.shutil.rmtree", killed)
        quickstart(QuickstartOptions(out=out, overwrite=True))
    assert (out / "model").exists()
    with pytest.raises(UserError, match="give --overwrite to start afresh"):
        quickstart(QuickstartOptions(out=out))
    with pytest.raises(KeyboardInterrupt):
        quickstart(QuickstartOptions(out=out, overwrite=True))
    assert [path.name for path in out.iterdir()] == ["stages.json"]


def test_the_verb_ends_with_figures_places_and_the_next_command(
    finished: QuickstartOptions, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = json.loads((finished.folder / "summary.json").read_text())
    monkeypatch.setattr(module, "quickstart", lambda _, processes: summary)
    main(["--out", str(finished.folder)])
    last = capsys.readouterr().out.strip().splitlines()
    assert last[-1].startswith("next: python -m latentrl.evaluate --run ")
    assert str(finished.folder / "report.html") in last[-2]
    assert any("swing-up, policy: " in line for line in last)


def test_an_interrupted_verb_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object, processes: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "quickstart", interrupt)
    with pytest.raises(SystemExit) as exit_code:
        main(["--out", str(tmp_path), "--seed", "3"])
    assert exit_code.value.code == 130
    assert f"latentrl.quickstart --out {tmp_path} --seed 3" in capsys.readouterr().out


# The reacher


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages whose figures are drawn with few pixels and laid out by nobody: other tests look at them."""

    def few_pixels(figure: Figure) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(drawn(figure, dpi=20)).save(buffer, "PNG")
        return buffer.getvalue()

    monkeypatch.setattr("latentrl.figures.report.to_png", few_pixels)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reacher's tasks, a few steps long."""
    for name in ("reach", "reach-ahead"):
        monkeypatch.setitem(TASKS, name, replace(TASKS[name], steps=3))


def _tiny_arm(options: QuickstartOptions, length: int) -> Plan:
    """The reacher's quickstart in seconds; chance stands in for the planner."""
    plan = plan_of(options)
    assert plan.learn is not None
    return replace(
        plan,
        collect=replace(plan.collect, sequences=4, test_sequences=3, length=length, processes=1),
        train=replace(plan.train, steps=20, batch=2, progress=False),
        learn=replace(plan.learn, updates=1, horizon=2),
        evaluations={
            key: replace(evaluation, episodes=2, agent="random" if key[-1] == "cem" else evaluation.agent)
            for key, evaluation in plan.evaluations.items()
        },
    )


def test_the_reacher_from_angles(
    brief: None,
    coarse: None,
    reacher_camera: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = QuickstartOptions(env="reacher", out=tmp_path / "arm")
    # One step more than the goals lie ahead.
    summary = quickstart(options, _tiny_arm(options, 27))
    assert set(summary) == SUMMARY and summary["frames_collected"] == (4 + 3) * 27
    assert "mse_mean_observation" in summary["model"] and "mse_mean_image" not in summary["model"]
    assert {task: set(results) for task, results in summary["control"].items()} == {
        "reach": {"policy", "cem"},
        "reach-ahead": {"policy", "cem"},
    }
    reached, ahead = (summary["control"][task]["policy"] for task in ("reach", "reach-ahead"))
    assert set(reached) == {"episodes", "successes", "shoulder_error", "wrist_error", "seconds_to_goal"}
    assert set(ahead) == {"episodes", "successes", "seconds_to_goal"} and ahead["episodes"] == 2
    report = (options.folder / "report.html").read_text(encoding="utf-8")
    assert "data:image/gif;base64," in report and "joint angles" in report
    assert json.loads((options.folder / "stages.json").read_text())["identity"] == {"seed": 0, "environment": "reacher"}
    said = capsys.readouterr().out
    assert "[7/7] evaluate the planner: reach-ahead" in said
    # Again: nothing is left to do. The same folder is no other environment's.
    _leave_out_page(monkeypatch, options)
    assert quickstart(options, _tiny_arm(options, 27)) == summary
    with pytest.raises(UserError, match=r"reacher.*--overwrite"):
        quickstart(replace(options, env="pendulum"))


def test_the_reacher_from_pictures_without_a_policy(
    brief: None, coarse: None, reacher_camera: None, tmp_path: Path
) -> None:
    options = QuickstartOptions(env="reacher", observation="pixels", out=tmp_path / "arm")
    plan = _tiny_arm(options, 6).without_policy()
    plan = replace(plan, evaluations={key: chosen for key, chosen in plan.evaluations.items() if key[0] == "reach"})
    summary = quickstart(options, plan)
    assert summary["control"].keys() == {"reach"} and summary["control"]["reach"].keys() == {"cem"}
    assert "mse_mean_image" in summary["model"]
    assert json.loads((options.folder / "stages.json").read_text())["finished"] == [
        "collect",
        "train",
        "evaluate the planner: reach",
    ]
    assert "64×64 pictures" in (options.folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "cartpole"], "--env cartpole: choose one of pendulum, reacher"),
        (["--observation", "angles"], "--observation angles: of --env pendulum only pixels"),
    ],
)
def test_what_is_not_there_is_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_code:
        main(arguments)
    assert exit_code.value.code == 2 and message in capsys.readouterr().err


def test_every_quickstart_keeps_to_its_folder_and_seed(tmp_path: Path) -> None:
    names = set()
    for env, observed in QUICKSTARTS.items():
        for observation in observed:
            options = QuickstartOptions(env=env, observation=observation, out=tmp_path, seed=3)
            names.add(options.showcase.name)
            plan = plan_of(options)
            assert plan.learn is not None
            runs = {plan.train.folder, plan.learn.run, *(chosen.run for chosen in plan.evaluations.values())}
            assert plan.train.data == plan.collect.folder and len(runs) == 1
            assert all(tmp_path in folder.parents for folder in (plan.collect.folder, plan.train.folder))
            seeds = {plan.collect.seed, plan.train.seed, plan.learn.seed}
            assert seeds | {chosen.seed for chosen in plan.evaluations.values()} == {3}
            assert plan.film.suffix == ".gif"
    assert names == {"pendulum", "reacher", "reacher-pixels"}


def test_an_interrupted_reacher_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object, processes: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "quickstart", interrupt)
    with pytest.raises(SystemExit):
        main(["--env", "reacher", "--observation", "pixels", "--out", str(tmp_path)])
    command = f"latentrl.quickstart --env reacher --observation pixels --out {tmp_path} --seed 0"
    assert command in capsys.readouterr().out


def test_a_missing_camera_is_found_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: object, **kwargs: object) -> None:
        raise DependencyNotInstalled("no OpenGL:\n install it")

    monkeypatch.setattr(gymnasium, "make_vec", missing)
    with pytest.raises(UserError, match="--env reacher: no OpenGL: install it"):
        quickstart(QuickstartOptions(env="reacher", out=tmp_path / "arm"))
    assert [path.name for path in (tmp_path / "arm").iterdir()] == ["stages.json"]
