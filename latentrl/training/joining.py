"""Joining the processes of one training, as ``torchrun`` starts them: who is who, stands in the environment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed

from latentrl.support.errors import UserError
from latentrl.training.options import TrainOptions, choose_device
from latentrl.training.processes import ALONE, Processes

NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What a launcher says, by the names that ``torchrun`` gave them."""
PATIENCE = timedelta(days=1)
"""Of a process that waits for another: the first may have to copy data, and one that is gone is noticed at once."""


def started_together(environment: Mapping[str, str]) -> Processes:
    """Which of how many processes this one is.

    Args:
        environment: the process' variables; without all that is ``NEEDED`` it is alone.

    Raises:
        UserError: they are no numbers, or do not fit together.
    """
    if any(name not in environment for name in NEEDED):
        return ALONE
    said = {name: environment[name] for name in ("RANK", "WORLD_SIZE")}
    try:
        rank, count = map(int, said.values())
    except ValueError:
        rank, count = -1, 0
    if not 0 <= rank < count:
        raise UserError(
            f"RANK={said['RANK']} of WORLD_SIZE={said['WORLD_SIZE']}: leave both to torchrun, or unset them"
        )
    return Processes(rank, count)


@contextmanager
def joined(device: str, environment: Mapping[str, str] = os.environ) -> Iterator[Processes]:
    """The processes that were started together, connected until the block ends; one that is alone connects to none.

    Args:
        device: the option of this name. Of several processes on GPUs each takes its own.
        environment: the process' variables.

    Raises:
        UserError: a device that not all can have, or the others are not to be reached.
    """
    processes = started_together(environment)
    if processes.count == 1:
        yield processes
        return
    chosen = choose_device(device)
    if chosen.type == "cuda":
        _take_gpu(device, chosen, environment["LOCAL_RANK"])
    # Flags and random states are on the processor in any case.
    backend = "gloo" if chosen.type == "cpu" else "cpu:gloo,cuda:nccl"
    try:
        torch.distributed.init_process_group(backend, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        where = f"{environment['MASTER_ADDR']}:{environment['MASTER_PORT']}"
        raise UserError(f"{where}: the other processes of this training cannot be reached there ({error})") from error
    try:
        yield processes
    finally:
        torch.distributed.destroy_process_group()


def _take_gpu(option: str, chosen: torch.device, place: str) -> None:
    if chosen.index is not None:
        raise UserError(f"--device {option}: of several processes each takes a GPU of its own; give cuda or auto")
    if int(place) >= torch.cuda.device_count():
        raise UserError(
            f"--device {option}: PyTorch sees {torch.cuda.device_count()} CUDA device(s), too few for a process with "
            f"LOCAL_RANK={place}; start fewer on this machine, or give cpu"
        )
    torch.cuda.set_device(int(place))


@contextmanager
def aside(options: TrainOptions, processes: Processes) -> Iterator[TrainOptions]:
    """The options of a process that is not the first: silent, and in a folder of its own that is nobody's afterwards.

    Args:
        options: as given. What a run folder holds that is to be gone on with, the process reads first.
        processes: of which this is one.

    Raises:
        UserError: what the block raised, with this process' name before it.
    """
    with TemporaryDirectory(prefix="latentrl-") as place, Path(os.devnull).open("w") as nowhere:
        folder = Path(place) / options.folder.name
        try:
            if options.resume:
                shutil.copytree(options.folder, folder, ignore=shutil.ignore_patterns("events.*", "*.partial"))
            with redirect_stdout(nowhere):
                yield replace(options, run=folder, overwrite=False, progress=False, live=False, track=None)
        except UserError as error:
            raise UserError(f"process {processes.rank + 1} of {processes.count}: {error}") from error
