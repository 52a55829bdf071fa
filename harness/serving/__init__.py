"""The judge over HTTP: one process with its store, its limits and its budget, for any trainer."""
