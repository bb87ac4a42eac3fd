"""Keeping the packets of a connection as they came, in files of about a minute.

A folder holds `recording.jsonl`, a line for each thing that began, in order: a `connection`, a
`segment` (a fragmented MP4 file; if the process is killed it is whole up to its last packet but
one, which then lies beside it), a `shift` (from that packet on, its times in the file and in the
stream differ by another number), an `epoch` of `MediaClock`, the `first` frame of a segment, a
`camera_clock`, and the `end` of the connection. After so many packets of a segment, a picture may
have been `damaged`, or the decoder `drained`; a segment `is_fresh` where a new decoder began with
it. Nothing is encoded again, so that decoding the packets gives the same frames.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.video.live.media_clock import Epoch
from lab.video.live.recording_index import INDEX, read_lines
from lab.video.live.tail import SUFFIX, Tail

if TYPE_CHECKING:
    import av
    import av.container
    from av.video.stream import VideoStream

SEGMENT_S = 60
_LEAD_S = 2  # by which pictures may be presented before the packets that came earlier
_MAX_AHEAD_S = 10  # by which the times of the stream may jump within one file
_OPTIONS = {
    "movflags": "frag_every_frame+empty_moov+default_base_moof",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
    "flush_packets": "1",
}
# By the names of their decoders, and of the encoder that is used here. Others are kept in NUT,
# which takes all codecs and any times.
_IN_MP4 = frozenset(
    (
        "av1", "h264", "hevc", "libdav1d", "libvpx-vp9", "libx264", "mjpeg", "mpeg2video", "mpeg4",
        "png", "vp9",
    )
)  # fmt: skip


class Recorder:
    """Writes one connection.

    folder: where earlier connections of the same recording lie, too. last_us: the media time up to
    which those were seen by whoever analyses them. max_height, fps: as of
    `lab.video.live.capture.Capture`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        last_us: int | None = None,
        max_height: int | None = None,
        fps: float | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._number = _last_number(folder)
        self._index = (folder / INDEX).open("a", encoding="utf-8")
        if self._index.tell() and not (folder / INDEX).read_bytes().endswith(b"\n"):
            self._index.write("\n")  # a line that was not finished ends here
        self._out: av.container.OutputContainer | None = None
        self._stream: Any = None
        self._source: VideoStream | None = None
        self._tail: Tail | None = None
        self._segment_ticks = self._expected = 0
        self._shift = self._lead = 0
        self._packets = 0
        self._last_dts = -1
        self._first: int | None = None
        # Written with the first line that follows: many connections give nothing.
        self._begin: dict[str, Any] | None = {
            "last_us": last_us,
            "max_height": max_height,
            "fps": fps,
        }

    def close(self, last_us: int | None = None) -> None:
        """last_us: the media time of its last frame, as it is known to have been given."""
        try:
            self._close_segment()
            if self._begin is None:
                self._note("end", last_us=last_us)
        finally:
            self._index.close()

    def add(self, packet: av.Packet, stream: VideoStream) -> None:
        """A packet that was decoded already; it is changed. Raises OSError, or av.FFmpegError, if
        it cannot be kept.

        stream: another one than before means that another decoder began with this packet.
        """
        import av

        ticks = packet.pts if packet.dts is None else packet.dts
        if ticks is None or packet.time_base is None:
            return
        long_ago = abs(ticks - self._segment_ticks) * packet.time_base >= SEGMENT_S
        is_fresh = self._source is not None and stream is not self._source
        if self._out is None or is_fresh or (packet.is_keyframe and long_ago):
            self._begin_segment(packet, ticks, stream, is_fresh)
        self._set_times(packet, ticks)
        last = av.Packet(bytes(packet))
        last.pts, last.dts, last.is_keyframe = packet.pts, packet.dts, packet.is_keyframe
        packet.stream = self._stream
        assert self._out is not None
        assert self._tail is not None
        self._out.mux_one(packet)
        self._tail.keep(self._packets, last)
        self._packets += 1

    def _set_times(self, packet: av.Packet, ticks: int) -> None:
        """Cameras leave decoding times out, give some that do not rise, or jump. They decide
        nothing here, but a file must have them, rising, and before the times of presentation.
        """
        pts = packet.pts if packet.pts is not None else ticks
        assert packet.time_base is not None
        if abs(ticks - self._expected) * packet.time_base > _MAX_AHEAD_S:
            self._move(ticks - self._last_dts - 1)
        dts = max(self._last_dts + 1, ticks - self._shift)
        if pts - self._shift + self._lead < dts:
            self._move(pts + self._lead - dts)
        packet.pts, packet.dts = pts - self._shift + self._lead, dts
        self._last_dts = dts
        self._expected = ticks

    def _move(self, shift: int) -> None:
        self._shift = shift
        self._note("shift", packet=self._packets, shift=shift - self._lead)

    def begin_epoch(self, epoch: Epoch, rotation_deg: int = 0) -> None:
        """rotation_deg: of its pictures."""
        self._note("epoch", **epoch.to_dict(), rotation_deg=rotation_deg)

    def note_frame(
        self, ticks: int, index: int, pts_us: int, camera_time: float | None = None
    ) -> None:
        """A frame that was decoded: its time in the stream, number and media time; Unix seconds by
        the camera's clock, where that says something new.
        """
        if ticks == self._first:
            self._first = None
            self._note("first", ticks=ticks, index=index)
        if camera_time is not None:
            self._note("camera_clock", pts_us=pts_us, camera_time=camera_time)

    def note_extra(self, pts_us: int) -> None:
        """A frame that is a sample though it is not the turn of one."""
        self._note("extra", pts_us=pts_us)

    def note_damaged(self, ticks: int, reason: str) -> None:
        """A picture that is not kept, for it could not be decoded."""
        packets = 0 if self._out is None else self._packets
        self._note("damaged", ticks=ticks, packets=packets, reason=reason)

    def note_drained(self) -> None:
        """The decoder was asked for all that it held, and another one begins."""
        self._note("drained", packets=self._packets)

    def _begin_segment(
        self, packet: av.Packet, ticks: int, stream: VideoStream, is_fresh: bool
    ) -> None:
        import av

        assert packet.time_base is not None
        time_base = packet.time_base
        self._close_segment()
        self._number += 1
        options = {**_OPTIONS, "video_track_timescale": str(time_base.denominator)}
        suffix = "mp4"
        if stream.codec_context.name not in _IN_MP4:
            suffix, options = "nut", {"flush_packets": "1"}
        name = f"{self._number:06d}.{suffix}"
        self._out = av.open(str(self._folder / name), "w", format=suffix, options=options)
        self._stream = self._out.add_stream_from_template(stream)
        self._stream.time_base = time_base
        self._source = stream
        self._tail = Tail((self._folder / name).with_suffix(SUFFIX))
        self._segment_ticks = self._shift = self._expected = ticks
        self._last_dts, self._packets = -1, 0
        self._first = packet.pts if packet.pts is not None else ticks
        self._lead = int(_LEAD_S / time_base)
        fresh = {"is_fresh": True} if is_fresh else {}
        shift = ticks - self._lead
        self._note("segment", name=name, shift=shift, time_base=str(time_base), **fresh)

    def _close_segment(self) -> None:
        out, self._out = self._out, None
        tail, self._tail = self._tail, None
        if out is not None:
            out.close()
        if tail is not None:
            tail.remove()

    def _note(self, kind: str, **values: Any) -> None:
        if self._begin is not None:
            begin, self._begin = self._begin, None
            self._note("connection", **begin)
        self._index.write(json.dumps({"kind": kind, **values}) + "\n")
        self._index.flush()


def _last_number(folder: Path) -> int:
    """Of the newest segment, though its file may have been removed."""
    names = {one.name for one in folder.iterdir()}
    names |= {line["name"] for line in read_lines(folder) if line["kind"] == "segment"}
    return max((int(name[:-4]) for name in names if name[:-4].isdigit()), default=0)
