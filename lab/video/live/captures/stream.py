"""RTSP, HLS, HTTP and MJPEG streams, by PyAV."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import takewhile
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lab.access.addresses import AddressError
from lab.access.checked_proxy import CheckedProxy
from lab.errors import SettingError, SourceError
from lab.video.live.capture import Capture, Captured
from lab.video.live.pace import Pace
from lab.video.live.pictures import checked_height

if TYPE_CHECKING:
    import av
    import av.container
    from av.video.stream import VideoStream

_SCHEMES = {
    "rtsp": "rtsp,rtp,udp,tcp,crypto",
    "rtsps": "rtsp,rtsps,rtp,udp,tcp,tls,crypto",
    "http": "http,tcp,hls,crypto",
    "https": "http,https,tcp,tls,hls,crypto",
}
# A playlist may name only what is fetched over the network, never a file.
_DEMUXERS = (
    "rtsp,sdp,hls,mpegts,mov,mp4,m4a,3gp,3g2,mj2,flv,mpjpeg,mjpeg,matroska,webm,h264,hevc,aac"
)
_MAX_UNTIL_KEYFRAME_S = 60.0
_MAX_UNTIMED = 16
_MAX_CAMERA_TIMES = 300
_MICROSECONDS = 1_000_000
_PASSWORD = re.compile(r"(?<=://)[^/@\s]*@")
# Their packets have no times of their own: they have those of their arrival.
_UNTIMED = frozenset(("h264", "hevc", "jpeg_pipe", "mjpeg", "mpjpeg"))
_TICK = Fraction(1, _MICROSECONDS)
_LATE_S, _GAP_S = 10.0, 10.0
_MAX_UNDECODED_S = 5.0
_MAX_CONNECT_S = 120


class StreamCapture(Capture):
    """One connection to a stream.

    url: rtsp, rtsps, http or https. rtsp_transport: tcp or udp. max_height: of the variants of an
    HLS stream the highest up to this one is taken. connect_s: how long FFmpeg may
    take for each step of connecting; it does not always keep to that.

    Raises SettingError for anything else.
    """

    keeps_to_addresses = True

    def __init__(
        self,
        url: str,
        *,
        rtsp_transport: str = "tcp",
        max_height: int | None = None,
        connect_s: float = 10.0,
    ) -> None:
        checked_url(url)
        if rtsp_transport not in ("tcp", "udp"):
            raise SettingError(f"rtsp_transport must be tcp or udp, got {rtsp_transport!r:.80}")
        if not isinstance(connect_s, int | float) or not 0 < connect_s <= _MAX_CONNECT_S:
            raise SettingError(
                f"connect_s must be more than 0 and at most {_MAX_CONNECT_S} seconds, "
                f"got {connect_s!r:.80}"
            )
        self._name = without_password(url)
        self.max_height = checked_height(max_height)
        self._rtsp_transport, self._connect_us = rtsp_transport, int(connect_s * _MICROSECONDS)
        self._go_to(url)
        self._open = ExitStack()
        self._camera_times: dict[int | None, float] = {}
        self._proxy: CheckedProxy | None = None
        self.stream: VideoStream | None = None

    def check(self) -> None:
        """See `lab.video.live.capture.Capture`: whether it may be connected to by this scheme."""
        if not self.addresses.allows_private and urlsplit(self._url).scheme.startswith("rtsp"):
            raise AddressError(
                f"{self._name}: RTSP cannot be kept to public addresses; whoever runs the app can "
                "add this stream, or set private_addresses"
            )

    def read(self) -> Iterator[Captured]:
        """See `lab.video.live.capture.Capture`."""
        import av

        container = self._connected()
        self.stream = stream = self._chosen(container)
        stream.codec_context.thread_type = "SLICE"  # frame threads would hold frames back
        pace = self._pace(container)
        is_untimed = container.format.name in _UNTIMED
        decoded_at = time.monotonic()
        try:
            packets = _arriving(container.demux(stream)) if is_untimed else container.demux(stream)
            for packet in _timed(_from_keyframe(packets), stream):
                if packet is None:
                    decoded_at = time.monotonic()
                    yield Captured(waiting="the first keyframe has not come yet")
                    continue
                frames = self._frames(packet)
                if frames:
                    decoded_at = time.monotonic()
                elif time.monotonic() - decoded_at > _MAX_UNDECODED_S:
                    raise SourceError(f"{self._name} sends what cannot be decoded any more")
                camera_time = self._camera_time(packet, frames)
                if pace is None:
                    yield Captured(packet, frames, camera_time)
                    continue
                yield Captured(packet)
                for frame in frames:
                    yield from _due(frame, pace)
                    decoded_at = time.monotonic()
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"{self._name} broke off: {_why(error)}") from None
        for frame in self._frames(None):
            yield from _due(frame, pace)

    def _go_to(self, url: str, user_agent: str = "") -> None:
        scheme = urlsplit(url).scheme
        self._url = url
        self._options = {
            "protocol_whitelist": _SCHEMES[scheme],
            "format_whitelist": _DEMUXERS,
            # Nothing is learnt from the rate of frames, and at one a second it takes for ever.
            "fpsprobesize": "0",
        }
        if scheme.startswith("rtsp"):
            self._options["rtsp_transport"] = self._rtsp_transport
            self._options["timeout"] = str(self._connect_us)
        else:
            self._options["rw_timeout"] = str(self._connect_us)
            if user_agent:
                self._options["user_agent"] = user_agent

    def _connected(self) -> av.container.InputContainer:
        import av

        host = urlsplit(self._url).hostname
        checked = self._checked_options()
        try:
            socket.getaddrinfo(host, None)  # FFmpeg does not say what was wrong
        except (OSError, UnicodeError):
            raise SourceError(
                f"{self._name} cannot be opened: there is no such host; check the spelling"
            ) from None
        try:
            return self._open.enter_context(
                av.open(self._url, options=checked, metadata_errors="replace")
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            if self._proxy is not None and self._proxy.refused is not None:
                raise AddressError(f"{self._name}: {self._proxy.refused}") from None
            raise SourceError(f"{self._name} cannot be opened: {_why(error)}") from None

    def _checked_options(self) -> dict[str, str]:
        """With a proxy that holds FFmpeg to the rules, whatever redirects and playlists say."""
        if self.addresses.allows_private:
            return self._options
        self.check()
        self._proxy = self._proxy or self._open.enter_context(CheckedProxy(self.addresses))
        for name in ("no_proxy", "NO_PROXY"):  # FFmpeg would go past the proxy
            os.environ.pop(name, None)
        protocols = self._options["protocol_whitelist"] + ",httpproxy"
        return self._options | {"http_proxy": self._proxy.url, "protocol_whitelist": protocols}

    def _chosen(self, container: av.container.InputContainer) -> VideoStream:
        """The highest picture up to `max_height`; the others are not fetched."""
        from av.stream import Discard

        videos = list(container.streams.video)
        if not videos:
            kinds = " and ".join(sorted({one.type for one in container.streams})) or "nothing"
            raise SourceError(
                f"{self._name} has no video stream, only {kinds}; give another address"
            )
        limit = self.max_height or float("inf")
        fitting = [one for one in videos if one.height <= limit]
        chosen = (
            max(fitting, key=lambda one: one.height)
            if fitting
            else min(videos, key=lambda one: one.height)
        )
        for one in container.streams:
            if one.index != chosen.index:
                one.discard = Discard.all
        return chosen

    def _pace(self, container: av.container.InputContainer) -> Pace | None:
        """HLS comes in bursts, and a file over HTTP as fast as it can: they wait for their time."""
        if container.format.name == "rtsp":
            return None
        self.is_finite = container.duration is not None
        is_ahead = self.is_finite or container.size > 0 or container.format.name.startswith("hls")
        return Pace(_LATE_S, _GAP_S) if is_ahead else None

    def _frames(self, packet: av.Packet | None) -> tuple[av.VideoFrame, ...]:
        import av

        assert self.stream is not None
        try:
            return tuple(self.stream.codec_context.decode(packet))
        except av.FFmpegError:
            return ()  # a damaged packet: the next keyframe is whole again

    def _camera_time(self, packet: av.Packet, frames: tuple[av.VideoFrame, ...]) -> float | None:
        """When the first of the frames was taken, by the reports of an RTSP camera (RTCP)."""
        if packet.has_sidedata("prft"):
            if len(self._camera_times) > _MAX_CAMERA_TIMES:
                self._camera_times.clear()
            (microseconds,) = struct.unpack_from("=q", bytes(packet.get_sidedata("prft")))
            self._camera_times[packet.pts] = microseconds / _MICROSECONDS
        return self._camera_times.pop(frames[0].pts, None) if frames else None

    def time_base(self) -> Fraction:
        assert self.stream is not None
        assert self.stream.time_base is not None
        return self.stream.time_base

    def close(self) -> None:
        self._open.close()


def _due(frame: av.VideoFrame, pace: Pace | None) -> Iterator[Captured]:
    if pace is not None and frame.pts is not None and frame.time_base is not None:
        yield from pace.wait(float(frame.pts * frame.time_base))
    yield Captured(None, (frame,))


def _from_keyframe(packets: Iterator[av.Packet]) -> Iterator[av.Packet | None]:
    """None in the place of what comes before, which cannot be decoded. Without a keyframe in sight,
    everything.
    """
    has_begun, begun_at = False, time.monotonic()
    for packet in packets:
        has_begun = (
            has_begun or packet.is_keyframe or time.monotonic() - begun_at > _MAX_UNTIL_KEYFRAME_S
        )
        if packet.size:
            yield packet if has_begun else None


def _arriving(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    """With the time at which each came."""
    begun = time.monotonic_ns()
    for packet in packets:
        packet.time_base = _TICK
        packet.pts = packet.dts = (time.monotonic_ns() - begun) // 1000
        yield packet


def _timed(packets: Iterator[av.Packet | None], stream: VideoStream) -> Iterator[av.Packet | None]:
    """The first packets of an RTSP stream may have no times: theirs lie before all that follow, of
    which as many are waited for as may be presented in another order.
    """
    head: list[av.Packet] = []
    for packet in packets:
        if packet is None:
            yield None
            continue
        head.append(packet)
        known = [one.pts for one in head if one.pts is not None]
        is_enough = len(known) > stream.codec_context.has_b_frames or head[0].pts is not None
        if is_enough or len(head) > _MAX_UNTIMED:
            _set_untimed(head, known, stream)
            yield from head
            yield from packets
            return
    yield from head


def _set_untimed(head: list[av.Packet], known: list[int], stream: VideoStream) -> None:
    rate, time_base = stream.average_rate or 25, head[0].time_base or Fraction(1, 90_000)
    step = max(1, round(1 / (rate * time_base)))
    untimed = list(takewhile(lambda one: one.pts is None, head))
    for back, packet in enumerate(reversed(untimed), start=1):
        if known:
            packet.pts = min(known) - back * step


def checked_url(url: str) -> str:
    """The scheme of an address that can be a stream. Raises SettingError."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (raises for what is no number)
    except (ValueError, AttributeError, TypeError):
        raise SettingError(
            f"url must be an address, got {_shown(str(url))!r}; check host and port"
        ) from None
    if parts.scheme not in _SCHEMES:
        raise SettingError(
            f"url must begin with {', '.join(f'{s}://' for s in _SCHEMES)}, got {_shown(url)!r}"
        )
    if not parts.hostname:
        raise SettingError(f"url must name a host, got {_shown(url)!r}")
    return parts.scheme


def without_password(url: str) -> str:
    """An address as it may be shown: without user, password and query."""
    return _PASSWORD.sub("", url).partition("?")[0]


def _shown(url: str) -> str:
    """What may be no address, and hold a password that cannot be told apart."""
    return f"{re.sub('(?<=://).*@', '', url, flags=re.DOTALL).partition('?')[0]:.200}"


_REASONS = {
    "401": "user or password are wrong, or missing",
    "403": "it refuses this user",
    "404": "there is no such stream; check the path",
    "connection refused": "nothing answers there; check host and port",
    "name or service not known": "there is no such host; check the spelling",
    "timed out": "it does not answer",
    "input/output error": "the connection was closed",
    "461": "it does not send that way; try the other rtsp_transport",
    "invalid data": "what it answers is no video",
    "invalid argument": "what it answers is no video",
}


def _why(error: Exception) -> str:
    text = without_password(f"{getattr(error, 'strerror', None) or error}")
    known = next((why for mark, why in _REASONS.items() if mark in text.lower()), None)
    return f"{known} ({text})" if known else text
