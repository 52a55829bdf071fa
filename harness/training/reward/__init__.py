"""Judges as a reward function."""
