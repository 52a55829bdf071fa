"""Options as they are written, read into the types that code asks for."""
