"""The suite: every system from data to a score, each step a public verb's command that can be copied."""
