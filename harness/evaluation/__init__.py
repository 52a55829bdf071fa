"""lm-eval runs: the request, the models, the run."""
