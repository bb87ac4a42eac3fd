"""What runs, as Prometheus reads it: feeds, sinks and the queue of jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from lab import __version__
from lab.errors import LabError
from lab.extras import need
from lab.feeds.drift_kinds import DRIFT_KINDS

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "sighting_lab_"
_DELIVERIES = ("delivered", "failed", "dropped")
Status = Mapping[str, Any]


def metrics_text(
    status: Status | None, jobs: Mapping[str, int], workers: Mapping[str, int] | None = None
) -> str:
    """The text of `/metrics`, in Prometheus' exposition format 0.0.4.

    status: of the process that watches, as in its status file; None where nothing watches. jobs:
    how many jobs of the queue are in each state. workers: on other machines, that take such jobs,
    by whether they are busy or waiting.

    Raises LabError if the package prometheus-client is not installed.
    """
    need("/metrics", "live", "prometheus_client", error=LabError)
    return text_of(_Figures(status or {}, jobs, workers or {}))


def text_of(collector: Any) -> str:
    """What a collector gives now, in Prometheus' exposition format 0.0.4."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry).decode()


class _Figures:
    """A collector of one answer: nothing is counted here, only told."""

    def __init__(self, status: Status, jobs: Mapping[str, int], workers: Mapping[str, int]) -> None:
        self._feeds: Mapping[str, Any] = status.get("feeds") or {}
        self._sinks: Mapping[str, Any] = status.get("sinks") or {}
        figures: Mapping[str, Any] = status.get("metrics") or {}
        self._totals: Mapping[str, Any] = figures.get("totals") or {}
        self._inference: Mapping[str, Any] = figures.get("inference") or {}
        self._jobs, self._workers = jobs, workers

    def collect(self) -> Iterator[Metric]:
        yield gauge("build_info", "The version that runs.", ["version"], [([__version__], 1)])
        counts = [([state], float(count)) for state, count in self._jobs.items()]
        yield gauge("jobs", "Jobs of the queue, by state.", ["state"], counts)
        far = [([state], float(count)) for state, count in self._workers.items()]
        yield gauge("queue_workers", "Workers on other machines, by state.", ["state"], far)
        yield from self._of_feeds()
        yield inference_durations(self._inference)
        yield from self._of_sinks()

    def _of_feeds(self) -> Iterator[Metric]:
        feeds = self._feeds
        up = [([feed], float(row.get("state") == "live")) for feed, row in feeds.items()]
        yield gauge("feed_up", "1 while a feed gives new pictures, else 0.", ["feed"], up)
        for name, key, text in (
            ("feed_last_frame_timestamp_seconds", "last_frame_at", "When the last frame came."),
            ("feed_lag_seconds", "lag_s", "Age of the last sample when it was decided on."),
        ):
            rows = [([f], row[key]) for f, row in feeds.items() if row.get(key) is not None]
            yield gauge(name, text, ["feed"], rows)
        for name, key, text in (
            ("feed_reconnects", "reconnects", "How often a feed was connected again."),
            ("frames_decoded", "decoded", "Frames that were decoded."),
            ("frames_skipped", "skipped", "Samples that newer frames overtook."),
        ):
            rows = [([f], row.get(key) or 0) for f, row in feeds.items()]
            yield counter(name, text, ["feed"], rows)
        yield from self._of_totals()
        yield from self._of_drift()
        yield from self._of_controls()

    def _of_controls(self) -> Iterator[Metric]:
        reports = {
            feed: report
            for feed, row in self._feeds.items()
            if (report := (row.get("control") or {}).get("report")) is not None
        }
        rows = [([feed], float(one["state"] == "ok")) for feed, one in reports.items()]
        yield gauge("feed_control_ok", "1 if the last control went well, else 0.", ["feed"], rows)
        for name, key, text in (
            ("feed_control_recall", "recall", "Share of the last control that was found."),
            ("feed_control_timestamp_seconds", "began", "When the last control was played."),
        ):
            rows = [([f], one[key]) for f, one in reports.items() if one.get(key) is not None]
            yield gauge(name, text, ["feed"], rows)

    def _of_drift(self) -> Iterator[Metric]:
        rows = []
        for feed, row in self._feeds.items():
            kinds = {found.get("kind") for found in row.get("drift_findings") or ()}
            rows += [([feed, kind], float(kind in kinds)) for kind in DRIFT_KINDS]
        text = "1 while a feed has left the footage that it is compared with, else 0."
        yield gauge("feed_drift", text, ["feed", "kind"], rows)

    def _of_totals(self) -> Iterator[Metric]:
        samples, sightings = [], []
        for feed, total in self._totals.items():
            samples += [([feed, how], n) for how, n in (total.get("samples") or {}).items()]
            sightings += [([feed, what], n) for what, n in (total.get("sightings") or {}).items()]
        alerts = [([feed], total.get("alerts") or 0) for feed, total in self._totals.items()]
        yield counter("samples", "Samples, by outcome.", ["feed", "outcome"], samples)
        yield counter("sightings", "Sightings that opened.", ["feed", "label"], sightings)
        yield counter("alerts", "Alerts.", ["feed"], alerts)

    def _of_sinks(self) -> Iterator[Metric]:
        waiting, ended = [], []
        for sink, row in self._sinks.items():
            waiting.append(([sink], row.get("waiting") or 0))
            ended += [([sink, how], row.get(how) or 0) for how in _DELIVERIES]
        yield gauge("sink_outbox_items", "Events that wait for a sink.", ["sink"], waiting)
        text = "Events by what became of them."
        yield counter("sink_deliveries", text, ["sink", "outcome"], ended)


def inference_durations(inference: Mapping[str, Any]) -> Metric:
    """inference: see `lab.feeds.shared_detector.SharedModels.durations`."""
    from prometheus_client.core import HistogramMetricFamily

    metric = HistogramMetricFamily(
        f"{_PREFIX}inference_duration_seconds", "Time of a sample.", labels=["detector"]
    )
    for detector, row in inference.items():
        buckets = [(f"{le_s:g}", n) for le_s, n in row["buckets"] if le_s is not None]
        metric.add_metric([detector], [*buckets, ("+Inf", row["count"])], row["sum_s"])
    return metric


Rows = list[tuple[list[str], float]]


def gauge(name: str, text: str, labels: list[str], rows: Rows) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return _filled(GaugeMetricFamily(_PREFIX + name, text, labels=labels), rows)


def counter(name: str, text: str, labels: list[str], rows: Rows) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    return _filled(CounterMetricFamily(_PREFIX + name, text, labels=labels), rows)


def _filled(metric: Any, rows: Rows) -> Metric:
    for labels, value in rows:
        metric.add_metric(labels, value)
    made: Metric = metric
    return made


class MetricsServer:
    """Answers `/metrics` on 127.0.0.1, for `lab watch --metrics-port`; a context manager.

    port: 0 for one that is free; `port` says which. text: gives the answer, from any thread.

    Raises LabError if the port is taken.
    """

    def __init__(self, port: int, text: Callable[[], str]) -> None:
        text()  # what is missing is said at the start
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(text))
        except (OSError, OverflowError) as error:
            raise LabError(
                f"port {port} cannot be used for metrics ({error}); give another"
            ) from None
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        )
        self._thread.start()

    def __enter__(self) -> MetricsServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(text: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            content = text().encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: a line for each scrape would bury what matters."""

    return Handler
