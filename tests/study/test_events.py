"""Events across clips: camtrapR's two rules, MaxN, taxa."""

import csv
import io
import json
import shutil
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lab
from lab.errors import LabError
from lab.rules.rule import Rule
from lab.sighting import Sighting
from lab.store.store import Store
from lab.study.independence import RULES, event_begins
from tests.builders import make_box_run, make_media, make_run, scores_of

MINUTE_US = 60_000_000


def begins(minutes, interval, rule, lengths=None, groups=None):
    """Which records begin an event. minutes: of their starts; lengths: of the records."""
    onset = np.array(minutes, np.int64) * MINUTE_US
    end = onset + np.array(lengths or [0] * len(minutes), np.int64) * MINUTE_US
    group = np.array(groups or [0] * len(minutes), np.int64)
    return event_begins(group, onset, end, interval * MINUTE_US, rule).tolist()


def by_definition(group, onset, end, interval, rule):
    """What camtrapR documents, record by record: a record is independent if it is at least the
    interval after the last record, or after the last independent one, of its station and species.
    """
    found, last = [], {}
    for g, a, b in zip(group, onset, end):
        is_new = g not in last or (a - last[g][1] >= interval and a > last[g][2])
        if is_new:
            last[g] = [a, b, a]
        elif rule == "lastRecord":
            last[g][1:] = [max(last[g][1], b), a]
        else:
            last[g][2] = a
        found.append(is_new)
    return found


def test_the_two_rules_differ_where_an_animal_stays():
    # A record every 40 min: each is within the hour of the last record, every other one is an
    # hour after the last independent record.
    assert begins([0, 40, 80, 120], 60, "lastRecord") == [True, False, False, False]
    assert begins([0, 40, 80, 120], 60, "lastIndependentRecord") == [True, False, True, False]


@pytest.mark.parametrize("rule", RULES)
def test_a_gap_of_just_the_interval_is_independent_and_each_group_begins_anew(rule):
    assert begins([0, 60, 119], 60, rule) == [True, True, False]
    assert begins([0, 10, 0, 10, 90], 60, rule, groups=[0, 0, 1, 1, 1]) == [
        True, False, True, False, True,
    ]  # fmt: skip
    assert begins([0, 0, 0], 0, rule) == [True, False, False]  # one moment is one event
    assert begins([0, 1, 2], 0, rule) == [True, True, True]
    assert begins([], 60, rule) == []


@pytest.mark.parametrize("rule", RULES)
def test_the_gap_is_from_the_end_of_one_to_the_start_of_the_next(rule):
    assert begins([0, 70], 60, rule, lengths=[20, 0]) == [True, False]
    assert begins([0, 80], 60, rule, lengths=[20, 0]) == [True, True]
    # Two cameras: the first record ends after the second one.
    assert begins([0, 10, 75], 60, "lastRecord", lengths=[30, 0, 0]) == [True, False, False]


# When some of camtrapR's sample images were taken, by their names, and which of them are
# independent with the 60 minutes of its examples.
SAMPLE = [
    ("StationC", "TRA", "2009-04-11 21:44", True),
    ("StationC", "TRA", "2009-04-11 21:46", False),
    ("StationC", "TRA", "2009-04-13 22:38", True),
    ("StationC", "TRA", "2009-04-24 19:27", True),
    ("StationC", "TRA", "2009-04-27 00:19", True),
    ("StationC", "TRA", "2009-04-27 00:20", False),
    ("StationC", "TRA", "2009-05-02 00:11", True),
    ("StationC", "PBE", "2009-04-23 03:33", True),
    ("StationC", "PBE", "2009-04-23 03:34", False),
    ("StationA", "LeopardCat", "2009-04-23 00:07", True),
    ("StationA", "LeopardCat", "2009-04-23 00:09", False),
]


@st.composite
def records(draw):
    n = draw(st.integers(1, 40))
    times = draw(st.lists(st.integers(0, 300), min_size=n, max_size=n))
    groups = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    lengths = draw(st.lists(st.integers(0, 30), min_size=n, max_size=n))
    rows = np.array(sorted(zip(groups, times, lengths)), np.int64)
    return rows[:, 0], rows[:, 1], rows[:, 1] + rows[:, 2]


@given(records(), st.integers(0, 60), st.sampled_from(RULES))
def test_the_arrays_say_what_the_definition_says(rows, interval, rule):
    found = event_begins(*rows, interval, rule).tolist()
    assert found == by_definition(*(column.tolist() for column in rows), interval, rule)


# --- in a store


RULE = Rule.coerce(lab.Debounce(enter_threshold=0.5, enter_frames=1))


def sighting(label, onset_s, offset_s):
    onset, offset = round(onset_s * 1e6), round(offset_s * 1e6)
    return Sighting(
        label=label, onset_us=onset, confirmed_us=onset, offset_us=offset, closed_us=offset,
        onset_earliest_us=onset, offset_latest_us=offset, peak_us=onset, peak_confidence=0.9,
        close_reason="exit", censored_left=False, censored_right=False, alert_us=None,
    )  # fmt: skip


def place(run, site, start):
    run.store.edit_media(
        run.media["media_id"], site=site, start_utc=start, utc_offset_s=7200, start_source="entered"
    )


START = datetime(2026, 5, 1, 4)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two clips an hour apart at the creek, and one at the ridge."""
    folder = tmp_path_factory.mktemp("events")
    for name, site, start in (
        ("a", "creek", START),
        ("b", "creek", START + timedelta(hours=1)),
        ("c", "ridge", START),
    ):
        run = make_run(folder, scores_of(60, [(10, 20), (30, 40)]), every_s=60.0, name=name)
        place(run, site, start)
    lab.apply(run.store, RULE)
    run.store.catalog.give_up()  # all in the file, for it is copied
    return run.store.folder


@pytest.fixture
def store(made, tmp_path):
    shutil.copytree(made, tmp_path / "store")
    return Store(tmp_path / "store")


def test_events_reach_over_clips_of_one_site(store):
    found = lab.events(store, interval_s=1800)
    # 04:10-04:20 and 04:30-04:40; 05:10-05:20 is 30 min after 04:40, 05:30-05:40 is not.
    assert found[["site", "sightings", "clips", "max_n"]].to_numpy().tolist() == [
        ["creek", 2, 1, 1], ["creek", 2, 1, 1], ["ridge", 2, 1, 1],
    ]  # fmt: skip
    one = found.iloc[0]
    assert one["first_utc"].isoformat() == "2026-05-01T04:10:00+00:00"
    assert one["last_utc"].isoformat() == "2026-05-01T04:40:00+00:00"
    assert (one["duration_s"], one["utc_offset_s"], one["label"]) == (1800, 7200, "x")
    together = lab.events(store, interval_s=1801, rule="lastRecord")
    assert together[["site", "sightings", "clips"]].to_numpy().tolist() == [
        ["creek", 4, 2], ["ridge", 2, 1],
    ]  # fmt: skip
    assert len(lab.events(store, interval_s=601, rule="lastIndependentRecord")) == 3
    assert len(lab.events(store, interval_s=600)) == 6


def test_the_sample_of_camtrapr_gives_its_independent_records(tmp_path):
    for number, (site, label, at, _) in enumerate(SAMPLE):
        run = make_run(tmp_path, {label: scores_of(3, [(0, 0)])}, every_s=1.0, name=str(number))
        run.store.save_sightings(run.run_id, RULE, [sighting(label, 0, 0)])
        place(run, site, datetime.fromisoformat(at))
    expected = sorted((s, label, at) for s, label, at, independent in SAMPLE if independent)
    for rule in RULES:
        found = lab.events(run.store, 3600, rule, max_n=False)
        times = found["first_utc"].dt.strftime("%Y-%m-%d %H:%M")
        assert sorted(zip(found["site"], found["label"], times)) == expected
        assert found["sightings"].sum() == len(SAMPLE)


def test_the_corrected_clock_counts(store):
    store.edit_clips([store.find_media("b.mp4")["media_id"]], clock_correction_s=-60.0)
    found = lab.events(store)
    assert found["sightings"].tolist() == [4, 2]  # 05:09 is 29 min after 04:40


def test_max_n_is_the_largest_number_at_one_time_and_is_counted_once(tmp_path):
    fox = ("fox", 0.9, (1, 1, 5, 5))
    run = make_box_run(
        tmp_path, [[fox], [fox] * 3, [fox], [], [], [fox] * 2], ["fox"], every_s=60.0
    )
    run.save_sightings(lab.Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1))
    place(run, "creek", START)
    assert lab.events(run.store)[["sightings", "max_n"]].to_numpy().tolist() == [[2, 3]]
    assert lab.events(run.store, interval_s=60)["max_n"].tolist() == [3, 2]
    (run.store.log_folder(run.run_id) / "samples-00001.parquet").unlink()  # not read again
    assert lab.events(run.store)["max_n"].tolist() == [3]


def test_max_n_stays_where_the_same_rule_is_saved_again(tmp_path):
    fox = ("fox", 0.9, (1, 1, 5, 5))
    run = make_box_run(tmp_path, [[fox] * 2, [], [fox] * 3], ["fox"], every_s=60.0)
    rule = lab.Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1)
    run.save_sightings(rule)
    lab.count_max_n(run.store)
    run.save_sightings(rule)
    lab.apply(run.store, rule)
    assert [row["most_at_once"] for row in run.store.sightings()] == [2, 3]
    other = lab.Debounce(enter_threshold=0.6, enter_frames=1, exit_frames=1)
    run.save_sightings(other)  # another rule may count other boxes
    found = run.store.sightings(rule_hash=lab.Rule.coerce(other).rule_hash)
    assert [row["most_at_once"] for row in found] == [None, None]


def test_max_n_is_counted_also_of_sightings_without_a_place_or_time(store):
    store.edit_clips([row["media_id"] for row in store.all_media()], site=None, start_utc=None)
    assert lab.count_max_n(store) == []
    assert [row["most_at_once"] for row in store.sightings()] == [1] * 6


def test_a_log_that_is_gone_costs_its_max_n_alone(store):
    run = store.runs()[0]
    for part in store.log_folder(run["run_id"]).glob("*"):
        part.unlink()
    with pytest.warns() as told:
        found = lab.events(store)
    assert found["sightings"].tolist() == [2, 2, 2]
    assert found["max_n"].isna().sum() == 1
    assert any("no max_n for run" in str(one.message) for one in told)


def test_sightings_without_a_place_or_time_are_left_out_and_said(store, command):
    store.edit_media(store.find_media("c.mp4")["media_id"], site=None)
    store.edit_media(store.find_media("b.mp4")["media_id"], start_utc=None)
    code, out, err = command("events")
    assert code == 0
    assert [row["site"] for row in csv.DictReader(io.StringIO(out))] == ["creek"]
    assert "2 sightings in 1 clip left out, whose start is not known; see: lab starts" in err
    assert "2 sightings in 1 clip left out, whose site is not known" in err
    with pytest.warns(UserWarning, match="whose site is not known"):
        lab.events(store)


def test_events_count_sightings_as_they_were_judged_last(store, command):
    first, second, third, fourth = (
        row["sighting_id"] for row in store.sightings(site="creek", order="calendar")
    )
    store.judge_sightings("rejected", sighting_id=second)
    store.judge_sightings("rejected", new_label="a", sighting_id=third)
    store.judge_sightings("unsure", sighting_id=fourth)
    code, out, err = command("events", "--site", "creek")
    rows = [(r["label"], r["sightings"], r["first_sighting_id"])
            for r in csv.DictReader(io.StringIO(out))]  # fmt: skip
    assert (code, rows) == (0, [("a", "1", third), ("x", "1", first), ("x", "1", fourth)])
    assert "1 sighting left out, judged to be false" in err
    assert lab.events(store, label="a")["first_sighting_id"].tolist() == [third]
    store.judge_sightings("accepted", annotator="Ada", sighting_id=second)  # the last one counts
    assert lab.events(store, site="creek", label="x")["sightings"].tolist() == [2, 1]


def test_a_clip_that_was_analysed_twice_counts_once(tmp_path, store):
    again = make_run(tmp_path, scores_of(60, [(10, 20), (30, 40)]), every_s=60.0, name="a")
    place(again, "creek", START)
    lab.apply(store, RULE)
    assert store.count_sightings(current=True) == 8
    assert lab.events(store)["sightings"].tolist() == [2, 2, 2]


def test_rules_and_protocols_that_would_count_twice_are_named(tmp_path, store):
    other = make_run(
        tmp_path, scores_of(60, [(10, 20)]), every_s=60.0, name="a", detector="another"
    )
    other.save_sightings(RULE)
    with pytest.raises(LabError, match=rf"'x' was searched .* name one .*{other.protocol_hash}"):
        lab.events(store)
    assert len(lab.events(store, protocol=other.protocol_hash[:6])) == 1
    other.save_sightings(lab.Debounce(enter_threshold=0.6, enter_frames=1))
    with pytest.raises(LabError, match=rf"none of which is current; .*{other.protocol_hash}"):
        lab.events(store, protocol=other.protocol_hash)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rule": "last"}, "unknown rule 'last'; known: lastIndependentRecord, lastRecord"),
        ({"interval_s": -1}, "the interval must be 0 s or more, got -1"),
        ({"interval_s": float("nan")}, "the interval must be 0 s or more"),
        ({"protocol": "zz"}, "no sightings of a protocol 'zz'"),
    ],
)
def test_wrong_options_say_so(store, options, says):
    with pytest.raises(LabError, match=says):
        lab.events(store, **options)


def test_no_sightings_give_no_events(tmp_path):
    assert lab.events(Store(tmp_path / "none")).empty
    made = Store(tmp_path / "made")
    made.add_media(make_media())
    assert lab.events(made).columns[0] == "event"


def test_the_command_gives_csv_and_json(store, command):
    code, out, err = command(
        "events", "--interval", "1801", "--rule", "lastRecord", "--site", "creek"
    )
    (row,) = csv.DictReader(io.StringIO(out))
    assert (code, err) == (0, "")
    assert (row["first_utc"], row["max_n"]) == ("2026-05-01T04:10:00Z", "1")
    rows = json.loads(command("events", "--json", "--no-max-n", "--label", "x")[1])
    assert [row["event"] for row in rows] == [1, 2, 3]


# --- taxa


TAXA = """\
label,observationType,scientificName,vernacularName,taxonRank,taxonID
x,animal,Vulpes vulpes,red fox,species,https://www.checklistbank.org/dataset/COL/taxon/5BSG3
person,human,Homo sapiens,,,
car,vehicle,,,,
"""


def test_taxa_are_read_listed_and_named_in_events(store, command, tmp_path):
    (tmp_path / "taxa.csv").write_text(TAXA)
    rows = json.loads(command("taxa", "import", tmp_path / "taxa.csv", "--json")[1])
    assert [row["label"] for row in rows] == ["car", "person", "x"]
    assert set(lab.events(store)["scientific_name"]) == {"Vulpes vulpes"}
    assert "x: animal, Vulpes vulpes, red fox, species" in command("taxa")[1]
    assert command("taxa", "remove", "x")[0] == 0
    assert list(store.taxa()) == ["car", "person"]
    assert lab.events(store)["scientific_name"].isna().all()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("animal", "beast", "line 2: unknown observation type 'beast'; known: animal"),
        ("Vulpes vulpes", "", "line 2: 'x' is an animal without a scientific name"),
        ("car", "person", "line 4: label 'person' stands in a row above"),
        ("car,", ",", "line 4: label is empty"),
        ("vehicle", "", "line 4: observationType is empty; write one of animal"),
        ("label", "class", "has no column 'label'"),
    ],
)
def test_wrong_taxa_are_named_and_none_is_kept(store, command, tmp_path, old, new, says):
    (tmp_path / "taxa.csv").write_text(TAXA.replace(old, new, 1))
    code, _, err = command("taxa", "import", tmp_path / "taxa.csv")
    assert code == 2
    assert says in err
    assert store.taxa() == {}
