"""What virtual cameras are, and what their clients may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True, kw_only=True)
class CameraSettings:
    """One camera.

    video: a path, or an address (`s3://`, `gs://`, `https://`). fps: frames a second at most, None
    for the media's own rate. loop: begin again at the end; else the last frame stays. jpeg_quality:
    1 to 100. source, version: what its messages say.
    """

    name: str
    video: str
    fps: Fraction | None = None
    loop: bool = True
    jpeg_quality: int = 80
    source: str = "DrishtiStream"
    version: str = "v1.0"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What clients may take.

    clients: of a camera at one time. send_s: how long one may take nothing. silence_s: how long one
    may say nothing, answers to pings included. message_bytes: of a message from a client.
    """

    clients: int = 100
    send_s: float = 10.0
    silence_s: float = 60.0
    message_bytes: int = 65536


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """All of one process. origins, hosts: web pages that may connect, and names of this server,
    beside its own.
    """

    cameras: tuple[CameraSettings, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    log_level: str = "INFO"
    log_format: str = "%(asctime)s %(levelname)s %(message)s"
