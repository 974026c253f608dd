"""Static models: each frame has a latent of its own, and none knows of another (Latent Matters, chapter 3)."""
