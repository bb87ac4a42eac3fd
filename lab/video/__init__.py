"""A file, later a stream, becomes frames at the right times."""
