"""Stages: the parts of a training, one after the other."""
