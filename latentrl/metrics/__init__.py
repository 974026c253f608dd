"""Metrics: how good a model is on held-out sequences; reads ground truth."""
