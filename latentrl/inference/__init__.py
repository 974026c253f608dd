"""Inference: Kalman recursions and filters as pure functions; they know no model.

===============  ==========================================================================================
kalman           predict, update, smooth: one step at a time, and backwards over all; gradients by autograd
kalman_adjoint   predict and update once more, for training: gradients by hand
filtering        the one loop over time, with the steps of ``kalman_adjoint``
scan             prefixes of an associative operation, in rounds instead of steps
kalman_parallel  filter and smoother over all time steps at once, by scans
emission_filter  a filter for any decoder, for models whose posterior cannot take one frame after another
===============  ==========================================================================================
"""
