"""From environment steps to data sets on disk, and back to batches of sequences."""
