"""Score logs: a detector's results as parts on disk, read back as one log."""
