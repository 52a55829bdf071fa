"""Wordings of the grader prompts, read with importlib.resources, and the sandbox of own ones."""
