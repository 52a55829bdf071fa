"""The keyword judge: patterns instead of a model."""
