"""Commands that show results: one page, or all runs in a browser."""
