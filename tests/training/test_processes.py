"""Several processes train one model: to the same as one process with all of their batches; stopped and gone on with."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from latentrl.collect import CollectOptions, collect
from latentrl.models.base import GenerativeModel
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.objectives.rewo import REWO
from latentrl.runs.folder import CHECKPOINT, MODEL, SETTINGS, is_finished, load_settings
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.support.errors import UserError
from latentrl.train import train
from latentrl.training.building import trainer_for
from latentrl.training.coarse_to_fine import Schedule
from latentrl.training.joining import joined, started_together
from latentrl.training.loop import fit, resume
from latentrl.training.options import TrainOptions
from latentrl.training.processes import ALONE, SEEDS, Processes
from latentrl.training.resuming import check_processes
from latentrl.training.settings import TrainSettings
from latentrl.training.trainer import Trainer
from latentrl.types import RateDistortion, Sequences

ROOT = Path(__file__).parent.parent.parent
STEPS, STOPPED = 8, 5
RATES = {"encoder": 0.01, "decoder": 0.01, "emission_noise": 0.01, "transition": 0.01, "noise": 0.01, "prior": 0.01}
SETTINGS_OF_ALL = TrainSettings(
    steps=STEPS,
    batch=3,
    learning_rates=RATES,
    checkpoint_every=3,
    log_every=1,
    sigma_hold=2,
    alignment=0.0,
    velocity_alignment=0.0,
    blur=Schedule(width=0.0, start=0, end=0),
)
Noise = torch.Generator | Sequence[torch.Generator] | None


class Line(GenerativeModel):
    """x = w z + noise with z read off x: all in float64, so that nothing is left of the order of a sum."""

    state_size = position_size = 1

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(3, 1).double()
        self.draw = nn.Linear(1, 3).double()
        self.log_sigma = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        target = batch.observations
        posterior = DiagonalGaussian(self.read(target), torch.full_like(target[..., :1], 0.5))
        latent = posterior.rsample(generator)
        error = (self.draw(latent) - target).square().sum((1, 2))
        rate = posterior.log_prob(latent).sum(1) + 0.5 * latent.square().sum((1, 2))
        return RateDistortion(rate, error / self.log_sigma.exp() + self.log_sigma, error)

    def emission(self, state: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(self.draw(state), torch.ones(3, dtype=torch.float64))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            "encoder": [*self.read.parameters()],
            "decoder": [*self.draw.parameters()],
            "emission_noise": [self.log_sigma],
        }


def lines() -> Sequences:
    generator = torch.Generator().manual_seed(0)
    return Sequences(
        torch.randn(20, 4, 3, generator=generator, dtype=torch.float64), torch.zeros(20, 3, 1, dtype=torch.float64)
    )


def readings() -> Sequences:
    generator = torch.Generator().manual_seed(0)
    return Sequences(torch.randn(20, 4, 3, generator=generator), torch.randn(20, 3, 1, generator=generator))


def make_trainer(kind: str, processes: Processes, settings: TrainSettings = SETTINGS_OF_ALL) -> Trainer:
    torch.manual_seed(0)
    if kind == "line":
        return trainer_for(Line(), REWO(0.1), lines(), settings, 0, processes=processes)
    sizes = EKVAESettings(2, 1, base_matrices=2, hidden=(8,), gate_hidden=(4,), prior_hidden=(4,))
    return trainer_for(EKVAE(DataSpec.of(readings()), sizes), REWO(0.1), readings(), settings, 0, processes=processes)


class InOne(Processes):
    """What two processes draw, drawn by one."""

    def share(
        self, generator: torch.Generator, sequences: int, batch: int, device: torch.device
    ) -> tuple[Tensor, torch.Generator | None]:
        index = torch.randint(sequences, (2 * batch,), generator=generator)
        seeds = torch.randint(SEEDS, (2,), generator=generator)
        return index, [torch.Generator().manual_seed(int(seed)) for seed in seeds]  # type: ignore[return-value]


def in_one(trainer: Trainer) -> Trainer:
    """The trainer with the whole batch in one process, each half with the noise of the process that would have it."""
    model, whole = trainer.model, trainer.model.rate_distortion

    def halves(batch: Sequences, generators: Sequence[torch.Generator]) -> RateDistortion:
        size = len(batch) // 2
        terms = [whole(batch[n * size : (n + 1) * size], generator) for n, generator in enumerate(generators)]
        return RateDistortion(*(torch.cat(pair) for pair in zip(*terms, strict=True)))

    model.rate_distortion = halves  # type: ignore[method-assign,assignment]
    return trainer


class AskedToStop(Trainer):
    """Ctrl-C within a step, twice, as a process has it from the terminal and from its launcher."""

    def advance(self) -> RateDistortion:
        if self.step == STOPPED - 1:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return super().advance()


def one_of_two(place: Path) -> None:
    """What each of the two processes does."""
    with joined("cpu") as processes:
        assert processes.count == 2
        processes.check_same("alike")
        with pytest.raises(UserError, match="would not train the same"):
            processes.check_same(f"process {processes.rank}")
        own = place / str(processes.rank)
        for kind in ("line", "ekvae"):
            fit(make_trainer(kind, processes), own / kind, progress=False)
        stopped = make_trainer("line", processes)
        if processes.rank == 1:
            stopped.__class__ = AskedToStop
        try:
            fit(stopped, own / "stopped", progress=False)
        except KeyboardInterrupt:
            assert stopped.step == STOPPED
        # Both go on from what the first one saved; the other's weights are its own until then.
        processes.any(False)
        again = make_trainer("line", processes, replace(SETTINGS_OF_ALL, checkpoint_every=100))
        resume(again, place / "0" / "stopped")
        fit(again, own / "again", progress=False)
        options = TrainOptions(place / "data", place / "run", "ekvae", batch=2, steps=3, seed=1, device="cpu")
        train(replace(options, backend="reference", progress=False), processes)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes did all of the above."""
    place = tmp_path_factory.mktemp("processes")
    collect(CollectOptions(out=place / "data", sequences=8, test_sequences=4, length=5, num_envs=4))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import sys; from pathlib import Path; from tests.training.test_processes import one_of_two as do; "
    running = []
    for rank in range(2):
        environment = os.environ | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": str(ROOT)}
        arguments = [sys.executable, "-c", f"{code} do(Path(sys.argv[1]))", str(place)]
        running.append(
            subprocess.Popen(
                arguments, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        )
    try:
        said = [process.communicate(timeout=120)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0, 0], "\n".join(said)
    (place / "said").write_text(json.dumps(said))
    return place


@pytest.mark.parametrize(("kind", "closeness"), [("line", 1e-9), ("ekvae", 1e-4)])
def test_two_processes_train_to_the_same_as_one_with_twice_the_batch(place: Path, kind: str, closeness: float) -> None:
    alone = in_one(make_trainer(kind, InOne()))
    for _ in range(STEPS):
        alone.advance()
    states = [read_tensors(place / str(rank) / kind / CHECKPOINT, "")[0] for rank in range(2)]
    for name, value in alone.state()[0].items():
        assert torch.equal(states[0][name], states[1][name]), f"the processes differ in {name}"
        if not name.startswith("optimiser"):
            torch.testing.assert_close(states[0][name], value, rtol=closeness, atol=closeness, msg=name)
    logs = [(place / str(rank) / kind / "history.csv").read_text().splitlines() for rank in range(2)]
    names = logs[0][0].split(",")
    for found, other, expected in zip(logs[0][1:], logs[1][1:], alone.history, strict=True):
        row, twin = (dict(zip(names, map(float, line.split(",")), strict=True)) for line in (found, other))
        for name in names[:-1]:
            assert row[name] == twin[name] == pytest.approx(expected[name], rel=closeness), name


def test_the_share_of_the_batch_and_the_noise_are_each_processs_own() -> None:
    """Else the test above would hold for two processes that do the same."""
    before = torch.Generator().manual_seed(3).get_state()
    shares, ends = [], []
    for rank in range(2):
        generator = torch.Generator()
        generator.set_state(before)
        index, noise = Processes(rank, 2).share(generator, 1000, 5, torch.device("cpu"))
        shares.append((index, torch.randn(5, generator=noise)))
        ends.append(generator.get_state())
    assert torch.equal(*ends) and not any(torch.equal(*pair) for pair in zip(*shares, strict=True))
    generator = torch.Generator()
    generator.set_state(before)
    assert torch.equal(torch.cat([index for index, _ in shares]), torch.randint(1000, (10,), generator=generator))


def test_one_that_is_stopped_stops_all_and_what_it_saved_goes_on_bit_for_bit(place: Path) -> None:
    for rank in range(2):
        assert len((place / str(rank) / "stopped" / "history.csv").read_text().splitlines()) == 1 + STOPPED
        whole, again = (read_tensors(place / str(rank) / name / CHECKPOINT, "")[0] for name in ("line", "again"))
        assert whole.keys() == again.keys()
        for name, value in whole.items():
            assert torch.equal(value, again[name]), name


def test_the_first_process_alone_writes_the_run_folder_and_says_so(place: Path) -> None:
    said = json.loads((place / "said").read_text())
    assert "trained in" in said[0]
    # What it says before is of the trainings that this test's own script made.
    assert all(line.startswith("step ") for line in said[1].splitlines()), said[1]
    assert is_finished(place / "run") and load_settings(place / "run")["processes"] == 2


def test_a_run_goes_on_with_as_many_processes_as_it_was_begun_with(place: Path) -> None:
    check_processes(place / "run", 2)
    with pytest.raises(UserError, match=r"begun on 2 process.*not on 1.*torchrun --nproc-per-node 2 -m -- latentrl"):
        check_processes(place / "run", 1)


def test_an_unfinished_run_is_refused_before_anything_is_done(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / SETTINGS).write_bytes((place / "run" / SETTINGS).read_bytes())
    write_tensors(folder / CHECKPOINT, read_tensors(place / "run" / MODEL, "")[0])
    before = sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())
    with pytest.raises(UserError, match="begun on 2 process"):
        train(TrainOptions(place / "data", folder, resume=True, device="cpu", progress=False))
    assert before == sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())


def test_who_is_not_started_together_is_alone() -> None:
    whole = {"RANK": "1", "WORLD_SIZE": "3", "LOCAL_RANK": "1", "MASTER_ADDR": "x", "MASTER_PORT": "1"}
    assert started_together(whole) == Processes(1, 3)
    for name in whole:
        assert started_together({key: value for key, value in whole.items() if key != name}) == ALONE
    for rank, count in (("3", "3"), ("-1", "3"), ("one", "3"), ("0", "0")):
        with pytest.raises(UserError, match=f"RANK={rank} of WORLD_SIZE={count}"):
            started_together({**whole, "RANK": rank, "WORLD_SIZE": count})
