"""Wordings of the grader prompts, read with importlib.resources."""
