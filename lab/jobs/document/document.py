"""A whole analysis as one document: its values."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.detectors.registered import detectors
from lab.errors import SourceError
from lab.runs.find_clips import FoundClips, find_clips

EVERY_S = 0.2


@dataclass(frozen=True, kw_only=True)
class JobAnalysis:
    """One of a document's analyses. rules: as the document writes them."""

    name: str
    detector: str
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    interval_s: float = EVERY_S
    frame_count: int = 1
    frame_step: int = 1
    gate: str | Mapping[str, Any] | None = None
    rules: Mapping[str, Any] | None = None

    @property
    def is_plugin(self) -> bool:
        """Whether its settings go to third-party code."""
        return self.detector == "python" or detectors.package(self.detector) is not None


@dataclass(frozen=True, kw_only=True)
class JobDocument:
    """A document that was checked.

    document: as it was written, its variables by name. folder: what its paths are relative to.
    store: None if it names none. secrets: variables that were expanded in keys of plugins.
    """

    document: Mapping[str, Any]
    folder: Path
    paths: Sequence[str]
    analyses: Sequence[JobAnalysis]
    sinks: Sequence[Mapping[str, Any]]
    store: Path | None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def clips(self) -> list[Path]:
        """The clips of its source, each once; see `find`."""
        return self.find().clips

    def find(self) -> FoundClips:
        """The clips of its source, each once, and what looks like one and is none.

        Raises SourceError for a pattern that matches nothing or a folder without videos; a file
        that is not there is found out when it is opened.
        """
        found: list[Path] = []
        refused: list[str] = []
        for given in self.paths:
            path = self.folder / given
            if not path.exists() and glob.has_magic(given):
                matches = sorted(glob.glob(given, root_dir=self.folder, recursive=True))
                if not matches:
                    raise SourceError(f"no file matches {path}")
                some = find_clips([self.folder / match for match in matches])
            else:
                some = find_clips([path])
            found += some.clips
            refused += some.refused
        clips = {os.path.realpath(clip): clip for clip in found}
        return FoundClips(list(clips.values()), list(dict.fromkeys(refused)))
