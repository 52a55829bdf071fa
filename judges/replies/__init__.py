"""What a model wrote, read as verdicts."""
