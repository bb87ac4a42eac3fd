"""Which sightings fulfil conditions: SQL against the same conditions in plain Python."""

import random
import shutil
from datetime import datetime, timedelta

import pytest

import lab
from lab.errors import SettingError
from lab.rules.rule import Debounce, Rule
from lab.store.sighting_groups import GROUPS
from lab.store.sighting_query import to_query, wanted_of_query
from lab.store.store import NewRun, Store
from tests.builders import make_media
from tests.store.test_queries import make_sighting, recipe_of

LABELS, SITES = ("fox", "cat", "Otter"), ("creek", "gate", None)
RULES = [Rule.coerce(Debounce(enter_threshold=x)) for x in (0.4, 0.6)]
SAID = ("accepted", "rejected", "unsure", "relabelled", None, None, None)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A store of 10 clips with 120 random sightings of two rules, and what is known of each."""
    draw = random.Random(12)
    store = Store(tmp_path_factory.mktemp("filter"))
    media = [make_media(f"clip {i:02d}", 600) for i in range(10)]
    runs = [NewRun(f"run-{i:02d}", recipe_of(m.media_id, i), 0.4) for i, m in enumerate(media)]
    store.create_runs(runs, media=media)
    clips = {}
    for m in media:
        start = datetime(2026, 5, 1) + timedelta(seconds=draw.randrange(9 * 86_400))
        facts = {"site": draw.choice(SITES), "start_utc": draw.choice([start, start, None])}
        facts["utc_offset_s"] = draw.choice([-18_000, 0, 7_200])
        facts["clock_correction_s"] = draw.choice([0.0, -3.5, 3600.0])
        store.edit_media(m.media_id, **facts)
        clips[m.media_id] = facts
    for run in runs:
        for rule in RULES:
            found = []
            for at_s in draw.sample(range(590), 6):
                long_us = draw.randrange(0, 9_000_000)
                found.append(
                    make_sighting(
                        draw.choice(LABELS),
                        at_s * 1_000_000,
                        offset_us=at_s * 1_000_000 + long_us,
                        peak_confidence=draw.randrange(101) / 100,
                    )
                )
            store.save_sightings(run.run_id, rule, found, f"Rule {rule.rule_hash[:2]}")
    rows = store.sightings()
    for row in rows:
        row["said"], row["note"], row["tags"] = None, "", []
    for row in rows:
        said, note = draw.choice(SAID), draw.choice(["", "", "", "A Fox at dusk", "fur only"])
        tags = draw.choice([[], [], [], ["night"], ["night", "far"]])
        one = {"sighting_id": row["sighting_id"]}
        if said == "relabelled":
            store.judge_sightings("rejected", new_label="stoat", **one)
        elif said:
            store.judge_sightings(said, **one)
        if note:
            store.note_sightings(note, **one)
        if tags:
            store.tag_sightings(tags, **one)
        # Sightings of two rules may be of the same stretch: then this is said of both.
        for other in rows:
            if key(other) == key(row):
                other["said"] = said or other["said"]
                other["note"] = note or other["note"]
                other["tags"] = sorted({*other["tags"], *tags})
    for row in rows:
        facts = clips[row["media_id"]]
        row |= facts
        start = facts["start_utc"]
        after = timedelta(microseconds=row["onset_us"], seconds=facts["clock_correction_s"])
        row["utc"] = None if start is None else start + after
        ahead = timedelta(seconds=facts["utc_offset_s"])
        row["local"] = None if start is None else row["utc"] + ahead
    return store, rows


@pytest.mark.long
def test_the_onset_by_the_clock_of_the_place(filled):
    store, rows = filled
    shown = store.local_onsets(store.sightings())
    assert shown == {r["sighting_id"]: r["local"] for r in rows if r["local"] is not None}


def key(row):
    return row["media_id"], row["label"], row["onset_us"], row["offset_us"]


def listed(value):
    return [value] if isinstance(value, str) else value


def hour_of(row):
    at = row["local"]
    return at.hour + at.minute / 60 + (at.second + at.microsecond / 1e6) / 3600


def is_within_hours(row, hours):
    begin, end = hours
    if row["local"] is None:
        return False
    hour = hour_of(row)
    return begin <= hour < end if begin <= end else hour >= begin or hour < end


def has_words(text, *among):
    return all(any(word in one.lower() for one in among) for word in text.lower().split())


# Of each condition whether a row fulfils it, in plain Python.
FULFILS = {
    "label": lambda r, v: r["label"] in listed(v),
    "site": lambda r, v: r["site"] in listed(v),
    "run_id": lambda r, v: r["run_id"] in listed(v),
    "media_id": lambda r, v: r["media_id"] in listed(v),
    "rule_hash": lambda r, v: r["rule_hash"] in listed(v),
    "tag": lambda r, v: bool({*listed(v)} & {*r["tags"]}),
    "verdict": lambda r, v: r["said"] in listed(v),
    "reviewed": lambda r, v: (r["said"] is not None) == v,
    "note": lambda r, v: has_words(v, r["note"]),
    "text": lambda r, v: has_words(
        v, r["path"], r["label"], r["site"] or "", r["rule_name"], r["note"]
    ),
    "min_confidence": lambda r, v: r["peak_confidence"] >= v,
    "max_confidence": lambda r, v: r["peak_confidence"] <= v,
    "min_duration_s": lambda r, v: r["offset_us"] - r["onset_us"] >= v * 1e6,
    "max_duration_s": lambda r, v: r["offset_us"] - r["onset_us"] <= v * 1e6,
    "during_us": lambda r, v: r["offset_us"] >= v[0] and r["onset_us"] <= v[1],
    "from_utc": lambda r, v: r["utc"] is not None and r["utc"] >= v,
    "to_utc": lambda r, v: r["utc"] is not None and r["utc"] <= v,
    "from_local": lambda r, v: r["local"] is not None and r["local"] >= v,
    "to_local": lambda r, v: r["local"] is not None and r["local"] <= v,
    "hours": is_within_hours,
    "weekday": lambda r, v: r["local"] is not None and r["local"].isoweekday() in v,
}


def random_value(draw, name, rows):
    day = datetime(2026, 5, 1) + timedelta(seconds=draw.randrange(9 * 86_400))
    values = {
        "label": [draw.choice(LABELS)],
        "site": ["creek", "gate"][: draw.randrange(1, 3)],
        "run_id": [draw.choice(rows)["run_id"] for _ in range(6)],
        "media_id": draw.choice(rows)["media_id"],
        "rule_hash": draw.choice(RULES).rule_hash,
        "tag": draw.choice([["night"], ["far", "none"], "far"]),
        "verdict": draw.sample(["accepted", "rejected", "unsure", "relabelled"], 2),
        "reviewed": draw.choice([True, False]),
        "note": draw.choice(["fox", "DUSK a", "fur"]),
        "text": draw.choice(["fox", "clip creek", "dusk", "otter rule"]),
        "hours": tuple(one / 2 for one in draw.sample(range(49), 2)),
        "weekday": draw.sample(range(1, 8), 3),
        "during_us": (draw.randrange(200_000_000), draw.randrange(200_000_000, 600_000_000)),
    }
    if name in values:
        return values[name]
    if name.endswith("confidence"):
        return draw.randrange(101) / 100
    return day if name.endswith(("utc", "local")) else draw.randrange(9000) / 1000


@pytest.mark.long
def test_conditions_in_sql_are_those_in_python(filled):
    store, rows = filled
    draw = random.Random(7)
    empty = 0
    for names in [[name] for name in FULFILS] * 2 + [draw.sample([*FULFILS], 2) for _ in range(40)]:
        wanted = {name: random_value(draw, name, rows) for name in names}
        expected = {
            r["sighting_id"] for r in rows if all(FULFILS[n](r, v) for n, v in wanted.items())
        }
        assert {r["sighting_id"] for r in store.sightings(**wanted)} == expected, wanted
        assert store.count_sightings(**wanted) == len(expected)
        empty += not expected
        assert wanted_of_query(to_query(wanted)) == {
            name: listed(value) if name in ("media_id", "rule_hash", "tag") else
            sorted(value) if name == "weekday" else
            list(dict.fromkeys(value)) if name == "run_id" else value
            for name, value in wanted.items()
        }  # fmt: skip
    assert empty < 40


@pytest.mark.long
def test_orders_are_by_numbers(filled):
    store, _ = filled
    onsets = [r["onset_us"] for r in store.sightings(order="onset")]
    assert onsets == sorted(onsets)
    long = [r["offset_us"] - r["onset_us"] for r in store.sightings(order="duration")]
    assert long == sorted(long, reverse=True)
    dated = [r["sighting_id"] for r in store.sightings(order="calendar")]
    assert dated[:5] != dated[-5:]


@pytest.mark.parametrize("by", GROUPS)
def test_groups_are_those_counted_in_python(filled, by):
    store, rows = filled
    wanted = {"rule_hash": RULES[0].rule_hash}
    found = store.grouped_sightings(by, order="confidence", **wanted)
    assert {r["sighting_id"] for r in found} == {
        r["sighting_id"] for r in rows if r["rule_hash"] == RULES[0].rule_hash
    }
    assert [r["sighting_id"] for r in store.grouped_sightings(by, limit=7, offset=5, **wanted)] == [
        r["sighting_id"] for r in store.grouped_sightings(by, **wanted)[5:12]
    ]
    if by in ("label", "site"):
        for row in found:
            assert row["group_n"] == sum(r[by] == row[by] for r in found)
            assert row["group_value"] == row[by]
    if by == "day":
        days = {r["sighting_id"]: r["local"] and f"{r['local']:%Y-%m-%d}" for r in rows}
        assert all(r["group_value"] == days[r["sighting_id"]] for r in found)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_events_are_those_of_lab_events(filled, tmp_path):
    filled[0].catalog.give_up()
    store = Store(shutil.copytree(filled[0].folder, tmp_path / "store"))
    store.forget_verdicts()  # the table groups what was found, `lab events` what was judged
    for rule in RULES:  # one is current, so that no presence counts twice
        for protocol in {run["protocol_hash"] for run in store.runs()}:
            store.set_current_rule(protocol, rule)
            protocols = [r["run_id"] for r in store.runs() if r["protocol_hash"] == protocol]
            found = store.grouped_sightings("event", rule_hash=rule.rule_hash, run_id=protocols)
            events = {(r["group_value"], r["group_first"], r["group_last"], r["group_n"])
                      for r in found if r["group_value"] is not None}  # fmt: skip
            theirs = lab.events(store, protocol=protocol, max_n=False, run_id=protocols)
            assert len(events) == len(theirs)
            expected = {(f"{row.label} · {row.site}", row.sightings) for row in theirs.itertuples()}
            assert {(value, n) for value, _, _, n in events} == expected


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"hours": ["25-3"]}, "hours must be two different ones from 0 to 24"),
        ({"hours": ["noon"]}, "hours must be two different ones"),
        ({"hours": ["6-6"]}, "hours must be two different ones"),
        ({"min_confidence": ["5"]}, "min_confidence must be a score from 0 to 1, got '5'"),
        ({"min_duration_s": ["-1"]}, "min_duration_s must be 0 s or more"),
        ({"weekday": ["8"]}, "weekday must be 1"),
        ({"reviewed": ["maybe"]}, "reviewed must be yes or no"),
        ({"from_local": ["2026-13-01"]}, "from_local must be a date"),
        ({"from_local": ["2026-05-01T00:00:00+02:00"]}, "names no zone"),
        ({"to_utc": ["9999-12-31T23:00:00-10:00"]}, "to_utc must be a date"),
        ({"min_duration_s": ["long"]}, "must be a number"),
        ({"colour": ["red"]}, "not chosen by 'colour'"),
        ({"from_s": ["9"], "to_s": ["3"]}, "from_s must not be after to_s, got 9 and 3"),
        ({"to_s": [""]}, "to_s must be a number, got ''"),
    ],
)
def test_an_address_that_is_not_valid_is_said(query, says):
    with pytest.raises(SettingError, match=says):
        wanted_of_query(query)


@pytest.mark.parametrize(
    ("query", "during_us"),
    [
        ({"from_s": ["200"]}, (200_000_000, None)),
        ({"to_s": ["150.5"]}, (None, 150_500_000)),
        ({"from_s": ["150"], "to_s": ["200"]}, (150_000_000, 200_000_000)),
    ],
)
def test_a_stretch_of_the_clip_may_be_open_to_a_side(filled, query, during_us):
    store, rows = filled
    wanted = wanted_of_query({**query, "rules": ["all"]})
    assert wanted == {"during_us": during_us}
    assert to_query(wanted) == {**query, "rules": ["all"]}
    begin, end = during_us
    expected = {
        r["sighting_id"]
        for r in rows
        if (begin is None or r["offset_us"] >= begin) and (end is None or r["onset_us"] <= end)
    }
    assert 0 < len(expected) < len(rows)
    assert {r["sighting_id"] for r in store.sightings(**wanted)} == expected


def test_a_stretch_that_ends_before_it_begins_is_refused(filled):
    with pytest.raises(SettingError, match="must not end before it begins"):
        filled[0].sightings(during_us=(9_000_000, 3_000_000))


def test_a_verdict_that_is_none_is_said(filled):
    with pytest.raises(SettingError, match="no verdict 'acepted'; known: accepted"):
        filled[0].count_sightings(verdict="acepted")


def test_a_condition_that_there_is_not_is_refused(filled):
    """Left out, it would find all."""
    store = filled[0]
    for find in (store.sightings, store.count_sightings, store.runs, store.media_rows):
        with pytest.raises(SettingError, match="there is no condition 'lable'"):
            find(lable="fox")
