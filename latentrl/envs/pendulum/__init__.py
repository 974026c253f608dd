"""The pendulum of Latent Matters."""
