"""What charts say beside their figures: notes, nothing, one sighting, files, colours."""

import json
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import lab
from lab import charts
from lab.app.cli.main import main
from lab.charts.chart import narrowed
from lab.charts.clocks import offsets_us
from lab.charts.colours import PALETTE, label_colours
from lab.clock import zone_named
from lab.deployment import Deployment
from lab.errors import LabError
from lab.rules.rule import Debounce, LabelRule, Rule
from lab.store.retention import put_log_removed
from lab.store.store import Store
from tests.builders import make_run, scores_of

ROOT = Path(__file__).parent.parent.parent
RULE = Rule(default=LabelRule(debounce=Debounce(enter_threshold=0.5, enter_frames=1)))
NAMES = list(charts.CHARTS)


def saved(run, start_utc=datetime(2026, 5, 1, 6)):
    """The run with its sightings saved, and when its clip began."""
    run.save_sightings(RULE)
    if start_utc is not None:
        run.store.edit_media(run.media["media_id"], start_utc=start_utc, utc_offset_s=0)
    return run


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A store with one sighting."""
    return saved(
        make_run(tmp_path_factory.mktemp("one"), scores_of(50, [(20, 30)]), site="a")
    ).store


@pytest.mark.parametrize("name", NAMES)
def test_a_store_without_anything_gives_an_empty_chart_that_says_so(tmp_path, name):
    chart = charts.make_chart(name, tmp_path)
    assert len(chart.table) == 0
    assert chart.figure.layout.annotations[0].text
    assert chart.to_csv().count("\n") == 1
    assert not (tmp_path / "catalog.duckdb").exists()


@pytest.mark.parametrize("name", NAMES)
def test_one_sighting_is_a_chart_too(one, name):
    chart = charts.make_chart(name, one)
    json.loads(chart.figure.to_json())
    if name in ("sun", "together"):
        return
    assert len(chart.table)
    rows = [p for t in chart.figure.data if t.customdata is not None for p in t.customdata]
    assert {int(row) for row in rows if row < len(chart.table)} <= set(range(len(chart.table)))
    parts = [chart.part(row) for row in range(len(chart.table))]
    assert max(one.count_sightings(**part) for part in parts) == 1


def test_clips_without_a_start_are_counted_and_left_out(tmp_path):
    saved(make_run(tmp_path, scores_of(50, [(20, 30)]), name="placed"))
    store = saved(make_run(tmp_path, scores_of(50, [(5, 9), (20, 30)]), name="lost"), None).store
    chart = charts.activity(store)
    assert chart.table["sightings"].sum() == 1
    assert "1 clip without a known start left out, with 2 sightings; see: lab starts" in chart.notes
    assert charts.durations(store).table["sightings"].sum() == 3
    assert not any("known start" in note for note in charts.durations(store).notes)


def test_a_run_to_which_no_rule_was_applied_is_no_effort(tmp_path):
    run = saved(make_run(tmp_path, scores_of(50, [(20, 30)]), name="known"))
    make_run(tmp_path, scores_of(50, [(20, 30)]), name="unknown")
    chart = charts.durations(run.store)
    assert chart.table["analysed_h"].iloc[0] == pytest.approx(10 / 3600)
    assert any(note.startswith("1 analysis without sightings left out") for note in chart.notes)
    lab.apply(run.store, RULE, protocol=run.protocol_hash)
    chart = charts.durations(run.store)
    assert chart.table["analysed_h"].iloc[0] == pytest.approx(20 / 3600)
    assert chart.table["sightings"].sum() == 2
    assert not chart.notes


def remove_log(run):
    with run.store.catalog.transaction() as db:
        put_log_removed(db, run.run_id, datetime(2026, 5, 1))


def test_a_run_without_a_log_is_unknown_to_a_rule_that_came_later(tmp_path):
    runs = [make_run(tmp_path, scores_of(50, [(20, 30)]), name=name) for name in ("gone", "there")]
    store = runs[0].store
    lab.apply(store, RULE, protocol=runs[0].protocol_hash)
    remove_log(runs[0])
    chart = charts.durations(store)
    assert (chart.table["sightings"].sum(), chart.notes) == (2, ())
    lab.apply(store, lab.Debounce(enter_threshold=0.7), protocol=runs[0].protocol_hash)
    chart = charts.durations(store)
    assert chart.table["sightings"].sum() == 1
    assert chart.table["analysed_h"].iloc[0] == pytest.approx(10 / 3600)
    assert any(note.startswith("1 analysis left out, whose score log") for note in chart.notes)
    first = charts.durations(store, rule_hash=RULE.rule_hash)
    assert (first.table["sightings"].sum(), first.notes) == (2, ())


def test_positions_are_of_a_clip_whose_log_is_there(tmp_path, capsys):
    gone = saved(make_run(tmp_path, scores_of(90, [(5, 15), (40, 60)]), name="gone"))
    kept = saved(make_run(tmp_path, scores_of(50, [(20, 30)]), name="kept"))
    remove_log(gone)
    assert "kept.mp4" in charts.make_chart("positions", gone.store).title
    command = ["charts", "positions", "--store", str(gone.store.folder), "--clip"]
    assert main([*command, "kept.mp4"]) == 0
    assert main([*command, "gone.mp4"]) == 2
    assert "the score log of gone.mp4 was removed" in capsys.readouterr().err
    remove_log(kept)
    shown = charts.make_chart("positions", gone.store).figure.layout.annotations[0].text
    assert shown == "the score logs of all clips were removed"


def test_a_clip_in_which_nothing_was_found_is_effort(tmp_path):
    run = saved(make_run(tmp_path, scores_of(50, [(20, 30)]), name="some"))
    make_run(tmp_path, scores_of(50, []), name="none")
    lab.apply(run.store, RULE, protocol=run.protocol_hash)
    chart = charts.scores(run.store)
    assert chart.table["analysed_h"].iloc[0] == pytest.approx(20 / 3600)
    assert chart.table["sightings"].sum() == 1


def test_of_a_clip_that_was_analysed_again_the_newest_counts(tmp_path):
    saved(make_run(tmp_path, scores_of(50, [(2, 4), (20, 30)])))
    store = saved(make_run(tmp_path, scores_of(50, [(20, 30)]))).store
    chart = charts.durations(store)
    assert (chart.table["sightings"].sum(), chart.table["analysed_h"].iloc[0]) == (1, 10 / 3600)
    assert any(note.startswith("2 sightings left out, of clips") for note in chart.notes)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Five sightings in a clip, of which one was judged to be false and two to be cats, and one in
    another clip.
    """
    folder = tmp_path_factory.mktemp("judged")
    saved(make_run(folder, scores_of(200, [(20, 30)]), name="other", site="a"))
    ends = [(20, 30), (60, 70), (100, 110), (140, 150), (180, 190)]
    made = saved(make_run(folder, scores_of(300, ends), name="judged", site="a"))
    store = made.store
    ids = [row["sighting_id"] for row in store.sightings(order="onset", run_id=made.run_id)]
    store.judge_sightings("rejected", sighting_id=ids[0])
    store.judge_sightings("rejected", new_label="cat", sighting_id=ids[1:3])
    store.judge_sightings("accepted", sighting_id=ids[3])
    return store, ids


def test_what_was_judged_false_does_not_count_and_what_was_relabelled_counts_as_that(judged):
    store, _ = judged
    chart = charts.activity(store)
    counted = chart.table.groupby("label")["sightings"].sum().to_dict()
    assert counted == {store.sightings()[0]["label"]: 3, "cat": 2}
    assert "1 sighting left out, judged to be false" in chart.notes
    hours = chart.table.groupby("label")["analysed_h"].sum()
    assert hours["cat"] == hours.max() > 0  # it was looked for wherever the analysis was made
    as_found = charts.activity(store, as_judged=False)
    assert as_found.table["sightings"].sum() == 6
    assert charts.activity(store, verdict=["rejected"]).table["sightings"].sum() == 1


@pytest.mark.parametrize("name", [name for name in NAMES if name != "together"])
def test_a_click_on_what_was_judged_shows_just_that(judged, name):
    store, _ = judged
    chart = charts.make_chart(name, store)
    if "sightings" in chart.table.columns:
        for row in np.flatnonzero(chart.table["sightings"] > 0).tolist():
            part = {"current": True, "as_judged": True, **chart.part(row)}
            assert store.count_sightings(**part) == chart.table["sightings"].iloc[row]


def test_what_several_rules_or_analyses_say_of_one_clip_is_said(tmp_path):
    run = saved(make_run(tmp_path, scores_of(50, [(20, 30)])))
    run.save_sightings(Rule(default=LabelRule(debounce=Debounce(enter_threshold=0.6))))
    assert any("several rules" in note for note in charts.scores(run.store).notes)
    saved(make_run(tmp_path, scores_of(50, [(20, 30)]), floor=0.1))
    assert any("by several analyses" in note for note in charts.activity(run.store).notes)


def test_more_labels_than_colours_are_named(tmp_path):
    labels = [f"label {i}" for i in range(10)]
    scores = {label: scores_of(50, [(20, 20 + i)]) for i, label in enumerate(labels)}
    store = saved(make_run(tmp_path, scores)).store
    chart = charts.scores(store)
    assert chart.table["label"].nunique() == 8
    assert any(note.startswith("2 labels left out") for note in chart.notes)
    asked = charts.scores(store, label="label 9")
    assert set(asked.table["label"]) == {"label 9"}
    colours = label_colours(store)
    assert {t.name: t.marker.color for t in chart.figure.data} == {
        label: colours[label] for label in chart.table["label"].unique()
    }


def test_a_label_has_the_colour_that_the_player_gives_it(tmp_path):
    script = ROOT / "lab/app/ui/components/player/palette.js"
    assert re.findall(r"#[0-9a-f]{6}", script.read_text()) == list(PALETTE)
    scores = {label: scores_of(50, [(20, 30)]) for label in ("owl", "fox", "bat")}
    run = saved(make_run(tmp_path, scores))
    assert list(label_colours(run.store)) == list(run.labels)


def test_a_name_is_shown_as_it_is_written(tmp_path):
    store = saved(make_run(tmp_path, scores_of(50, [(20, 30)]), label="<b>=1+1</b>")).store
    chart = charts.sites(store)
    assert chart.figure.data[0].name == "&lt;b&gt;=1+1&lt;/b&gt;"
    assert "<b>=1" not in chart.to_html()
    table = charts.scores(saved(make_run(tmp_path, scores_of(9, [(2, 3)]), label="=1+1")).store)
    assert "'=1+1" in table.to_csv()


def test_a_page_needs_no_network(one):
    page = charts.activity(one).to_html()
    assert "Plotly.newPlot" in page
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "-03:30", "UTC+2", "Z"])
def test_the_clock_of_a_site_is_the_same_in_charts_and_in_filters(one, zone, tmp_path):
    store = Store(shutil.copytree(one.folder, tmp_path / "store"))
    deployment = Deployment(
        deployment_id="d", start_utc=datetime(2026, 1, 1), end_utc=datetime(2027, 1, 1), zone=zone
    )
    store.put_deployments([deployment])
    (row,) = store.sightings()
    store.join_clips({row["media_id"]: "d"})
    for month in (1, 7):
        start = datetime(2026, month, 28, 23, 30)
        store.edit_media(row["media_id"], start_utc=start)
        at = start + timedelta(microseconds=row["onset_us"])
        at_us = np.array([round((at - datetime(1970, 1, 1)).total_seconds() * 1e6)])
        local = datetime(1970, 1, 1) + timedelta(
            microseconds=int((at_us + offsets_us(zone_named(zone), at_us))[0])
        )
        expected = at.replace(tzinfo=zone_named("UTC")).astimezone(zone_named(zone))
        assert local == expected.replace(tzinfo=None)
        near = timedelta(seconds=1)
        assert store.count_sightings(from_local=local - near, to_local=local + near) == 1
        assert store.count_sightings(hours=(float(local.hour), local.hour + 1.0)) == 1
        assert store.count_sightings(weekday=[local.isoweekday()]) == 1
        assert store.count_sightings(weekday=[local.isoweekday() % 7 + 1]) == 0


def test_a_click_never_widens_what_the_page_shows():
    day, noon = datetime(2026, 5, 1), datetime(2026, 5, 1, 12)
    wanted = {"label": ["fox", "owl"], "from_local": noon, "max_confidence": 0.7, "site": "creek"}
    part = {"label": "fox", "from_local": day, "to_local": noon, "max_confidence": 0.9}
    assert narrowed(wanted, part) == {**part, "from_local": noon, "max_confidence": 0.7}
    for whole, given, both in (
        ((6.5, 9.0), (6.0, 7.0), (6.5, 7.0)),
        ((22.5, 3.5), (22.0, 23.0), (22.5, 23.0)),
        ((22.5, 3.5), (3.0, 4.0), (3.0, 3.5)),
        ((22.5, 3.5), (1.0, 2.0), (1.0, 2.0)),
    ):
        assert narrowed({"hours": whole}, {"hours": given}) == {"hours": both}


def test_a_rule_that_is_named_counts_where_it_was_saved(tmp_path):
    run = saved(make_run(tmp_path, scores_of(50, [(20, 30)]), name="one"))
    other = Rule(default=LabelRule(debounce=Debounce(enter_threshold=0.95)))
    make_run(tmp_path, scores_of(50, [(2, 3)]), name="two").save_sightings(RULE)
    run.save_sightings(other)
    for rule, hours, n in ((RULE, 20, 2), ([RULE, other], 20, 2), (None, 20, 2)):
        hashes = [one.rule_hash for one in rule] if isinstance(rule, list) else None
        chosen = {"rule_hash": hashes or rule.rule_hash} if rule else {"current": False}
        table = charts.scores(run.store, **chosen).table
        assert table["analysed_h"].iloc[0] == pytest.approx(hours / 3600)
        assert table["sightings"].sum() == n


def test_an_unknown_chart_says_which_there_are(one):
    with pytest.raises(LabError, match=r"no chart 'activty'.*activity"):
        lab.chart("activty", one)
    with pytest.raises(LabError, match="no site 'b' here"):
        charts.sites(one, reference="b")
    with pytest.raises(LabError, match="must not overlap"):
        days = [datetime(2026, 5, day) for day in (1, 2, 3, 4)]
        charts.periods(one, periods=[("a", days[0], days[2]), ("b", days[1], days[3])])
    with pytest.raises(LabError, match="no analysis of clip 'x'"):
        charts.positions(one, clip="x")


def test_the_command_writes_a_page_or_a_table(one, tmp_path, capsys):
    store = ["--store", str(one.folder)]
    page = tmp_path / "a.html"
    assert main(["charts", "activity", "--output", str(page), *store]) == 0
    assert page.read_text().startswith("<!doctype html>")
    assert capsys.readouterr().out == ""
    assert main(["charts", "activity", *store]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("label,hour,sightings")
    assert main(["charts", "sites", "--json", "--label", "x", *store]) == 0
    assert json.loads(capsys.readouterr().out)[0]["site"] == "a"
    assert main(["charts", "activity", "--output", "a.png", *store]) == 2
    assert main(["charts", "activity", "--output", str(tmp_path / "no" / "a.csv"), *store]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_days_that_are_months_apart_have_no_tick_a_day(tmp_path):
    for name, start in (("may", datetime(2026, 5, 1, 6)), ("november", datetime(2026, 11, 23, 6))):
        store = saved(make_run(tmp_path, scores_of(50, [(20, 30)]), name=name), start).store
    chart = charts.first_and_last(store)
    assert len(chart.table) == 4
    assert chart.figure.layout.xaxis.dtick is None
