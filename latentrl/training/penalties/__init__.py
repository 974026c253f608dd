"""Penalties: what a gradient step adds to the objective's loss."""
