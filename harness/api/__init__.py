"""The way in from Python: grade, compare, study, audit, and a reward for TRL."""
