"""Sweeps: which flags of a training are best, judged without labels and without rewards."""
