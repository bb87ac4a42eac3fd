"""The last samples of a run that goes on, for those who watch."""

from __future__ import annotations

from lab.feeds.newest_samples import Sample

_MOST_KEPT = 600
Samples = list[Sample]


class KeptSamples:
    """The last samples of a run, from the log or before they were in it.

    all: oldest first, as `lab.feeds.newest_samples.sample_of` makes them.
    """

    def __init__(self) -> None:
        self.all: Samples = []
        self._known: set[int] = set()

    def add(self, samples: Samples) -> Samples:
        """Those that are new, oldest first."""
        oldest = self.all[0]["pts_us"] if len(self.all) >= _MOST_KEPT else -(2**62)
        new = [
            one
            for one in samples[-_MOST_KEPT:]
            if one["pts_us"] not in self._known and one["pts_us"] > oldest
        ]
        if new:
            both = sorted([*self.all, *new], key=lambda one: int(one["pts_us"]))
            self.all = both[-_MOST_KEPT:]
            self._known = {one["pts_us"] for one in self.all}
        return new
