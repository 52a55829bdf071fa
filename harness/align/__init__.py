"""Judges set by data: cascades replayed on verdicts, wordings held against labels."""
