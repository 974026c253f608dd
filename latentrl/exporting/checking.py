"""An exported agent against the agent itself, over one episode: the same frames, some of them lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentrl.agents.latent import LatentAgent
from latentrl.exporting.graphs import BEGIN, INPUTS, OUTPUTS, STEP
from latentrl.models.spec import DataSpec
from latentrl.support.errors import UserError

LOST_EVERY = 5
"""One frame in so many is lost on the way to the check's agents, never the first."""

Answer = list[NDArray[Any]]


Graph = Callable[[Mapping[str, NDArray[Any]]], Answer]
"""A loaded graph: its outputs, in order, for its inputs by name."""


@dataclass(frozen=True)
class Differences:
    """Largest differences between an exported agent and the agent, over all steps of an episode.

    Attributes:
        mean: of the belief's mean, in units of its largest value, or 1 if that is smaller.
        covariance: of the belief's covariance, in the same way.
        action: as a share of the action range.
    """

    mean: float
    covariance: float
    action: float

    @property
    def largest(self) -> float:
        """The largest of the three; NaN where one is."""
        return float(np.max([self.mean, self.covariance, self.action]))


def differences(
    agent: LatentAgent,
    graphs: Mapping[str, Graph],
    frames: NDArray[Any],
    span: NDArray[np.float32],
) -> Differences:
    """Let both act on ``frames [T, *shape]``, each on its own last belief and action.

    Args:
        agent: reset before the first frame.
        graphs: the loaded graphs, by name.
        frames: raw observations.
        span: largest minus smallest action ``[Du]``.
    """
    agent.reset()
    own: list[Answer] = []
    exported: list[Answer] = []
    for t, frame in enumerate(frames):
        seen = t == 0 or t % LOST_EVERY != 0
        chosen, belief = agent.act(frame, seen), agent.belief
        own.append([belief.mean[0].double().numpy(), belief.covariance[0].double().numpy(), chosen])
        if t == 0:
            exported.append(graphs[BEGIN]({"frame": frame}))
        else:
            given = (*exported[-1], frame, np.array(seen))
            exported.append(graphs[STEP](dict(zip(INPUTS[STEP], given, strict=True))))
    mean, covariance, action = (_Pair.of(own, exported, place) for place in range(len(OUTPUTS)))
    return Differences(mean.relative(), covariance.relative(), float((np.abs(action.off) / span).max()))


@dataclass(frozen=True)
class _Pair:
    """One output over all steps ``[T, ...]``: the agent's, and the exported agent's difference from it."""

    expected: NDArray[Any]
    off: NDArray[Any]

    @classmethod
    def of(cls, own: Sequence[Answer], exported: Sequence[Answer], place: int) -> _Pair:
        expected, found = (np.stack([answer[place] for answer in answers]) for answers in (own, exported))
        return cls(expected, found - expected)

    def relative(self) -> float:
        return float(np.abs(self.off).max() / max(1.0, np.abs(self.expected).max()))


def check_frames(data: Path | None, spec: DataSpec, steps: int) -> tuple[NDArray[Any], str]:
    """Raw frames ``[T, *shape]`` of a held-out recording, and where they are from; noise where there is none.

    Args:
        data: the run's data folder, which need not be there.
        spec: of the data.
        steps: T; fewer where the recording is shorter.

    Raises:
        UserError: the data folder is damaged.
    """
    # Only here: an export whose data is gone needs nothing that reads it.
    from latentrl.data_collection.storage import METADATA, load_sequences

    if data is not None and (data / METADATA).is_file():
        frames = load_sequences(data, "test").observations[0, :steps].numpy()
        if frames.shape[1:] != spec.observation_shape or str(frames.dtype) != spec.observation_dtype:
            raise UserError(
                f"{data}: holds {frames.dtype} {list(frames.shape[1:])}, but the run's model observes "
                f"{spec.observation_dtype} {list(spec.observation_shape)}; give the run's own data with --data"
            )
        return frames, f"{len(frames)} frames of a recording in {data}"
    rng, shape = np.random.default_rng(0), (steps, *spec.observation_shape)
    if spec.observation_dtype == "uint8":
        return rng.integers(0, 256, shape, dtype=np.uint8), f"{steps} frames of noise"
    return rng.normal(size=shape).astype(spec.observation_dtype), f"{steps} readings of noise"


def onnx_graph(path: Path) -> Graph:
    """A graph in onnxruntime, on one thread of the CPU: it is too small for more."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: list(session.run(None, dict(inputs)))


def torch_graph(path: Path, inputs: Sequence[str]) -> Graph:
    """A ``.pt2`` file, loaded again by PyTorch."""
    module: Callable[..., Any] = torch.export.load(path).module()

    def ask(given: Mapping[str, NDArray[Any]]) -> Answer:
        with torch.no_grad():
            return [value.numpy() for value in module(*(torch.from_numpy(given[name]) for name in inputs))]

    return ask
