"""Metrics as Prometheus' own client reads them."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

import lab
from lab.errors import LabError
from tests.feeds.status_examples import feed_row, sink_row, status_of

parser = pytest.importorskip("prometheus_client.parser", reason="needs the extra live")
from lab.feeds.metrics import MetricsServer, metrics_text  # noqa: E402

# Name, type and labels, as dashboards rely on them.
NAMES = {
    "build_info": ("gauge", {"version"}),
    "jobs": ("gauge", {"state"}),
    "queue_workers": ("gauge", {"state"}),
    "feed_up": ("gauge", {"feed"}),
    "feed_last_frame_timestamp_seconds": ("gauge", {"feed"}),
    "feed_lag_seconds": ("gauge", {"feed"}),
    "feed_reconnects_total": ("counter", {"feed"}),
    "frames_decoded_total": ("counter", {"feed"}),
    "frames_skipped_total": ("counter", {"feed"}),
    "samples_total": ("counter", {"feed", "outcome"}),
    "sightings_total": ("counter", {"feed", "label"}),
    "alerts_total": ("counter", {"feed"}),
    "feed_drift": ("gauge", {"feed", "kind"}),
    "inference_duration_seconds_bucket": ("histogram", {"detector", "le"}),
    "inference_duration_seconds_count": ("histogram", {"detector"}),
    "inference_duration_seconds_sum": ("histogram", {"detector"}),
    "sink_outbox_items": ("gauge", {"sink"}),
    "sink_deliveries_total": ("counter", {"sink", "outcome"}),
}


def samples_of(text):
    """Name, without the prefix, to its samples and their type."""
    found = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.name.startswith("sighting_lab_")
            name = sample.name.removeprefix("sighting_lab_")
            found.setdefault(name, []).append((family.type, sample.labels, sample.value))
    return found


def value(found, name, **labels):
    (one,) = [v for _, its, v in found[name] if its == labels]
    return one


def test_all_that_runs_is_told_by_its_name_and_labels():
    feeds = {"garden": feed_row("garden"), "pond": feed_row("pond", state="reconnecting")}
    status = status_of(feeds, sinks={"chat": sink_row("discord", waiting=4, dropped=2)}, now=1e9)
    found = samples_of(metrics_text(status, {"waiting": 3, "done": 9}, {"busy": 2}))
    assert {name: (rows[0][0], set(rows[0][1])) for name, rows in found.items()} == NAMES
    assert value(found, "build_info", version=lab.__version__) == 1
    assert value(found, "feed_up", feed="garden") == 1
    assert value(found, "feed_up", feed="pond") == 0
    assert value(found, "feed_lag_seconds", feed="garden") == 0.41
    assert value(found, "samples_total", feed="pond", outcome="failed") == 1
    assert value(found, "sightings_total", feed="garden", label="cat") == 2
    assert value(found, "sink_outbox_items", sink="chat") == 4
    assert value(found, "sink_deliveries_total", sink="chat", outcome="dropped") == 2
    assert value(found, "jobs", state="waiting") == 3
    assert value(found, "queue_workers", state="busy") == 2


def test_times_of_inference_are_a_histogram_that_ends_at_infinity():
    found = samples_of(metrics_text(status_of({"garden": feed_row("garden")}), {}))
    buckets = {labels["le"]: n for _, labels, n in found["inference_duration_seconds_bucket"]}
    assert buckets == {"0.05": 700, "0.1": 1700, "0.25": 1797, "+Inf": 1800}
    assert value(found, "inference_duration_seconds_count", detector="yolo") == 1800
    assert value(found, "inference_duration_seconds_sum", detector="yolo") == 108.5


def test_where_nothing_watches_the_version_and_the_jobs_are_told():
    found = samples_of(metrics_text(None, {"running": 1}))
    assert set(found) == {"build_info", "jobs"}


def test_a_feed_that_has_given_nothing_yet_has_no_time_and_no_lag():
    row = feed_row("garden", state="starting", last_frame_at=None, lag_s=None)
    found = samples_of(metrics_text(status_of({"garden": row}), {}))
    assert "feed_lag_seconds" not in found
    assert "feed_last_frame_timestamp_seconds" not in found
    assert value(found, "feed_up", feed="garden") == 0


@pytest.mark.parametrize(
    "label", ['a "cat"', "back\\slash", "two\nlines", "рысь 🐈", "{x=1} 2 # y"]
)
def test_any_label_comes_back_as_it_is(label):
    row = feed_row("garden")
    row["day"] = {"date": "2026-11-22", "sightings": {label: 7}, "alerts": 0}
    found = samples_of(metrics_text(status_of({"garden": row}), {}))
    assert value(found, "sightings_total", feed="garden", label=label) == 7


def test_no_address_run_or_clip_is_in_the_text():
    text = metrics_text(status_of({"garden": feed_row("garden")}), {})
    assert "rtsp" not in text
    assert "run_garden" not in text
    assert "media_garden" not in text


def test_the_server_of_lab_watch_answers_this_machine_with_the_text():
    with MetricsServer(0, lambda: metrics_text(None, {})) as server:
        address = f"http://127.0.0.1:{server.port}"
        with urllib.request.urlopen(f"{address}/metrics", timeout=30) as answer:
            assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert "build_info" in samples_of(answer.read().decode())
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{address}/", timeout=30)
        with pytest.raises(LabError, match=f"port {server.port} cannot be used for metrics"):
            MetricsServer(server.port, lambda: "")


@pytest.mark.long
def test_lab_watch_answers_for_the_feeds_that_it_watches(tmp_path, samples):
    source = {"type": "file", "path": str(samples / "cat_comes_and_goes.mp4"), "loop": True}
    feed = {"id": "yard", "source": source, "detector": {"type": "motion"}, "sinks": []}
    (tmp_path / "feeds.json").write_text(json.dumps({"feeds": [{**feed, "every_s": 0.5}]}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "lab", "watch", str(tmp_path / "feeds.json"), "--store"]
    command += [str(tmp_path / "store"), "--metrics-port", port]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while not (found := asked(port)) or not value(found, "feed_up", feed="yard"):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.2)
        while not value(asked(port), "samples_total", feed="yard", outcome="ok"):
            assert time.monotonic() < end
            time.sleep(0.2)
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()


def asked(port):
    """What is answered; None before anybody does."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            return samples_of(answer.read().decode())
    except urllib.error.URLError:
        return None


def test_drift_and_controls_are_told_of_each_feed():
    report = {"state": "ok", "recall": 0.75, "began": 1e9, "text": "the control found 3 of 4"}
    garden = feed_row(
        "garden", drift_findings=[{"kind": "moved"}], control={"state": "ok", "report": report}
    )
    status = status_of({"garden": garden, "pond": feed_row("pond")}, now=1e9)
    found = samples_of(metrics_text(status, {}))
    assert value(found, "feed_drift", feed="garden", kind="moved") == 1
    assert value(found, "feed_drift", feed="garden", kind="colour") == 0
    assert value(found, "feed_drift", feed="pond", kind="moved") == 0
    assert value(found, "feed_control_ok", feed="garden") == 1
    assert value(found, "feed_control_recall", feed="garden") == 0.75
    assert len(found["feed_control_timestamp_seconds"]) == 1
