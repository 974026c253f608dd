"""Write a run's filter and policy as graphs that run where neither latentrl nor PyTorch is installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import tyro
from torch import Tensor

from latentrl.agents import LatentAgent, PolicyController
from latentrl.agents.bounds import ActionBounds
from latentrl.agents.policies import read_policy
from latentrl.data_collection.folders import complete_folder
from latentrl.evaluation.loading import load_agent
from latentrl.exporting.folder import ABOUT, check_graphs, describe, require_extra, write_about, write_graphs
from latentrl.exporting.options import ExportOptions
from latentrl.models.base import WorldModel
from latentrl.runs.folder import load_settings
from latentrl.runs.opening import in_use
from latentrl.support.errors import UserError, reported
from latentrl.support.files import refuse_link


def export(options: ExportOptions) -> Path:
    """Export, check, and return the folder.

    Raises:
        UserError: no model or policy in the run folder, a folder that is there, an agent that has no graph or whose
            graph differs from it, a missing extra.
    """
    target = options.run / "export" if options.out is None else options.out
    _check(options, target)
    require_extra()
    with in_use(options.run):
        return _export(options, target)


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl export``."""
    with reported():
        export(tyro.cli(ExportOptions, args=argv, prog="latentrl export"))


def _export(options: ExportOptions, target: Path) -> Path:
    agent = load_agent(
        options.run,
        options.goal,
        "policy",
        policy=options.policy,
        action_limit=options.action_limit,
        data=options.data,
    )
    settings = load_settings(options.run)
    assert isinstance(agent.model, WorldModel)
    low, high = _bounds(agent, options)
    recorded = (settings.get("options") or {}).get("data")
    data = options.data or (None if recorded is None else Path(recorded))
    notes = {"policy": options.policy, "goal": options.goal or read_policy(options.run, options.policy)[1].get("goal")}
    with complete_folder(target, options.overwrite) as folder:
        print("writing the graphs: seconds, or minutes where the filter searches for its state (dks, dvbs)", flush=True)
        write_graphs(agent, folder)
        checked = check_graphs(agent, folder, data, options.steps, high - low)
        write_about(folder, {**describe(agent.model, settings, notes, low, high), "check": checked})
    print(f"{target}: begin and step, each as .onnx and .pt2; {ABOUT} says how they are used")
    for kind in ("onnx", "pt2"):
        one = checked[kind]
        print(
            f"  .{kind} against the agent, {checked['frames']}: mean {one['mean']:.1e}, "
            f"covariance {one['covariance']:.1e}, action {one['action']:.1e} of its range"
        )
    return target


def _check(options: ExportOptions, target: Path) -> None:
    if options.out is None:
        refuse_link(target)
    if options.steps < 2:
        raise UserError(f"--steps {options.steps}: give 2 or more")
    if options.data is not None and not options.data.is_dir():
        raise UserError(f"--data {options.data}: there is no such folder; leave it out to check with noise")
    if target.exists() and not options.overwrite:
        raise UserError(f"{target} exists already: give --overwrite to replace it, or another folder with --out")
    if target.exists() and not (target / ABOUT).is_file():
        raise UserError(f"--overwrite: {target} holds no export, so it stays; give another folder with --out")


def _bounds(agent: LatentAgent, options: ExportOptions) -> tuple[Tensor, Tensor]:
    """The smallest and the largest action of the policy, as it was learned and as it is cut off."""
    assert isinstance(agent.controller, PolicyController)
    policy = read_policy(options.run, options.policy)[0]
    weights = policy.state_dict()
    low, high = weights["low"].float(), weights["high"].float()
    if options.action_limit is not None:
        limit = ActionBounds.to_both_sides(options.action_limit, len(low))
        low, high = torch.maximum(low, limit.low), torch.minimum(high, limit.high)
    return low, high


if __name__ == "__main__":
    main()
