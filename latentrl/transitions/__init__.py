"""Transitions: p(z_t+1 | z_t, u_t) as parts of models."""
