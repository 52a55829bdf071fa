"""Verdicts kept on disk: SQLite, PostgreSQL, transfer and repair."""
