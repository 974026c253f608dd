"""Settings for all tests."""

from __future__ import annotations

import torch

# The tests' models are tiny: a second thread gains nothing, and on a busy machine the two wait for each other at every
# operation, which made single tests minutes long.
torch.set_num_threads(1)
