"""Control on learned latent state-space models: random frames of a system and a goal image become a controller."""

from __future__ import annotations

import os

# Threads of PyTorch that wait for each other do so asleep: awake they take from other processes the time that they wait
# for, and training falls to a fraction of its speed (docs/benchmarks.md). It is read once, when PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
