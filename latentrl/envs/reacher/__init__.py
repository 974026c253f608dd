"""The two-link arm of the DeepMind control suite."""
