"""Results on disk: written, read again, checked."""
