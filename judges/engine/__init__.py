"""Judge calls in flight: limits, retries, budgets, the writer of verdicts."""
