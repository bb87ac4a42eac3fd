"""Annotations in other programs' files: read and write."""
