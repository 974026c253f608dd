"""Priors: initial distributions p(z_1)."""
