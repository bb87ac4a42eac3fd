"""The kinds of connections, a file each."""
