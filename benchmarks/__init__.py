"""What the package's speed is compared with, and how it is measured: ``python -m benchmarks``."""

import latentrl  # noqa: F401  (before PyTorch, whose threads it tells to sleep while they wait)
