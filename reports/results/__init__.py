"""Graded runs read back from result files, ours and those of other programs."""
