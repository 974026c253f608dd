"""The suite's chains on disk, its processes, figures and page; small scripts play a system's commands."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from latentrl.numerics.statistics import nested_interval
from latentrl.studies.suite.chain import Chain, lacking
from latentrl.studies.suite.commands import steps_of, with_options
from latentrl.studies.suite.outcome import merged, outcome_of, seed_outcome
from latentrl.studies.suite.page import agent_cell, page, r2_cell
from latentrl.studies.suite.report import write_pages
from latentrl.studies.suite.running import left_of, measured_seconds, run_suite
from latentrl.studies.systems.base import Evaluation, System
from latentrl.support.errors import UserError

ONE = Evaluation("one", "a task", (), "return", 5.0)
SYSTEM = System("toy", "A toy", record=("--env", "x"), evaluations=(ONE,))
WRITE = (
    "import pathlib; p = pathlib.Path({path!r}); p.parent.mkdir(parents=True, exist_ok=True); p.write_text({text!r})"
)


def script(path: str, content: Any, before: str = "") -> tuple[str, ...]:
    """Words of a step that writes a file, after ``before``, and a word into its log."""
    return ("-c", f"print('begun', flush=True)\n{before}\n{WRITE.format(path=path, text=json.dumps(content))}")


METADATA = {"splits": {"train": {"sequences": 3, "length": 5}, "test": {"sequences": 1, "length": 5}}}
COORDINATES = {"coordinates": [{"name": "angle"}, {"name": "speed"}]}
FIGURES = {"r2_angle": 0.9, "r2_speed": 0.5, "r2_speed_neighbours": 0.7, "train_seconds": 120.0}
METRICS = {**FIGURES, "warnings": ["it folded"]}


def judged(*returns: float) -> dict[str, Any]:
    return {"measures": {"return": {"median": 0.0, "per_episode": list(returns)}}, "success": None}


def chain_of(folder: Path, **words: tuple[str, ...]) -> Chain:
    """A chain whose steps take no time; ``words`` replace those of some of them, by verb or by agent."""
    train = (
        "import json, pathlib; run = pathlib.Path('<run>'); run.mkdir(exist_ok=True)\n"
        f"(run / 'metrics.json').write_text({json.dumps(METRICS)!r}); (run / 'settings.json').write_text('{{}}')"
    )
    found = {
        "collect": script("<data>/metadata.json", {**METADATA, **COORDINATES}),
        "train": script("<run>/model.safetensors", 0, train),
        "learn": script("<run>/policy.safetensors", 0),
        "policy": script("<run>/evaluation_policy.json", judged(4.0, 8.0)),
        "cem": script("<run>/evaluation_cem.json", judged(1.0, 2.0)),
        "random": script("<run>/evaluation_random.json", judged(0.0, 0.0)),
        **words,
    }
    steps = tuple(replace(step, words=found[step.name.split()[-1]]) for step in steps_of(SYSTEM, 0))
    return Chain(SYSTEM, 0, folder / "toy" / "seed0", steps)


def run(chain: Chain, retry: bool = False) -> dict[str, str]:
    run_suite([chain], chain.folder.parents[1], 2, retry)
    return dict(chain.states())


def logged(chain: Chain) -> dict[str, float]:
    """When each step last wrote its log: it is opened whenever a step starts."""
    return {path.name: path.stat().st_mtime_ns for path in (chain.folder / "logs").iterdir()}


# -- chains ------------------------------------------------------------------------------------------------------------


def test_a_chain_goes_to_its_end_once(tmp_path: Path) -> None:
    chain = chain_of(tmp_path)
    assert [step.name for step in chain.open_steps()] == [step.name for step in chain.steps]
    assert set(run(chain).values()) == {"finished"}
    before = logged(chain)
    assert set(run(chain).values()) == {"finished"} and logged(chain) == before
    assert chain.next_step() is None and left_of([chain], 1) == 0
    assert measured_seconds([chain]).keys() == {("toy", verb) for verb in ("collect", "train", "learn", "evaluate")}


def test_a_failure_stops_what_needs_it_alone(tmp_path: Path) -> None:
    broken = ("-c", "import sys; print('error: no such goal', file=sys.stderr); sys.exit(2)")
    chain = chain_of(tmp_path, learn=broken)
    states = run(chain)
    assert states["learn"] == "failed" and states["evaluate one policy"] == "blocked"
    assert states["evaluate one cem"] == states["evaluate one random"] == "finished"
    assert seed_outcome(chain)["steps"]["learn"]["reason"] == "no such goal"
    before = logged(chain)
    assert run(chain)["learn"] == "failed" and logged(chain) == before, "what failed stays failed"
    assert run(chain, retry=True)["learn"] == "failed" and logged(chain) != before
    # Its words corrected, it is done, and so is what it had kept from being done.
    assert set(run(chain_of(tmp_path)).values()) == {"finished"}


@pytest.mark.parametrize("at", ["collect", "train", "learn", "cem"])
def test_what_was_interrupted_goes_on(tmp_path: Path, at: str) -> None:
    """Stopped once in any step, as by Ctrl-C: the next call does that step and those behind it, no other."""
    words = next(step for step in chain_of(tmp_path).steps if step.name.split()[-1] == at).words
    flag = tmp_path / "stopped"
    stop = f"import pathlib, sys; f = pathlib.Path({str(flag)!r})\nif not f.exists(): f.touch(); sys.exit(130)\n"
    chain = chain_of(tmp_path, **{at: ("-c", stop + words[1])})
    states = run(chain)
    done = [name for name, state in states.items() if state == "finished"]
    assert states[next(name for name in states if name.split()[-1] == at)] == "interrupted"
    before = logged(chain)
    assert set(run(chain).values()) == {"finished"}
    after = logged(chain)
    assert all(after[f"{name.replace(' ', '_')}.log"] == before[f"{name.replace(' ', '_')}.log"] for name in done)


def test_a_step_that_was_killed_right_after_its_end_counts(tmp_path: Path) -> None:
    chain = chain_of(tmp_path)
    run(chain)
    for name in ("collect", "learn", "evaluate one cem"):
        chain.note(chain.step(name), "running", None, 1.0)
    assert set(chain.states().values()) == {"finished"}


def test_a_training_goes_on_with_resume(tmp_path: Path) -> None:
    chain = chain_of(tmp_path)
    assert chain.command(chain.step("train"))[0] == "-c"
    (chain.place.run).mkdir(parents=True)
    (chain.place.run / "settings.json").write_text("{}")
    assert chain.command(chain.step("train"))[2:] == ("--run", str(chain.place.run), "--resume")


def test_what_takes_long_is_not_made_otherwise_in_its_place(tmp_path: Path) -> None:
    run(chain_of(tmp_path))
    other = script("<data>/metadata.json", METADATA)
    with pytest.raises(UserError, match=r"(?s)its collect was made with .* another --out"):
        run(chain_of(tmp_path, collect=other))
    # An evaluation that is said otherwise is done again, and a policy's anew after another learning.
    changed = chain_of(tmp_path, cem=script("<run>/evaluation_cem.json", judged(7.0)))
    assert run(changed)["evaluate one cem"] == "finished"
    assert seed_outcome(changed)["evaluations"]["one"]["cem"]["return"] == [7.0]
    before = logged(changed)
    again = chain_of(tmp_path, learn=script("<run>/policy.safetensors", 1), cem=changed.steps[-2].words)
    run(again)
    newer = {name for name, time in logged(again).items() if time != before[name]}
    assert newer == {"learn.log", "evaluate_one_policy.log"}


def test_what_the_suite_did_not_make_stays(tmp_path: Path) -> None:
    chain = chain_of(tmp_path)
    chain.place.data.mkdir(parents=True)
    (chain.place.data / "metadata.json").write_text("{}")
    with pytest.raises(UserError, match="was not made by this command"):
        run(chain)


def test_an_evaluation_without_figures_has_failed(tmp_path: Path) -> None:
    states = run(chain_of(tmp_path, cem=("-c", "")))
    assert states["evaluate one cem"] == "failed" and states["evaluate one random"] == "finished"


def test_what_is_not_installed_is_left_out(tmp_path: Path) -> None:
    system = replace(SYSTEM, needs=("json", "no_such_module", "no_such_package.part"), install="pip install it")
    assert lacking(system) == "no_such_module, no_such_package.part is missing: pip install it"
    chain = replace(chain_of(tmp_path), system=system)
    assert set(run(chain).values()) == {"waiting"}
    text = page({"toy": system}, outcome_of([chain]), "suite")
    assert "not run here: no_such_module" in text and "not run yet" in text


# -- commands ----------------------------------------------------------------------------------------------------------


def test_options_take_the_place_of_those_that_are_there() -> None:
    assert with_options(("--a", "1", "--b", "2"), ("--b", "3", "--c", "4")) == ("--a", "1", "--b", "3", "--c", "4")


def test_seeds_differ_by_their_seed_alone() -> None:
    zero, one = steps_of(SYSTEM, 0), steps_of(SYSTEM, 1)
    assert [step.name for step in zero] == [step.name for step in one]
    for first, second in zip(zero, one, strict=True):
        at = first.words.index("--seed")
        assert (first.words[:at], first.words[at + 1]) == (second.words[:at], "0") and second.words[at + 1] == "1"


def test_a_policy_is_judged_after_it_is_learned_and_others_without_it() -> None:
    after = {step.name: step.after for step in steps_of(SYSTEM, 0)}
    assert after["evaluate one policy"] == ("learn",) and after["evaluate one cem"] == ("train",)
    without = steps_of(replace(SYSTEM, agents=("cem", "random")), 0)
    assert "learn" not in {step.name for step in without}


# -- figures and page --------------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_files(tmp_path: Path) -> None:
    chain = chain_of(tmp_path)
    run(chain)
    found = seed_outcome(chain)
    assert found["frames"] == 20 and found["train_seconds"] == 120.0 and found["warnings"] == ["it folded"]
    assert found["r2"] == {"angle": 0.9, "speed": 0.5}
    assert found["evaluations"]["one"]["policy"] == {"return": [4.0, 8.0]}


def cells(text: str) -> list[list[str]]:
    """The rows of the first table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_shows_what_is_reached_and_what_is_not(tmp_path: Path) -> None:
    chain = chain_of(tmp_path)
    run(chain)
    systems = {"toy": SYSTEM, "other": replace(SYSTEM, name="other", title="Another")}
    rows = cells(page(systems, outcome_of([chain]), "suite"))
    interval = nested_interval([[4.0, 8.0]])
    assert rows[2][2:6] == ["≥ 5", f"**6 [{interval.low:.3g}, {interval.high:.3g}]**", "1.5 [1, 2]", "0 [0, 0]"]
    assert rows[2][6:9] == ["angle 0.900<br>speed 0.500", "2", "1"]
    assert rows[3][3] == "not run yet" and rows[3][8] == "0 of 1"
    assert "- warning: A toy, seed 0: it folded" in page(systems, outcome_of([chain]), "suite")


def test_the_page_names_failures_and_what_they_kept_from_being_done(tmp_path: Path) -> None:
    chain = chain_of(tmp_path, learn=("-c", "raise SystemExit('error: it broke')"))
    run(chain)
    text = page({"toy": SYSTEM}, outcome_of([chain]), "suite")
    assert "- **failed**: A toy, seed 0, learn: it broke" in text
    assert "not done, for what it needs has failed: A toy, seed 0: evaluate one policy" in text
    assert cells(text)[2][3] == "–" and cells(text)[2][4] == "1.5 [1, 2]"


def test_a_page_of_stored_figures_is_the_same(tmp_path: Path) -> None:
    chain = chain_of(tmp_path)
    run(chain)
    found = outcome_of([chain])
    again = page({"toy": SYSTEM}, json.loads(json.dumps(found)), "suite")
    assert page({"toy": SYSTEM}, found, "suite") == again
    assert str(tmp_path) not in again


def test_a_target_is_met_by_the_mean_over_seeds() -> None:
    assert agent_cell(ONE, [{"return": [9.0, 9.0]}, {"return": [0.9, 0.9]}]).startswith("4.95 [")
    assert agent_cell(ONE, [{"return": [9.0, 9.0]}, {"return": [1.0, 1.0]}]).startswith("**5 [")
    rate = replace(ONE, score="successes", target=0.75)
    assert agent_cell(rate, [{"success": [True, True]}, {"success": [True, False]}]).startswith("**3 of 4 [0.30, 0.95]")
    assert agent_cell(rate, [{"success": [True, False]}]).startswith("1 of 2")
    assert agent_cell(rate, [None]) == "–"


def test_r2_of_several_seeds_has_its_range() -> None:
    assert r2_cell([{"r2": {"a": 0.5}}, {"r2": {"a": 0.7}}]) == "a 0.600 [0.500, 0.700]"
    assert r2_cell([{"r2": {"a": None}}]) == "a –"


def seed_of(number: int, done: int = 1, *words: str) -> dict[str, Any]:
    """A seed with two steps, of which so many are done."""
    states = ["finished"] * done + ["waiting"] * (2 - done)
    told = {"words": [*words, "--seed", str(number)]} if words else {}
    return {"seed": number, "steps": {name: {"state": state, **told} for name, state in zip("ab", states, strict=True)}}


def test_publishing_keeps_systems_and_seeds_that_were_not_run() -> None:
    before = {"systems": {"a": [seed_of(1)], "b": [seed_of(0), seed_of(2)]}}
    whole, gone = merged(before, {"systems": {"b": [seed_of(1), seed_of(2, 2)]}, "lacking": {}})
    assert whole["systems"] == {"a": [seed_of(1)], "b": [seed_of(0), seed_of(1), seed_of(2, 2)]}
    assert not gone


def test_publishing_keeps_what_was_done_to_the_end() -> None:
    whole, _ = merged({"systems": {"a": [seed_of(0, 2)]}}, {"systems": {"a": [seed_of(0, 1)]}})
    assert whole["systems"] == {"a": [seed_of(0, 2)]}


def test_publishing_mixes_no_two_experiments() -> None:
    before = {"systems": {"a": [seed_of(0, 2, "--steps", "4"), seed_of(2, 2, "--steps", "5")]}}
    whole, gone = merged(before, {"systems": {"a": [seed_of(1, 1, "--steps", "5")]}})
    assert [seed["seed"] for seed in whole["systems"]["a"]] == [1, 2]
    assert gone == ["a/seed0"]


def test_publishing_adds_seeds_of_a_system_whose_script_has_the_seed_within_it(tmp_path: Path) -> None:
    system = replace(SYSTEM, log="print(SEED)")
    seeds = [seed_outcome(Chain.of(system, number, tmp_path)) for number in (0, 1)]
    whole, gone = merged({"systems": {"toy": seeds[:1]}}, {"systems": {"toy": seeds[1:]}})
    assert [seed["seed"] for seed in whole["systems"]["toy"]] == [0, 1]
    assert not gone
    other = seed_outcome(Chain.of(replace(system, log="print(SEED, 5)"), 1, tmp_path))
    assert merged({"systems": {"toy": seeds[:1]}}, {"systems": {"toy": [other]}})[1] == ["toy/seed0"]


def test_publishing_keeps_the_versions_that_seeds_were_made_with() -> None:
    now = {"systems": {"a": [{**seed_of(1), "environment": {"torch": "3"}}]}, "environment": {"torch": "4"}}
    before = {"systems": {"a": [seed_of(0)]}, "environment": {"torch": "2"}}
    whole, _ = merged(before, now)
    assert whole["environment"] == {"torch": "2"}, "it is all that is known of seed 0"
    assert [seed.get("environment") for seed in whole["systems"]["a"]] == [None, {"torch": "3"}]
    again = {"systems": {"a": [{**seed_of(0), "environment": {"torch": "3"}}]}, "environment": {"torch": "4"}}
    assert merged(whole, again)[0]["environment"] == {"torch": "4"}, "each tells its own by now"


def test_of_a_seed_that_was_published_twice_what_came_further_stays() -> None:
    before = {"systems": {"a": [seed_of(0, 2), seed_of(0, 1)]}}
    assert merged(before, {"systems": {"a": [seed_of(1)]}})[0]["systems"] == {"a": [seed_of(0, 2), seed_of(1)]}


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"systems": []},
        {"systems": {"a": None}},
        {"systems": {"a": {"0": seed_of(0)}}},
        {"systems": {"a": [{"seed": "0", "steps": {}}]}},
        {"systems": {"a": [{"seed": 0, "steps": {"train": {}}}]}},
    ],
)
def test_a_published_file_that_is_damaged_is_named(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "suite.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=re.escape(f"{path} is damaged")):
        write_pages("suite", {"systems": {"a": [seed_of(1)]}}, str, tmp_path / "out", tmp_path)
    assert json.loads(path.read_text()) == content


def test_what_is_published_goes_on_from_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = tmp_path / "published"
    for number in (0, 1):
        found = {"systems": {"a": [seed_of(number, 2, "x")]}}
        write_pages("suite", found, lambda found: str(found), tmp_path / str(number), published)
    assert [seed["seed"] for seed in json.loads((published / "suite.json").read_text())["systems"]["a"]] == [0, 1]
    write_pages("suite", {"systems": {"a": [seed_of(0, 2, "y")]}}, lambda found: str(found), tmp_path, published)
    assert "a/seed1 was made with other commands" in capsys.readouterr().out


def test_seeds_whose_commands_are_not_known_stay_and_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = tmp_path / "published"
    for found in ({"a": [seed_of(0, 2)], "b": [seed_of(0, 2)]}, {"a": [seed_of(1, 2, "x")]}):
        capsys.readouterr()
        write_pages("suite", {"systems": found}, str, tmp_path, published)
    said = capsys.readouterr().out
    assert said.count("was published before commands were kept") == 1 and "a/seed0" in said
    assert [seed["seed"] for seed in json.loads((published / "suite.json").read_text())["systems"]["a"]] == [0, 1]


def test_the_published_page_is_that_of_the_published_figures() -> None:
    """docs/results/systems.md shows nothing that the file beside it does not hold."""
    from latentrl.studies.systems import SYSTEMS

    folder = Path(__file__).resolve().parents[2] / "docs" / "results"
    text = (folder / "systems.md").read_text(encoding="utf-8")
    command = re.search(r"^`([^`]+)` makes this page", text, re.M)
    assert command is not None
    assert page(SYSTEMS, json.loads((folder / "systems.json").read_text(encoding="utf-8")), command[1]) == text


def test_planners_alone_are_told_how_far_to_look() -> None:
    words = {step.name: step.words for step in steps_of(replace(SYSTEM, planning=("--horizon", "1.5s")), 0)}
    plain = {step.name: step.words for step in steps_of(SYSTEM, 0)}
    changed = {name for name in words if words[name] != plain[name]}
    assert changed == {"evaluate one cem"}
    found = words["evaluate one cem"]
    assert found[found.index("--horizon") + 1] == "1.5s"
