"""A clip in an object store, read from a copy on this disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from lab.errors import SourceError
from lab.video.media import Media
from lab.video.remote_store import LocalCopy
from lab.video.sources.file import FileSource


class RemoteSource(FileSource):
    """The file at `s3://BUCKET/KEY` or `gs://BUCKET/KEY`, copied while this is open.

    Raises SourceError if it cannot be read or is not a video, SettingError for a wrong address.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = str(url)
        self._copy = LocalCopy(self.url)
        try:
            super().__init__(self._copy.path)
        except SourceError as error:
            self._copy.close()
            raise SourceError(str(error).replace(str(self._copy.path), self.url)) from None
        except BaseException:
            self._copy.close()
            raise
        self.name = PurePosixPath(self.url).name

    def media(self) -> Media:
        """See `lab.video.source.Source`; its path is the address."""
        return replace(super().media(), path=self.url, mtime_ns=None)

    def reopen(self) -> RemoteSource:
        """The clip as it is there now."""
        return type(self)(self.url)

    def close(self) -> None:
        """Let go of the copy; what was not read by then cannot be any more."""
        self._copy.close()
