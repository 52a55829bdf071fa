"""The trainer, its callbacks and its evaluations."""
