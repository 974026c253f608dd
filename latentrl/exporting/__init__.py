"""Exporting: the filter and the policy as graphs that run where neither this package nor PyTorch is installed."""
