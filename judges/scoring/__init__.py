"""Scores of graded answers, their intervals and bounds."""
