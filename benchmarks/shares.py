"""Where the time of a training step goes, by PyTorch's profiler, which makes what is small look larger than it is."""

from __future__ import annotations

from torch.profiler import ProfilerActivity, profile

from benchmarks.timing import one_thread
from latentrl.training.trainer import Trainer

KINDS: dict[str, tuple[str, ...]] = {
    "products of networks": ("aten::mm", "aten::addmm", "aten::bmm", "aten::mkldnn", "aten::convolution", "aten::thnn"),
    "recursion": (
        "Filter",
        "Smoother",
        "Paths",
        "Density",
        "Moments",
        "Drawn",
        "Smoothed",
        "Packed",
        "_Update",
        "_Predict",
        "_Factor",
    ),
    "optimiser": ("Optimizer", "aten::_fused_adam", "aten::linalg_vector_norm"),
}
"""How the names of operations begin; all others are the rest: elementwise functions, copies, what calls them."""


def shares(trainer: Trainer, steps: int) -> dict[str, float]:
    """Shares of the processor time of ``steps`` gradient steps, which add up to one."""
    with one_thread():
        trainer.advance()
        with profile(activities=[ProfilerActivity.CPU]) as found:
            for _ in range(steps):
                trainer.advance()
    times = dict.fromkeys([*KINDS, "rest"], 0.0)
    for event in found.key_averages():
        kind = next((kind for kind, names in KINDS.items() if event.key.startswith(names)), "rest")
        times[kind] += event.self_cpu_time_total
    total = sum(times.values())
    return {kind: time / total for kind, time in times.items()}
