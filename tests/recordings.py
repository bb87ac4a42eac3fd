"""Recordings as a live source leaves them, made of the packets of clips."""

import dataclasses
from contextlib import closing
from pathlib import Path

import av
import numpy as np

from lab.sinks.event import SightingEvent
from lab.video.live.media_clock import MediaClock
from lab.video.live.recorder import Recorder

# A clip of 12 s, small, at 10 frames a second with a keyframe every 2 s; see `encode`.
CLIP = "testsrc2=size=160x120:rate=10:duration=12"
X264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "20", "-bf", "3")


def record(
    folder: Path, clip: Path, *, last_us=None, since_us=0, jump=None
) -> dict[int, np.ndarray]:
    """Record the packets of a clip as one connection; gives its pictures by their media times.

    last_us, since_us: as of `MediaClock`. jump: (frame, seconds) from which on the stream's own
    clock is set to another time.
    """
    pictures = {}
    recorder = Recorder(folder, last_us=last_us)
    index = len(list(folder.glob("*.mp4"))) * 100_000
    with av.open(str(clip)) as container, closing(recorder):
        stream = container.streams.video[0]
        stream.codec_context.thread_type = "SLICE"
        time_base = stream.time_base
        clock = MediaClock(last_us, since_us)
        packets = [packet for packet in container.demux(stream) if packet.size]
        first = min(packet.pts for packet in packets)
        ordered = sorted(packet.pts for packet in packets)
        at = None if jump is None else ordered[jump[0]]
        for packet in [*packets, None]:
            for frame in stream.codec_context.decode(packet):
                arrival_us = round((frame.pts - first) * time_base * 1_000_000)
                ticks = _shifted(frame.pts, at, jump, time_base)
                pts_us, begins = clock.place(ticks, time_base, arrival_us, 1.7e9, index)
                if begins:
                    recorder.begin_epoch(clock.epoch)
                recorder.note_frame(ticks, index, pts_us)
                index += 1
                pictures[pts_us] = frame.to_ndarray(format="bgr24")
            if packet is not None:
                by = _shifted(packet.pts, at, jump, time_base) - packet.pts
                packet.pts, packet.dts = packet.pts + by, packet.dts + by
                recorder.add(packet, stream)
    return pictures


def _shifted(ticks, at, jump, time_base):
    return ticks if at is None or ticks < at else ticks + round(jump[1] / time_base)


def frames_of(path: Path) -> dict[int, np.ndarray]:
    """The pictures of a file by their times in microseconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return {
            round(frame.pts * frame.time_base * 1_000_000): frame.to_ndarray(format="bgr24")
            for frame in container.decode(stream)
        }


def make_event(kind="closed", **values) -> SightingEvent:
    """An event of an otter in a feed `pond`."""
    made = SightingEvent(
        event_id=f"0011223344556677-{kind}",
        kind=kind,
        sequence=1,
        sighting_id="0011223344556677",
        feed="pond",
        feed_name="Pond",
        label="otter",
        detector="yolo",
        run_id="run",
        media_id="media",
        rule_hash="rule",
        created_utc="2026-05-04T10:00:09.000000Z",
        onset_s=4.0,
        onset_earliest_s=3.8,
        offset_s=6.0,
        offset_latest_s=6.2,
        peak_s=5.0,
        peak_confidence=0.75,
        onset_utc="2026-05-04T10:00:04.000000Z",
        offset_utc="2026-05-04T10:00:06.000000Z",
        peak_utc="2026-05-04T10:00:05.000000Z",
        close_reason="exit" if kind == "closed" else None,
        width_px=320,
        height_px=240,
        boxes=((0.25, 0.25, 0.5, 0.75),),
        box_confidences=(0.75,),
    )
    return dataclasses.replace(made, **values)
