"""Models compared: pairs, slices, corrections, what to say of them."""
