"""Evaluation: agents in the real environment, judged by ground truth."""
