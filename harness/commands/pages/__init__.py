"""Commands that show results in a browser."""
