"""Inference: Kalman recursions and filters as pure functions; they know no model."""
