"""What the package's speed is compared with, and how it is measured: ``python -m benchmarks``."""
