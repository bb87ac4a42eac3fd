"""Live sources: their captures, their recordings, and their bad days."""
