"""Numerics: distributions, least squares, neighbours, statistics; pure functions of tensors."""
