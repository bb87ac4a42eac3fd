"""Bytes as people read them."""

from __future__ import annotations


def size(size_bytes: int) -> str:
    """Such as `512 bytes`, `1.5 KiB`, `20.0 MiB` or `3.21 GiB`."""
    if size_bytes < 2**10:
        return f"{size_bytes} bytes"
    if size_bytes < 2**20 / 10:
        return f"{size_bytes / 2**10:.1f} KiB"
    return (
        f"{size_bytes / 2**20:.1f} MiB" if size_bytes < 2**30 else f"{size_bytes / 2**30:.2f} GiB"
    )
