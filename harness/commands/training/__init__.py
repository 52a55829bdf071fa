"""Commands that study, train with and serve a reward."""
