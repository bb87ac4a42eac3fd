"""What the player gets of a run's log: overview, curves, windows; none grows with the clip."""

import json

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lab.app.server import player_log
from lab.app.server.binary import pack, unpack
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import Config
from lab.rules.box_filter import BoxFilter
from lab.rules.rule import Debounce, LabelRule, Rule
from lab.score_log.score_log import ScoreLog, read_log
from lab.score_log.writer import ScoreLogWriter
from tests.builders import make_detections, make_run

PACKED = (
    "440000007b226e616d65223a225c7530306539222c22617272617973223a7b2261223a5b2275696e7438222c302c"
    "335d2c2262223a5b22666c6f61743332222c382c325d7d7d202001020300000000000000003f0000c07f"
)
PLAIN = Rule()
N = 8000


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    """8,000 samples of two labels, some of which failed."""
    random = np.random.default_rng(0)
    scores = {name: random.uniform(0, 0.99, N).astype(np.float32) for name in ("cat", "dog")}
    scores["cat"][500:600] = 0
    for values in scores.values():
        values[7000:7003] = np.nan
    scores["dog"][5432] = 0.9999
    return make_run(tmp_path_factory.mktemp("long"), scores, every_s=0.5)


@pytest.fixture
def client(long_run):
    app = Starlette(routes=routes(AppState(Config(store=str(long_run.store.folder)))))
    with TestClient(app) as client:
        yield client


def test_arrays_come_as_they_were_packed():
    arrays = {"a": np.array([1, 2, 3], np.uint8), "b": np.array([0.5, np.nan], np.float32)}
    content = pack({"name": "é"}, arrays)
    assert content.hex() == PACKED  # as tests/javascript/binary.test.js has it
    header, found = unpack(content)
    assert header == {"name": "é"}
    np.testing.assert_array_equal(found["a"], arrays["a"])
    np.testing.assert_array_equal(found["b"], arrays["b"])
    with pytest.raises(ValueError, match="int64"):
        pack({}, {"a": np.zeros(1, np.int64)})


def test_an_overview_of_a_long_run_keeps_every_peak_and_every_failure(long_run):
    content = player_log.overview(long_run, version="1")
    about, arrays = unpack(content)
    assert about["samples"] == N
    assert about["is_exact"] is False
    assert about["curves"] == ["dog", "cat"]
    assert len(content) < 25 * 2 * player_log.MOST_BINS
    at_us = arrays["at_us"]
    assert len(at_us) <= player_log.MOST_BINS
    edges = np.searchsorted(long_run.log.pts_us, at_us)
    for i, label in enumerate(about["curves"]):
        full = player_log._scores(long_run, label, None)
        for j, part in enumerate(np.split(full, edges[1:])):
            if np.isnan(part).all():
                assert np.isnan(arrays[f"high.{i}"][j])
                continue
            assert arrays[f"high.{i}"][j] == np.nanmax(part)
            assert arrays[f"low.{i}"][j] == np.nanmin(part)
        marked = at_us[arrays[f"state.{i}"] == player_log.FAILED]
        assert 1 <= len(marked) <= 2
        assert abs(marked[0] - 3_500e6) <= 2.5e6
    assert dict(zip(about["labels"], arrays["peaks"], strict=True))["dog"] == np.float32(0.9999)


def log_of(n):
    """A log in memory: a sample every half second, with two boxes each."""
    rows = np.arange(2 * n)
    return ScoreLog(
        labels=("x",),
        pts_us=np.arange(n) * 500_000,
        frame_index=np.arange(n),
        ok=np.ones(n, bool),
        reasons={},
        sample=rows // 2,
        label=np.zeros(2 * n, np.int32),
        confidence=(rows % 100 / 100).astype(np.float32),
        box_xyxy_px=np.ones((2 * n, 4), np.float32),
    )


def test_the_answers_for_a_day_are_as_small_as_those_for_an_hour(tmp_path):
    sizes = []
    for name, hours in (("hour", 1), ("day", 24)):
        n = hours * 7200
        run = make_run(tmp_path, [0.5], every_s=0.5, name=name)
        run.__dict__["log"] = log_of(n)
        at_us = n * 250_000
        sizes.append(
            [
                len(player_log.overview(run, version="1")),
                len(player_log.curves(run, ["x"], version="1", from_us=at_us, to_us=at_us + 10**8)),
                len(player_log.window(run, at_us, at_us + 60_000_000, version="1")),
            ]
        )
    for hour, day in zip(*sizes, strict=True):
        assert day < 1.5 * hour


def test_a_stretch_that_fits_the_screen_is_exact_and_goes_on_beyond_its_ends(long_run):
    content = player_log.curves(long_run, ["cat"], version="1", from_us=3_490e6, to_us=3_510e6)
    about, arrays = unpack(content)
    assert about["is_exact"] is True
    begin, end = np.searchsorted(long_run.log.pts_us, [arrays["at_us"][0], arrays["at_us"][-1]])
    assert long_run.log.pts_us[begin] == 3_489_500_000
    assert long_run.log.pts_us[end] == 3_510_500_000
    full = player_log._scores(long_run, "cat", None)
    np.testing.assert_array_equal(arrays["high.0"], full[begin : end + 1])


def test_curves_are_those_that_the_rule_s_filter_leaves(long_run):
    nothing = LabelRule(debounce=Debounce(), box_filter=BoxFilter(min_area_fraction=0.9))
    rule = Rule(labels={"cat": nothing})
    labels = ["cat", "dog"]
    _, arrays = unpack(player_log.curves(long_run, labels, version="1", rule=rule))
    assert np.nanmax(arrays["high.0"]) == 0
    assert np.nanmax(arrays["high.1"]) > 0.99


def test_windows_together_are_the_log(long_run):
    log = long_run.log
    pts, labels, confidence, boxes, failed = [], [], [], [], []
    for from_us in range(0, int(log.pts_us[-1]) + 1, 60_000_000):
        about, arrays = unpack(
            player_log.window(long_run, from_us, from_us + 60_000_000, version="1")
        )
        failed += [arrays["pts_us"][int(i)] for i in about["failed"]]
        assert arrays["first"][-1] == len(arrays["label"])
        pts.append(arrays["pts_us"])
        labels.append(arrays["label"])
        confidence.append(arrays["confidence"])
        boxes.append(arrays["box"])
    np.testing.assert_array_equal(np.concatenate(pts), log.pts_us)
    np.testing.assert_array_equal(np.concatenate(labels), log.label)
    np.testing.assert_array_equal(np.concatenate(confidence), log.confidence)
    np.testing.assert_array_equal(np.concatenate(boxes), np.rint(log.box_xyxy_px).ravel())
    assert failed == [3_500_000_000, 3_500_500_000, 3_501_000_000]


def test_a_run_without_samples_has_an_overview_and_windows(tmp_path):
    run = make_run(tmp_path, np.zeros(0), every_s=0.5)
    about, arrays = unpack(player_log.overview(run, version="1"))
    assert (about["samples"], about["first_us"], len(arrays["at_us"])) == (0, None, 0)
    _, arrays = unpack(player_log.window(run, 0, 60_000_000, version="1"))
    assert arrays["first"].tolist() == [0]


def test_the_browser_keeps_what_cannot_change_and_asks_again_for_the_rest(client, long_run):
    address = f"/api/runs/{long_run.run_id}"
    first = client.get(f"{address}/overview")
    assert first.headers["cache-control"] == "private, no-cache"
    tag = first.headers["etag"]
    assert client.get(f"{address}/overview", headers={"If-None-Match": tag}).status_code == 304
    version = unpack(first.content)[0]["version"].split("-")[0]
    for what in (f"overview?v={version}", f"window?from_us=0&to_us=60000000&v={version}"):
        assert "immutable" in client.get(f"{address}/{what}").headers["cache-control"]
    stale = client.get(f"{address}/overview?v=older")
    assert "immutable" not in stale.headers["cache-control"]
    body = {"labels": ["cat"], "rule": PLAIN.to_dict(), "from_us": 0, "to_us": 10**9}
    assert unpack(client.post(f"{address}/curves", json=body).content)[0]["curves"] == ["cat"]


def test_the_log_of_a_run_that_goes_on_is_read_again_only_when_it_has_grown(tmp_path, monkeypatch):
    run = make_run(tmp_path, [0.5] * 20, every_s=0.5)
    with run.store.catalog.transaction() as db:
        db.execute("UPDATE runs SET state = 'running'")
    state, read = AppState(Config(store=str(run.store.folder))), []
    monkeypatch.setattr("lab.runs.run.read_log", lambda *of: read.append(of) or read_log(*of))
    with ScoreLogWriter(run.store.log_folder(run.run_id), {}) as log:
        for _ in range(3):
            assert len(state.run(run.run_id).log.pts_us) == 20
        assert len(read) == 1
        log.add_sample(20, 10_000_000, make_detections())
        log.flush()
        assert len(state.run(run.run_id).log.pts_us) == 21
        assert len(read) == 2
    run.store.finish_run(run.run_id, "done", error=None, effort={}, elapsed_s=0.0)
    assert state.run(run.run_id).state == "done"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "from_us=0",
        "from_us=0&to_us=0",
        "from_us=x&to_us=1",
        "from_us=0&to_us=9999999999",
        f"from_us={10**40}&to_us={10**40 + 1}",
        "from_us=-1e3&to_us=nan",
    ],
)
def test_a_window_that_makes_no_sense_is_refused_in_one_line(client, long_run, query):
    answer = client.get(f"/api/runs/{long_run.run_id}/window?{query}")
    assert answer.status_code == 400
    assert "\n" not in answer.text


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": None},
        {"labels": ["otter"]},
        {"labels": ["cat"] * 65},
        {"rule": 1},
        {"from_us": "x"},
        {"from_us": 1e300},
        {"to_us": []},
    ],
)
def test_curves_that_make_no_sense_are_refused_in_one_line(client, long_run, changes):
    body = {"labels": ["cat"], "rule": PLAIN.to_dict(), **changes}
    answer = client.post(f"/api/runs/{long_run.run_id}/curves", json=body)
    assert answer.status_code == 400
    assert "\n" not in answer.text


def test_an_overview_of_labels_that_make_no_sense_is_refused_in_one_line(client, long_run):
    for query in ("label=otter", "label=cat&" * 65):
        answer = client.get(f"/api/runs/{long_run.run_id}/overview?{query}")
        assert (answer.status_code, answer.text.count("\n")) == (400, 0)


def test_infinity_is_no_time(client, long_run):
    body = '{"labels": ["cat"], "rule": {}, "from_us": Infinity}'
    answer = client.post(f"/api/runs/{long_run.run_id}/curves", content=body)
    assert answer.status_code == 400


def test_a_moment_is_explained_and_decisions_are_counted_of_the_rule_that_is_sent(client, long_run):
    rule = Rule.coerce(Debounce(enter_threshold=0.7, enter_frames=2, cooldown_s=60))
    body = {"run_id": long_run.run_id, "rule": rule.to_dict(), "label": "cat"}
    trace = long_run.explain("cat", rule)
    for pts_s in (0.0, 1234.5, 3500.2, 3999.5):
        said = client.post("/api/explain", json={**body, "pts_s": pts_s}).json()
        row = trace[trace["pts_s"] <= pts_s].iloc[-1]
        assert (said["pts_s"], said["reason"]) == (row["pts_s"], row["reason"])
    before = client.post("/api/explain", json={**body, "pts_s": -5}).json()
    assert before["reason"] == "before the first sample"
    found = client.post("/api/decisions", json=body).json()
    assert found["total"] == len(long_run.find_decisions("cat", rule)) > 400
    assert len(found["decisions"]) == 400
    text = json.dumps({**body, "pts_s": 0}).replace('"pts_s": 0', '"pts_s": Infinity')
    assert client.post("/api/explain", content=text).status_code == 400
