"""The contract of a source: where frames come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from lab.errors import SourceError
from lab.frame import Frame
from lab.video.media import Media
from lab.video.sampling import Sampling, Window


class Sample(NamedTuple):
    """A frame, and for each analysis the window of frames that it completes, or None."""

    frame: Frame
    windows: tuple[Window | None, ...]


class Source(ABC):
    """Where frames come from, in time order; a context manager.

    A frame that could not be decoded is given with its `error`; it is never left out.

    name: for people. It holds no password or key, since it is shown and stored.
    decoded_on: the device that decodes; one that is not the CPU stands in the recipe.
    is_live: frames arrive at their own pace, whether or not they are taken; see `LiveSource`.
    opening_s: seconds that were spent on opening it before it was handed over.
    can_seek: any frame can be read again: `frames_at`, `frames_by_index` and `stretches` work.
    """

    name: str
    decoded_on: str = "cpu"
    is_live: bool = False
    can_seek: bool = False
    opening_s: float = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @abstractmethod
    def media(self) -> Media:
        """What is known of it: identity, size of the picture, first time and end.

        Raises SourceError if it cannot be read.
        """

    @abstractmethod
    def samples(
        self, samplings: Sequence[Sampling], after_us: Sequence[int | None] | None = None
    ) -> Iterator[Sample]:
        """Every frame that one of the analyses needs, once.

        samplings: one for each analysis. after_us: for each of them the time up to which it has
        been served already, None if it has not. Called again it begins again, if `reopen` may.
        """

    def frames(self, every_s: float, after_us: int | None = None) -> Iterator[Frame]:
        """The frames that the time grid of `every_s` chooses, those after `after_us` if given."""
        for sample in self.samples([Sampling(every_s=every_s)], [after_us]):
            yield sample.frame

    def sample_count(self, sampling: Sampling) -> int | None:
        """How many samples to expect; None if that is known only after reading it."""
        return None

    def sample_times_us(self, sampling: Sampling) -> list[int]:
        """The times at which its samples end, in order, where reading may begin at any of them as
        cheaply as at the beginning, and gives the same frames; else none.
        """
        return []

    def reopen(self) -> Self:
        """The same source from its beginning; a live one from now on.

        Raises SourceError if it is no longer there, or can be read only once.
        """
        raise SourceError(f"{self.name} can be read once only; open it again")

    def frames_at(self, pts_us: Sequence[int]) -> Iterator[Frame]:
        """The frames presented at these times, or last before them, in time order."""
        raise self._cannot_seek()

    def frames_by_index(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Frames by their position among those presented, which must rise."""
        raise self._cannot_seek()

    def stretches(self, indices: Sequence[int], max_frames: int) -> list[list[int]]:
        """Frames in groups that are best decoded together, each of at most `max_frames`.

        indices: positions among the frames presented, rising.
        """
        raise self._cannot_seek()

    def close(self) -> None:  # noqa: B027 (most sources hold nothing between calls)
        """Release what it holds; calling it twice is fine."""

    def _cannot_seek(self) -> SourceError:
        return SourceError(f"{self.name} has no frames to go back to; record it to a file first")


class LiveSource(Source):
    """A source whose frames do not wait, such as a camera or a stream.

    lag_s: seconds between the newest frame that was received and the last one that was taken.
    received, skipped: frames so far; skipped ones came while others were being analysed.
    reconnects: how often the connection was lost and made again.
    """

    is_live = True
    lag_s: float = 0.0
    received: int = 0
    skipped: int = 0
    reconnects: int = 0

    @abstractmethod
    def stop(self) -> None:
        """End `samples` after the frame under way; may be called from another thread."""
