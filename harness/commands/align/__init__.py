"""Commands that set a judge by data."""
