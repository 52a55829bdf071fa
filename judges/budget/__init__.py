"""How many verdicts a stated certainty takes: when to stop, whom to ask, what to label next."""
