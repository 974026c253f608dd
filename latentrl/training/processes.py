"""One training on several processes: each computes the gradient of its own share of a batch, all take the mean of them.

Every process does all that a training does, with the same random numbers; they differ in the share of the batch that
they compute, and in the noise of their samples. So all hold the same weights at every step, and the first process'
checkpoint is everybody's (data parallelism; Li et al. 2020, "PyTorch Distributed", Sec. 2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

import torch
import torch.distributed
from torch import Tensor, nn

from latentrl.support.errors import UserError
from latentrl.support.interrupts import deferred_interrupt
from latentrl.types import RateDistortion

SEEDS = 2**63 - 1
"""Below it lie the seeds of samples' noise."""


@dataclass(frozen=True)
class Processes:
    """Those that train one model together, as one of them sees them; a single one has nobody to ask.

    Attributes:
        rank: of this process, from 0; the first one writes the run folder.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    def share(
        self, generator: torch.Generator, sequences: int, batch: int, device: torch.device
    ) -> tuple[Tensor, torch.Generator | None]:
        """The numbers of this process' sequences ``[batch]`` of a step, and what draws the noise of their samples.

        All draw the whole batch, ``count`` times ``batch``, and a seed for every process, so that ``generator`` stays
        the same in all of them and a checkpoint needs no other. A single process needs no other generator: None.

        Args:
            generator: in the same state in all processes.
            sequences: that there are to draw from.
            batch: sequences for every process.
            device: where the noise is drawn.
        """
        index = torch.randint(sequences, (self.count * batch,), generator=generator, device=generator.device)
        if self.count == 1:
            return index, None
        seeds = torch.randint(SEEDS, (self.count,), generator=generator, device=generator.device)
        own = index[self.rank * batch : (self.rank + 1) * batch]
        return own, torch.Generator(device).manual_seed(int(seeds[self.rank]))

    def mean(self, terms: RateDistortion) -> RateDistortion:
        """The mean over the processes of ``terms``, without gradient: what an objective and the log go by.

        Each entry stays ``[B]``, and its mean is that of the whole batch.
        """
        terms = RateDistortion(*(term.detach() for term in terms))
        if self.count == 1:
            return terms
        stacked = torch.stack([term.double() for term in terms])
        self._averaged(stacked)
        return RateDistortion(*(one.to(term.dtype) for one, term in zip(stacked, terms, strict=True)))

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients by their mean over the processes, in one message for each kind of number."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for dtype in dict.fromkeys(gradient.dtype for gradient in gradients):
            these = [gradient for gradient in gradients if gradient.dtype == dtype]
            flat = torch.cat([gradient.flatten() for gradient in these])
            self._averaged(flat)
            for gradient, mean in zip(these, flat.split([one.numel() for one in these]), strict=True):
                gradient.copy_(mean.view_as(gradient))

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Replace ``tensors`` by the first process' own, in place."""
        if self.count > 1:
            with _of_others():
                for tensor in tensors:
                    whole = tensor.contiguous()
                    torch.distributed.broadcast(whole, 0)
                    tensor.copy_(whole)

    def any(self, asked: bool) -> bool:
        """Whether one of the processes was ``asked``; they wait for each other."""
        if self.count == 1:
            return asked
        flag = torch.tensor(int(asked))
        with _of_others():
            torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
        return bool(flag)

    def check_same(self, text: str) -> None:
        """Refuse to go on where the processes say different things; they wait for each other.

        Raises:
            UserError: in all of them.
        """
        if self.count == 1:
            return
        number = int.from_bytes(sha256(text.encode()).digest()[:7], "big")
        # The largest of a number and of its negative: both are everybody's own only where all say the same.
        found = torch.tensor([number, -number])
        with _of_others():
            torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
        if found.tolist() != [number, -number]:
            raise UserError(
                "the processes of this training would not train the same: give all of them the same version, data and "
                "options"
            )

    def _averaged(self, tensor: Tensor) -> None:
        with _of_others():
            torch.distributed.all_reduce(tensor)
        tensor /= self.count


ALONE = Processes()


@contextmanager
def interrupt_of_any(processes: Processes) -> Iterator[Callable[[], None]]:
    """As :func:`~latentrl.support.interrupts.deferred_interrupt`, for all processes at the same step.

    Who stopped a step before the others would leave them waiting for its gradient. A second Ctrl-C waits too: a
    launcher hands one on that every process has already had from the terminal.
    """
    with deferred_interrupt(patient=processes.count > 1) as check:
        if processes.count == 1:
            yield check
            return

        def check_all() -> None:
            asked = False
            try:
                check()
            except KeyboardInterrupt:
                asked = True
            if processes.any(asked):
                raise KeyboardInterrupt

        yield check_all


@contextmanager
def _of_others() -> Iterator[None]:
    """Within the block an error is that of a process that is gone."""
    try:
        yield
    except RuntimeError as error:
        raise UserError(
            "another process of this training has ended, which says why if it could; what is saved is kept: start all "
            "of them again, with --resume"
        ) from error
