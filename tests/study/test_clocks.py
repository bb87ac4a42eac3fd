"""Clocks of cameras: zones, days on which clocks change, anchors, and where starts come from."""

import json
from datetime import datetime, timedelta

import pytest

import lab
from lab.clock import Anchor, placed, zone_named
from lab.deployment import Deployment
from lab.errors import LabError
from lab.store.clocks import ClipStart
from lab.store.store import Store
from tests.builders import make_media

DAY = timedelta(days=1)
SET_UP = datetime(2026, 5, 1, 10)


def make_deployment(name="creek-1", zone="+02:00", days=30, **values):
    return Deployment(
        deployment_id=name,
        location_name="creek",
        start_utc=SET_UP - timedelta(hours=2),
        end_utc=SET_UP + days * DAY,
        zone=zone,
        **values,
    )


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    for name in ("a", "b"):
        made.add_media(make_media(name))
    made.put_deployments([make_deployment()])
    return made


def clip(store, name="a"):
    return store.find_media(f"{name}.mp4")


def begin(store, camera_local, name="a", **values):
    start = ClipStart(source="name", camera_local=camera_local, **values)
    store.set_starts({clip(store, name)["media_id"]: start})


def join_all(store, deployment_id="creek-1"):
    store.join_clips({row["media_id"]: deployment_id for row in store.all_media()})


# The clock is an hour fast when it is put up, and 90 s more thirty days later.
FAST = Anchor(SET_UP + timedelta(hours=1), SET_UP - timedelta(hours=2))
FASTER = Anchor(
    SET_UP + 30 * DAY + timedelta(hours=1, seconds=90), SET_UP + 30 * DAY - timedelta(hours=2)
)


def test_a_clock_an_hour_fast_that_drifts_by_90_s_in_30_days_is_corrected_by_3645_s(store):
    true_local = SET_UP + 15 * DAY
    begin(store, true_local + timedelta(seconds=3645))
    join_all(store)
    store.set_anchors("creek-1", [FASTER, FAST])
    row = clip(store)
    assert row["clock_correction_s"] == pytest.approx(-3645, abs=1)
    assert row["correction_source"] == "anchors"
    true_utc = row["start_utc"] + timedelta(seconds=row["clock_correction_s"])
    assert abs(true_utc - (true_local - timedelta(hours=2))) < timedelta(seconds=1)


def test_one_anchor_corrects_an_offset_and_removing_it_undoes_that(store):
    begin(store, SET_UP + 15 * DAY)
    join_all(store)
    before = clip(store)
    store.set_anchors("creek-1", [FAST])
    assert clip(store)["clock_correction_s"] == -3600
    assert clip(store)["start_utc"] == before["start_utc"]
    store.set_anchors("creek-1", [])
    assert clip(store) == before


def test_the_drift_goes_on_outside_of_two_anchors_and_a_third_bends_it(store):
    middle = Anchor(SET_UP + 10 * DAY + timedelta(hours=1), SET_UP + 10 * DAY - timedelta(hours=2))
    begin(store, SET_UP + 45 * DAY + timedelta(hours=1, seconds=135))
    begin(store, SET_UP + 5 * DAY + timedelta(hours=1), "b")
    join_all(store)
    store.set_anchors("creek-1", [FAST, FASTER])
    assert clip(store)["clock_correction_s"] == pytest.approx(-3735, abs=0.1)
    assert clip(store, "b")["clock_correction_s"] == pytest.approx(-3615, abs=0.1)
    store.set_anchors("creek-1", [FAST, middle, FASTER])
    assert clip(store, "b")["clock_correction_s"] == pytest.approx(-3600, abs=0.1)


def test_a_clip_that_joins_or_gets_its_start_later_is_corrected_too(store):
    store.set_anchors("creek-1", [FAST])
    join_all(store)
    assert clip(store)["correction_source"] is None
    begin(store, SET_UP + DAY)
    assert clip(store)["clock_correction_s"] == -3600
    store.join_clips({clip(store)["media_id"]: None})
    assert (clip(store)["clock_correction_s"], clip(store)["correction_source"]) == (0, None)


def test_a_correction_entered_for_a_clip_itself_wins_until_it_is_cleared(store):
    begin(store, SET_UP + DAY)
    join_all(store)
    store.edit_media(clip(store)["media_id"], clock_correction_s=5.0)
    store.set_anchors("creek-1", [FAST])
    assert (clip(store)["clock_correction_s"], clip(store)["correction_source"]) == (5.0, None)
    store.edit_media(clip(store)["media_id"], clock_correction_s=0.0)
    assert clip(store)["clock_correction_s"] == -3600


def test_saving_the_values_that_are_shown_changes_nothing_of_their_origin(store):
    begin(store, SET_UP + DAY)
    join_all(store)
    store.set_anchors("creek-1", [FAST])
    before = clip(store)
    shown = {n: before[n] for n in ("site", "start_utc", "utc_offset_s", "clock_correction_s")}
    store.edit_media(before["media_id"], start_source="entered", **shown)
    assert clip(store) == before
    store.edit_media(
        before["media_id"], start_utc=before["start_utc"] + DAY, utc_offset_s=0,
        start_source="entered",
    )  # fmt: skip
    after = clip(store)
    assert (after["start_source"], after["camera_local"]) == ("entered", None)
    assert after["start_utc"] == before["start_utc"] + DAY


def test_shifted_starts_stay_shifted_when_the_deployment_is_read_again(store):
    begin(store, SET_UP + DAY)
    join_all(store)
    before = clip(store)["start_utc"]
    store.shift_starts([clip(store)["media_id"]], 3600)
    store.put_deployments([make_deployment(camera_id="c")])
    assert clip(store)["start_utc"] == before + timedelta(hours=1)


def test_another_zone_of_the_deployment_places_the_clips_again(store):
    begin(store, datetime(2026, 5, 2, 12))
    join_all(store)
    assert clip(store)["start_utc"] == datetime(2026, 5, 2, 10)
    store.put_deployments([make_deployment(zone="America/New_York")])
    row = clip(store)
    assert (row["start_utc"], row["utc_offset_s"]) == (datetime(2026, 5, 2, 16), -4 * 3600)


@pytest.mark.parametrize(
    ("local", "utc", "offset_h", "issue"),
    [
        (datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 0, 30), 2, "ambiguous"),
        (datetime(2026, 10, 25, 1, 59), datetime(2026, 10, 24, 23, 59), 2, None),
        (datetime(2026, 10, 25, 3, 0), datetime(2026, 10, 25, 2, 0), 1, None),
        (datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 1, 30), 1, "missing"),
        (datetime(2026, 3, 29, 3, 0), datetime(2026, 3, 29, 1, 0), 2, None),
    ],
)
def test_times_at_a_change_of_the_clock_are_flagged(store, local, utc, offset_h, issue):
    moment = placed(local, zone_named("Europe/Berlin"))
    assert (moment.utc, moment.offset_s, moment.issue) == (utc, offset_h * 3600, issue)
    begin(store, local)
    store.put_deployments([make_deployment(zone="Europe/Berlin")])
    join_all(store)
    row = clip(store)
    assert (row["start_utc"], row["timestamp_issue"]) == (utc, issue)
    store.put_deployments([make_deployment(zone="+01:00")])  # a clock that is never changed
    assert clip(store)["timestamp_issue"] is None
    facts = store.deployment_facts()["creek-1"]
    assert facts["timestamp_issues"] == 0


@pytest.mark.parametrize("text", ["Europe/Berlin", "UTC", "Z", "+02:00", "UTC-3", "-0330"])
def test_zones_are_names_and_offsets(text):
    assert zone_named(text) is not None


@pytest.mark.parametrize("text", ["Europe/Berln", "local", "", "+25:00", "../etc/passwd"])
def test_an_unknown_zone_says_what_is_near(text):
    with pytest.raises(LabError, match=r"is no zone of time; .*write one like Europe/Berlin"):
        zone_named(text)


def test_anchors_that_contradict_each_other_are_refused_and_change_nothing(store):
    begin(store, SET_UP + DAY)
    join_all(store)
    store.set_anchors("creek-1", [FAST])
    back = Anchor(FASTER.camera_local, FAST.true_utc - DAY)
    for bad, says in (([FAST, FAST], "remove one"), ([FAST, back], "correct one of the anchors")):
        with pytest.raises(LabError, match=says):
            store.set_anchors("creek-1", bad)
    with pytest.raises(LabError, match="no deployment is called 'creek' here; known: creek-1"):
        store.set_anchors("creek", [FAST])
    assert store.anchors() == {"creek-1": [FAST]}
    assert clip(store)["clock_correction_s"] == -3600


def test_a_drift_of_an_hour_in_a_month_asks_for_the_zone(store):
    hour = timedelta(hours=1)
    (warning,) = store.set_anchors(
        "creek-1", [FAST, Anchor(FASTER.camera_local + hour, FASTER.true_utc)]
    )
    assert "drifted by -3,690 s in 30.0 days" in warning
    assert "fixed offset" in warning


def test_the_command_adds_lists_and_removes_anchors(store, command):
    begin(store, SET_UP + DAY)
    join_all(store)
    at = "2026-05-01T11:00:00"
    code, out, err = command("clock", "add", "creek-1", at, "2026-05-01T10:00:00+02:00")
    assert (code, out) == (0, "creek-1: 1 anchor, 1 clip corrected\n"), err
    assert json.loads(command("clock", "--json")[1]) == [
        {"deployment_id": "creek-1", "camera": at, "true_utc": "2026-05-01T08:00:00Z"}
    ]
    row = next(r for r in json.loads(command("media", "--json")[1]) if r["name"] == "a.mp4")
    assert (row["clock_correction_s"], row["correction_source"]) == (-3600, "anchors")
    code, out, _ = command("clock", "remove", "creek-1", at)
    assert (code, store.anchors(), clip(store)["clock_correction_s"]) == (0, {}, 0)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["add", "creek-1"], "an anchor needs what the camera's clock said"),
        (["add", "creek-1", "2026-05-01T07:00+02:00", "2026-05-01T06:00Z"], "without an offset"),
        (["add", "creek-1", "yesterday", "2026-05-01T06:00Z"], "'yesterday' is no date and time"),
        (["add"], "no deployment named"),
        (["add", "crek", "2026-05-01T07:00", "2026-05-01T06:00Z"], "no deployment is called"),
        (["remove", "creek-1", "2026-05-01T07:00"], "known: none"),
    ],
)
def test_errors_of_the_command_are_one_line(command, words, says):
    code, out, err = command("clock", *words)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1


# --- where starts come from


def test_starts_come_from_names(store):
    found = lab.read_starts(store, "name", "{time:%Y%m%d_%H%M}*")
    assert (found.found, len(found.left_out)) == ((), 2)
    for at in ("20260502_120000", "20269902_120000"):
        store.add_media(make_media(f"IMG_{at}"))
    found = lab.read_starts(store, "name", "IMG_{time:%Y%m%d_%H%M%S}", preview=True)
    assert clip(store, "IMG_20260502_120000")["camera_local"] is None
    (one,) = found.found
    assert (one.camera, one.start) == ("2026-05-02T12:00:00", None)
    assert [why for name, why in found.left_out if "9902" in name] == [
        "'20269902_120000' in its name is no date and time"
    ]
    lab.read_starts(store, "name", "IMG_{time:%Y%m%d_%H%M%S}")
    row = clip(store, "IMG_20260502_120000")
    assert (row["start_utc"], row["camera_local"]) == (None, datetime(2026, 5, 2, 12))
    join_all(store)
    row = clip(store, "IMG_20260502_120000")
    assert (row["start_utc"], row["start_source"]) == (datetime(2026, 5, 2, 10), "name")


def test_starts_come_from_the_files(tmp_path, samples, encode):
    store = Store(tmp_path / "store")
    tiny = ["-t", "0.2", "-pix_fmt", "yuv420p"]
    for name, told in (
        ("utc.mp4", "creation_time=2026-05-01T06:00:00Z"),
        ("unset.mp4", "creation_time=1970-01-01T00:00:00Z"),
        ("local.mkv", "DATE=2026:05:01 06:00:00"),
    ):
        store.add_media(lab.probe(encode(f"told-{name}", "-metadata", told, *tiny)))
    found = lab.read_starts(store, "metadata", zone="Europe/Berlin")
    assert {one.clip.rsplit("-")[-1]: one.start for one in found.found} == {
        "utc.mp4": "2026-05-01T06:00:00Z",
        "local.mkv": "2026-05-01T04:00:00Z",
    }
    ((name, why),) = found.left_out
    assert "unset.mp4" in name
    assert "its file says no time" in why
    found = lab.read_starts(store, "metadata", zone="Europe/Berlin", metadata_clock="local")
    assert {one.start for one in found.found} == {"2026-05-01T04:00:00Z"}


def test_a_file_that_is_gone_is_left_out_and_the_others_are_read(store):
    found = lab.read_starts(store, "metadata")
    assert [("no such file" in why) for _, why in found.left_out] == [True, True]


def test_a_table_beats_a_name_and_an_entered_start_beats_both(store, tmp_path):
    table = tmp_path / "starts.csv"
    table.write_text("media,start\na.mp4,2026-05-03T06:00:00+02:00\nb.mp4,2026-05-04 06:00\n")
    store.edit_media(
        clip(store, "b")["media_id"], start_utc=SET_UP, utc_offset_s=0, start_source="entered"
    )
    begin(store, SET_UP)
    found = lab.read_starts(store, "table", table, zone="UTC")
    assert (len(found.found), found.kept) == (1, 1)
    assert clip(store)["start_utc"] == datetime(2026, 5, 3, 4)
    assert clip(store)["start_source"] == "table"
    assert clip(store, "b")["start_utc"] == SET_UP
    lab.read_starts(store, "table", table, zone="UTC", replace=True)
    assert clip(store, "b")["start_utc"] == datetime(2026, 5, 4, 6)


def test_a_time_without_a_zone_does_not_replace_a_start(store, tmp_path):
    table = tmp_path / "starts.csv"
    table.write_text("media,start\na.mp4,2026-05-03T06:00\n")
    begin(store, SET_UP, utc=SET_UP, offset_s=0)
    found = lab.read_starts(store, "table", table)
    assert found.found == ()
    assert "give --zone" in found.left_out[0][1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("media,start\na.mp4,May\n", "line 2: 'May' is no date and time; write"),
        ("media\na.mp4\n", "has no column 'start'; got media"),
        ("media,start\nother.mp4,2026-05-03T06:00Z\n", "no row names a media of these runs"),
        ("media,start\na.mp4,2026-05-03 06:00\n./a.mp4,2026-05-03 07:00\n", "keep one of the two"),
        ("", "is empty"),
    ],
)
def test_a_table_that_is_wrong_is_one_line_and_sets_nothing(store, tmp_path, command, text, says):
    (tmp_path / "starts.csv").write_text(text)
    before = store.all_media()
    code, _, err = command("starts", "table", tmp_path / "starts.csv")
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert store.all_media() == before


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("*", "it needs {time:%Y%m%d_%H%M%S}"),
        ("{time}", "{time} needs its form"),
        ("{time:%Y%m%d}", "at least day and hour"),
        ("{time:%Q%H}", "%Q is not known in a time"),
        ("{when}", "unknown part 'when'; known: camera, deployment, site, time"),
        ("{time:%H", "a single '{'"),
    ],
)
def test_a_pattern_that_is_wrong_says_so(command, pattern, says):
    code, _, err = command("starts", "name", pattern)
    assert code == 2
    assert says in err


def test_a_preview_says_what_anchors_do_to_the_first_and_last_clip(store, command):
    begin(store, SET_UP + timedelta(hours=1))
    begin(store, SET_UP + 15 * DAY + timedelta(seconds=3645), "b")
    join_all(store)
    store.set_anchors("creek-1", [FAST])
    words = ["clock", "add", "creek-1", "2026-05-31T11:01:30", "2026-05-31T10:00:00+02:00"]
    code, out, err = command(*words, "--preview")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "a.mp4: 2026-05-01T11:00:00 -> 2026-05-01T10:00:00+02:00 (-3,600.000 s)",
        "b.mp4: 2026-05-16T11:00:45 -> 2026-05-16T10:00:00+02:00 (-3,645.000 s)",
    ]
    assert store.anchors() == {"creek-1": [FAST]}
    assert json.loads(command(*words, "--preview", "--json")[1])[0]["correction_s"] == -3600


def test_a_true_time_that_is_there_twice_asks_for_its_offset(store, command):
    store.put_deployments([make_deployment(zone="Europe/Berlin")])
    code, _, err = command("clock", "add", "creek-1", "2026-10-25T02:30:00", "2026-10-25T02:30:00")
    assert code == 2
    assert "is there twice in Europe/Berlin, where the clock changes; write it with its" in err
