"""The store: a catalog, score logs, playable copies and pictures in one folder."""

from lab.store.store import Store

__all__ = ["Store"]
