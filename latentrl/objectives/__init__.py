"""Objectives: how rate and distortion are weighed against each other."""
