"""What notebooks do with a store, of one here and of the same one by its API."""

import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lab
from lab.annotation import Annotation, Coverage
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import Config
from lab.errors import LabError, NotFoundError, SettingError, StoreError
from tests.api.serving import TOKEN, Served
from tests.builders import assert_same_log, make_run, scores_of

RULE = lab.Debounce(enter_threshold=0.4)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a store with three runs, of which one failed on some samples."""
    folder = tmp_path_factory.mktemp("opened")
    make_run(folder, {"x": scores_of(60, [(10, 20), (40, 50)]), "y": scores_of(60, [(5, 9)])}, 1.0)
    make_run(folder, scores_of(30, [(3, 9)]), 1.0, name="other", site="creek")
    odd = scores_of(30, [(3, 9)])
    odd[12:15] = np.nan
    run = make_run(folder, odd, 1.0, name="odd")
    for row in lab.open_store(folder / "store").store.runs():
        lab.open_store(folder / "store").run(row["run_id"]).save_sightings(RULE, "bright")
    run.store.add_records(
        [
            Annotation(media_id=run.media["media_id"], label="x", start_us=3_000_000,
                       end_us=9_000_000),
            Coverage(media_id=run.media["media_id"], label="x", start_us=0, end_us=30_000_000),
        ]
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def served(made):
    state = AppState(Config(store=made / "store"))
    with Served(routes(state)) as address:
        yield address
    state.close()


@pytest.fixture(params=["here", "elsewhere"])
def opened(request, made):
    is_here = request.param == "here"
    served = None if is_here else request.getfixturevalue("served")
    with lab.open_store(made / "store") if is_here else lab.connect(served, token=TOKEN) as found:
        yield found


@pytest.fixture
def here(made):
    return lab.open_store(made / "store")


def test_runs_and_sightings_are_the_same_tables(opened, here):
    assert_frame_equal(opened.runs(), here.runs(), check_dtype=False)
    assert len(opened.runs()) == 3
    for wanted in ({}, {"label": "y"}, {"rules": "all", "site": "creek"}, {"label": "none"}):
        assert_frame_equal(opened.sightings(**wanted), here.sightings(**wanted))
    with pytest.raises(SettingError):
        opened.sightings(rules="odd")


def test_each_condition_of_sightings_chooses_the_same(opened, here):
    for wanted in (
        {"label": []}, {"media_id": np.array([])}, {"weekday": []}, {"label": {"x", "z"}},
        {"label": np.array(["x", "y"])}, {"from_us": 6_000_000}, {"to_us": 6_000_000},
        {"from_us": 2_000_000, "to_us": 9_000_000}, {"min_confidence": 0.1 + 0.2},
        {"during_us": (1, 1_099_511_627_775)},
    ):  # fmt: skip
        assert_frame_equal(opened.sightings("all", **wanted), here.sightings("all", **wanted))
    assert opened.sightings("all", label=[]).empty
    assert 0 < len(opened.sightings("all", from_us=6_000_000)) < len(opened.sightings("all"))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("from_local", "x", "from_local must be a date or time such as .*, got 'x'"),
        ("from_utc", 5, "from_utc must be a date or time"),
        ("to_utc", pd.NaT, "to_utc must be a date or time"),
        ("from_local", datetime(2026, 5, 1, tzinfo=UTC), "names no zone"),
        ("min_confidence", "a", "min_confidence must be a number, got 'a'"),
        ("max_confidence", 1.5, "max_confidence must be a score from 0 to 1, got 1.5"),
        ("min_duration_s", [1], "min_duration_s must be a number"),
        ("max_duration_s", -1, "max_duration_s must be 0 s or more, got -1"),
        ("from_us", "a", "from_us must be a number, got 'a'"),
        ("to_us", 1.5, "to_us must be whole microseconds, got 1.5"),
        ("during_us", 5, "during_us must be from and to"),
        ("during_us", (1, "x"), "during_us must be a number, got 'x'"),
        ("weekday", 9, r"weekday must be 1 \(Monday\) to 7, got 9"),
        ("weekday", ["x"], "weekday must be 1 .* got 'x'"),
        ("hours", "x", "hours must be two different ones from 0 to 24 such as .*, got 'x'"),
        ("hours", (5, 25), "hours must be two different ones"),
        ("hours", (5,), "hours must be two different ones"),
        ("as_judged", "maybe", "as_judged must be yes or no, in Python True or False, got 'maybe'"),
        ("reviewed", 2, "reviewed must be yes or no"),
        ("label", 5, "label must be a text or a list of texts, got 5"),
        ("site", [["creek"]], "site must be a text or a list of texts"),
        ("text", 5, "text must be a text, got 5"),
        ("verdict", "acepted", "no verdict 'acepted'; known: accepted"),
        ("lable", "x", "there is no condition 'lable'; did you mean 'label'"),
    ],
)  # fmt: skip
def test_a_condition_that_is_not_valid_is_said_alike(opened, name, value, says):
    with pytest.raises(SettingError, match=says) as refused:
        opened.sightings(**{name: value})
    assert not any(word in str(refused.value) for word in ("SELECT", "cursor", "limit"))
    with pytest.raises(SettingError, match=says):
        opened.store.sightings(**{name: value})


def test_each_form_of_a_value_chooses_the_same(opened, here):
    day, late = datetime(2020, 1, 1), datetime(2100, 1, 1, tzinfo=UTC)
    for wanted in (
        {"from_utc": pd.Timestamp(day)}, {"from_utc": np.datetime64(day)}, {"from_utc": day},
        {"to_utc": late}, {"to_local": late.date()}, {"to_local": "2100-01-01"},
        {"min_confidence": np.float32(0.25)}, {"min_confidence": "0.25"}, {"from_us": np.int64(5)},
        {"weekday": 3}, {"weekday": np.arange(1, 8)}, {"hours": np.array([22, 4.5])},
        {"reviewed": np.bool_(False)}, {"as_judged": 1}, {"reviewed": "no"},
        {"min_duration_s": np.int32(2)}, {"during_us": [0, 9e6]}, {"label": {"x": 1}},
        {"rule_hash": np.array([lab.Rule.coerce(RULE).rule_hash, "none"])}, {"label": [None, "x"]},
    ):  # fmt: skip
        assert_frame_equal(opened.sightings("all", **wanted), here.sightings("all", **wanted))


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"state": 5}, "state must be a text or a list of texts, got 5"),
        ({"label": ["x"]}, "label must be a text, got"),
        ({"of_feed": "maybe"}, "of_feed must be yes or no"),
        ({"limit": "many"}, "limit and offset must be 0 or more, got 'many'"),
        ({"offset": None}, "limit and offset must be 0 or more"),
        ({"order": "odd"}, "no order 'odd'.*newest"),
    ],
)
def test_a_condition_of_runs_that_is_not_valid_is_said_alike(opened, wanted, says):
    with pytest.raises(SettingError, match=says):
        opened.store.runs(**wanted)


def test_a_run_is_named_by_a_text(opened):
    for given in (None, 5, ["x"]):
        for ask in (opened.run, opened.store.run):
            with pytest.raises(SettingError, match="got"):
                ask(given)
    with pytest.raises(SettingError, match="id or the beginning of it, got None; runs"):
        opened.run(None)


def test_a_list_of_nothing_chooses_nothing(opened):
    assert opened.store.runs(run_id=[]) == opened.store.runs(state=()) == []
    assert opened.store.all_records([]) == ([], [], [])
    assert opened.store.current_rules([]) == {}


def test_some_runs_are_as_many_as_were_asked_for(opened, here):
    for more in ({"limit": 1}, {"limit": 2, "offset": 1}, {"limit": 0}, {"offset": 2}):
        assert opened.store.runs(**more) == here.store.runs(**more)
    with pytest.raises(SettingError, match="limit"):
        opened.store.runs(limit=-1)


def test_labels_are_counted_alike_or_not_at_all(opened, here, served):
    for more in ({}, {"limit": 1}, {"containing": "x"}):
        found = opened.store.sighting_counts("label", current=True, **more)
        assert found == here.store.sighting_counts("label", current=True, **more)
    with lab.connect(served, token=TOKEN) as elsewhere:
        for wanted in ({}, {"current": False}, {"current": True, "site": "creek"}):
            with pytest.raises(SettingError, match="current"):
                elsewhere.store.sighting_counts("label", **wanted)
        with pytest.raises(SettingError, match="without /"):
            elsewhere.store.save_rule("a/b", lab.Rule.coerce(RULE))


def test_a_run_is_the_same_object_with_the_same_log(opened, here):
    for row in here.store.runs():
        one, other = opened.run(row["run_id"]), here.run(row["run_id"])
        assert type(one) is type(other)
        assert_same_log(one.log, other.log)
        assert one.row == other.row
        assert {**one.media, "runs": 0} == {**other.media, "runs": 0}
        assert one.labels == other.labels
        assert one.find(RULE) == other.find(RULE)
        assert one.effort() == other.effort()
        assert one.summary()["run_id"] == other.summary()["run_id"]
        assert_frame_equal(one.scores(), other.scores())
        assert_frame_equal(one.detections(), other.detections())
        assert_frame_equal(one.sightings(RULE), other.sightings(RULE))
        assert_frame_equal(one.explain("x", RULE), other.explain("x", RULE))
        assert repr(one) == repr(other)


def test_a_run_is_found_by_the_beginning_of_its_id_if_that_is_one(opened, here):
    ids = [row["run_id"] for row in here.store.runs()]
    assert opened.run(ids[0][:-1]).run_id == ids[0]
    for name in ("2", "none", "", "../logs", "a/b"):
        with pytest.raises(SettingError):
            opened.run(name)


def test_sightings_are_kept(opened, here):
    run = opened.run(here.store.runs()[0]["run_id"])
    rule = lab.Debounce(enter_threshold=0.31)
    kept = run.save_sightings(rule, "mine")
    rows = here.store.sightings(run_id=run.run_id, rule_hash=lab.Rule.coerce(rule).rule_hash)
    assert len(rows) == kept == len(run.find(rule))
    assert {row["rule_name"] for row in rows} <= {"mine"}
    here.store.delete_sightings(sighting_id=[row["sighting_id"] for row in rows])


def test_rules_are_saved_listed_and_current(opened, here):
    opened.store.save_rule("otters", lab.Rule.coerce(RULE))
    assert opened.store.rules() == here.store.rules()
    protocol = here.store.runs()[0]["protocol_hash"]
    here.store.set_current_rule(protocol, lab.Rule.coerce(RULE), name="otters")
    assert opened.store.current_rules() == here.store.current_rules()
    assert_frame_equal(opened.current_rules(), here.current_rules())
    opened.store.undo_current_rule(protocol)
    assert not here.store.current_rules(protocol)


def test_what_was_marked_is_the_same_and_evaluates_alike(opened, here):
    assert opened.store.all_records() == here.store.all_records()
    run = opened.run(here.store.runs()[0]["run_id"])
    truth = lab.Truth.from_records(*opened.store.all_records()[:2])
    again = lab.Truth.from_records(*here.store.all_records()[:2])
    there = lab.evaluate(here.run(run.run_id), again, RULE)
    assert lab.evaluate(run, truth, RULE).to_dict() == there.to_dict()


def test_what_goes_on_is_read_anew(opened, here, made):
    run = make_run(made, scores_of(20, [(2, 9)]), 1.0, name="grows")
    one = opened.run(run.run_id)
    assert len(one.log.pts_us) == 20
    assert_same_log(one.refresh().log, run.log)
    with pytest.raises(NotFoundError):
        opened.store.media("none")
    here.store.delete_sightings(run_id=run.run_id)
    here.store.delete_ended_runs([run.run_id])


def test_a_log_that_did_not_change_is_not_sent_again(served, here):
    run_id, seen = here.store.runs()[0]["run_id"], []
    with lab.connect(served, token=TOKEN) as elsewhere:
        session = elsewhere.store.client._session
        session.hooks["response"].append(
            lambda answer, *_, **__: seen.append((answer.url, answer.status_code))
        )
        first = elsewhere.run(run_id).log
        assert_same_log(elsewhere.run(run_id).log, first)
    assert [status for url, status in seen if url.endswith("log.tar")] == [200, 304]


def test_what_is_not_asked_over_the_api_says_so(served):
    with lab.connect(served, token=TOKEN) as elsewhere:
        for ask in (elsewhere.store.sites, lambda: lab.apply(elsewhere, RULE)):
            with pytest.raises(StoreError, match="where its store is"):
                ask()
        with pytest.raises(StoreError, match=r"elsewhere\.apply\(rule\)"):
            lab.apply(elsewhere.store, RULE)


@pytest.mark.parametrize(
    ("url", "token", "words"),
    [
        ("ftp://x", TOKEN, "address of a lab"),
        ("http://u:p@host", TOKEN, "address of a lab"),
        ("http://127.0.0.1:1", TOKEN, "cannot be reached"),
        (None, "wrong", "no valid token"),
        (None, None, "no valid token"),
    ],
)
def test_who_is_not_let_in_learns_why_and_no_secret_is_said(served, monkeypatch, url, token, words):
    monkeypatch.delenv("LAB_TOKEN", raising=False)
    with pytest.raises(LabError, match=words) as refused:
        lab.connect(url or served, token=token)
    assert TOKEN not in str(refused.value)


class Broken(BaseHTTPRequestHandler):
    """A lab that breaks off in the middle of what it sends."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        if self.path.endswith("/health"):
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\n" + self.server.begun + b"\r\nff")
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("begun", [b"\xff\xff\xff\xff\x10", b"never"])
def test_an_answer_that_breaks_off_is_an_error_of_the_store(begun):
    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        server.begun = begun
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with lab.connect(f"http://127.0.0.1:{server.server_port}", token=TOKEN) as elsewhere:
            for ask in (elsewhere.sightings, lambda: elsewhere.store.log_folder("x")):
                with pytest.raises(StoreError, match="try again"):
                    ask()
        server.shutdown()
        thread.join(60)
