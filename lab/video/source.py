"""The contract of a source: where frames come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

from lab.errors import SettingError, SourceError
from lab.frame import Frame, FrameStamp
from lab.video.media import Media
from lab.video.sampling import Sampling, Window

SKIPPED = "a newer frame was there before this one could be analysed"


class Sample(NamedTuple):
    """A frame, and for each analysis the window of frames that it completes, or None.

    skipped: why a live source gives the stamp of a frame alone, None for a frame with its picture.
    """

    frame: Frame | FrameStamp
    windows: tuple[Window | None, ...]
    skipped: str | None = None


class Source(ABC):
    """Where frames come from, in time order; a context manager.

    A frame that could not be decoded is given with its `error`; it is never left out.

    name: for people. It holds no password or key, since it is shown and stored.
    decoded_on: the device that decodes; one that is not the CPU stands in the recipe.
    is_live: frames arrive at their own pace, whether or not they are taken; see `LiveSource`.
    opening_s: seconds that were spent on opening it before it was handed over.
    is_growing: its file is still arriving: all that `media` says but the size of the picture may be
    another when `samples` has ended.
    changes_size: frames may have another size than the media; their boxes are logged in its pixels.
    can_seek: any frame can be read again: `frames_at`, `frames_by_index` and `stretches` work.
    """

    name: str
    decoded_on: str = "cpu"
    is_live: bool = False
    is_growing: bool = False
    changes_size: bool = False
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
            if isinstance(sample.frame, Frame):
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


LiveState = Literal["starting", "live", "reconnecting", "frozen", "stopped", "ended", "failed"]


@dataclass(frozen=True)
class Condition:
    """How a live source is.

    since: Unix seconds. reason: why it is not live. retry_at: when it is tried again, Unix seconds.
    """

    state: LiveState
    since: float
    reason: str | None = None
    retry_at: float | None = None


class LiveSource(Source):
    """A source whose frames do not wait, such as a camera or a stream.

    lag_s: seconds between the newest frame that was received and the last one that was taken.
    received, skipped: frames so far; skipped ones came while others were being analysed.
    reconnects: how often the connection was lost and made again. missed: frames that the other side
    sent, and that did not come. loop_index: how often it has begun again. size_px: width and height
    of the pictures, None before the first. began: Unix seconds of media time 0, None where that is
    not known. problem: what is wrong beside the connection, such as packets that cannot be kept.
    viewer: the file in memory with pictures for those who watch. idle: is called now and then while
    nothing comes, by the thread that takes samples.
    """

    is_live = True
    changes_size = True
    lag_s: float = 0.0
    received: int = 0
    skipped: int = 0
    reconnects: int = 0
    missed: int = 0
    loop_index: int = 0
    size_px: tuple[int, int] | None = None
    began: float | None = None
    problem: str | None = None
    viewer: str | None = None
    idle: Callable[[], None] = staticmethod(lambda: None)

    @property
    def condition(self) -> Condition:
        """A source that does not tell is live."""
        return Condition("live", 0.0)

    def check(self) -> None:
        """Whether it could work, as far as that can be told without connecting.

        Raises SettingError for what would fail for good.
        """

    def begin(self, samplings: Sequence[Sampling]) -> None:
        """Connect. `samples`, for the same samplings, does it where nobody did."""

    def view(self, height: int, for_s: float) -> None:
        """Somebody watches, for so long at least: give pictures of that height to `viewer`."""

    def take_now(self) -> None:
        """Take the next frame as a sample, whatever the time. Raises SettingError if it cannot."""
        raise SettingError(f"{self.name} takes its samples in its own time only")

    def wait(self, timeout_s: float) -> bool:
        """Whether `samples` has something to give, or has ended; waits for it after `begin`."""
        return True

    @abstractmethod
    def stop(self) -> None:
        """End `samples` after the frame under way; may be called from another thread."""
