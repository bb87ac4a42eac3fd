"""What a detector saw: parts on disk, read back as one log."""
