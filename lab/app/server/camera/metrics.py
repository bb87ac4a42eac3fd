"""Cameras, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest

from lab import __version__
from lab.app.server.camera.camera import LATENESS_S, Camera

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "sighting_lab_camera_"
_COUNTERS: dict[str, tuple[str, Callable[[Camera], float]]] = {
    "frames_sent": ("Pictures that were handed to clients.", lambda one: one.sent),
    "frames_dropped": (
        "Pictures that were kept from clients which had not taken the one before.",
        lambda one: one.dropped,
    ),
    "frames_skipped": (
        "Frames that nobody got: late after a stall, or damaged.",
        lambda one: one.skipped,
    ),
    "clients_dropped": (
        "Clients that took nothing for longer than they may.",
        lambda one: one.kicked,
    ),
    "player_restarts": ("How often the player was started again.", lambda one: one.restarts),
}


def metrics_text(cameras: Iterable[Camera]) -> bytes:
    """In Prometheus' exposition format 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(list(cameras)))  # type: ignore[arg-type]
    return generate_latest(registry)


class _Figures:
    """A collector of one answer: nothing is counted here, only told."""

    def __init__(self, cameras: list[Camera]) -> None:
        self._cameras = cameras

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(
            "sighting_lab_build_info", "The version that runs.", labels=["version"]
        )
        build.add_metric([__version__], 1)
        yield build
        up = GaugeMetricFamily(f"{_PREFIX}up", "1 while pictures leave, else 0.", labels=["camera"])
        clients = GaugeMetricFamily(f"{_PREFIX}clients", "Clients now.", labels=["camera"])
        newest = GaugeMetricFamily(
            f"{_PREFIX}last_frame_timestamp_seconds",
            "When the last picture was due.",
            labels=["camera"],
        )
        for one in self._cameras:
            name = [one.settings.name]
            up.add_metric(name, float(one.problem is None and one.last is not None))
            clients.add_metric(name, one.client_count)
            if one.last is not None:
                newest.add_metric(name, one.last.timestamp)
        yield from (up, clients, newest)
        for key, (text, value) in _COUNTERS.items():
            counter = CounterMetricFamily(f"{_PREFIX}{key}", text, labels=["camera"])
            for one in self._cameras:
                counter.add_metric([one.settings.name], value(one))
            yield counter
        yield self._lateness()

    def _lateness(self) -> Metric:
        found = HistogramMetricFamily(
            f"{_PREFIX}lateness_seconds",
            "How late pictures were handed to clients.",
            labels=["camera"],
        )
        names = [*map(str, LATENESS_S), "+Inf"]
        for one in self._cameras:
            buckets = list(zip(names, accumulate(one.lateness), strict=True))
            found.add_metric([one.settings.name], buckets, one.lateness_sum_s)
        return found
