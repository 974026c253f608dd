"""Runs on the Hugging Face Hub: which files travel, the card that goes with them, and what is checked on arrival."""
