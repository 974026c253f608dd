"""Training: a situation, the recipe for it, its stages and penalties."""
