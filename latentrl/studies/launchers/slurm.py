"""Scripts for Slurm: its arrays, dependencies and requeueing do what a scheduler does, nothing here waits for anything.

A task of the array is one public command, which goes on where it was interrupted; so a task that Slurm requeues does.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from latentrl.studies.launchers.base import Plan
from latentrl.support.commands import CONSOLE_SCRIPT
from latentrl.support.errors import UserError
from latentrl.support.files import write_text

FOLDER = "slurm"
SAVING_SECONDS = 120
"""Before the end of its time a task is asked to save its state."""


def launch(plan: Plan, address: str | None = None) -> bool:
    """Write a plan's scripts and print how they are submitted; see `latentrl.studies.launchers.base.Launcher`."""
    if not plan.runs:
        return True  # only the report is left, which takes no time
    folder = plan.folder.resolve() / FOLDER
    for text in (str(folder), str(Path.cwd()), plan.first or "", *plan.runs, plan.report):
        # In a script each would begin a line of its own.
        if not text.isprintable():
            raise UserError(f"--on slurm: {text!r} has a line break or the like: give folders whose names have none")
    folder.mkdir(parents=True, exist_ok=True)
    home, log = Path.cwd(), _log(folder, "%x-%j")
    submit = [*_unless(plan.first is None, f"first=$(sbatch --parsable {_quoted(folder / 'first.sh')})")]
    if plan.first is not None:
        write_text(folder / "first.sh", _script("first", home, log, [f"exec {python_here(plan.first)}"]))
    steps = folder / "runs.txt"
    write_text(steps, "".join(f"{python_here(line)}\n" for line in plan.runs))
    limit = "" if plan.workers is None else f"%{plan.workers}"
    array = [f"--array=1-{len(plan.runs)}{limit}", *_unless(not plan.gpus, f"--gres=gpu:{plan.gpus}")]
    body = [f'step=$(sed -n "${{SLURM_ARRAY_TASK_ID}}p" {_quoted(steps)})', 'eval "exec $step"']
    write_text(folder / "runs.sh", _script("runs", home, _log(folder, "%x-%A_%a"), body, array))
    after = "" if plan.first is None else "--dependency=afterok:$first "
    submit.append(f"runs=$(sbatch --parsable {after}{_quoted(folder / 'runs.sh')})")
    write_text(folder / "report.sh", _script("report", home, log, [f"exec {python_here(plan.report)}"]))
    submit.append(f"sbatch --dependency=afterany:$runs {_quoted(folder / 'report.sh')}")
    write_text(folder / "submit.sh", "\n".join(["#!/bin/bash", "set -e", *submit, ""]))
    print(f"{folder}: {len(plan.runs)} tasks in runs.txt; nothing is submitted yet. What submit.sh does:\n")
    print("\n".join(submit))
    print(
        "\nPartition, account and time are those of SBATCH_PARTITION, SBATCH_ACCOUNT and SBATCH_TIMELIMIT;\n"
        f"all nodes must share this folder and the one you are in\nnext: bash {_quoted(folder / 'submit.sh')}"
    )
    return False


def python_here(line: str) -> str:
    """A command as it is printed for people, with this very Python."""
    here, (program, _, rest) = shlex.quote(sys.executable), line.partition(" ")
    return {"python": f"{here} {rest}", CONSOLE_SCRIPT: f"{here} -m {line}"}.get(program, line)


def _script(name: str, home: Path, log: Path, body: list[str], more: list[str] | None = None) -> str:
    told = [
        f"--job-name=latentrl-{name}",
        f"--output={_quoted(log)}",
        "--open-mode=append",
        "--ntasks=1",
        "--cpus-per-task=1",
        "--requeue",
        f"--signal=B:TERM@{SAVING_SECONDS}",
        *(more or []),
    ]
    head = ["#!/bin/bash", *(f"#SBATCH {one}" for one in told)]
    # The command takes the place of the shell, so that it gets the signal.
    return "\n".join([*head, f"cd {_quoted(home)} || exit 1", "export OMP_NUM_THREADS=1", *body, ""])


def _log(folder: Path, name: str) -> Path:
    """A file of Slurm's own making, whose name it fills in; a percent sign of the folder's is none of its."""
    return Path(str(folder).replace("%", "%%")) / f"{name}.log"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _unless(condition: bool, word: str) -> tuple[str, ...]:
    return () if condition else (word,)
