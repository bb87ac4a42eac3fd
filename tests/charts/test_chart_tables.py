"""The table behind each chart is what counting sample by sample gives."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from lab import charts
from lab.charts.sun import sun_cells
from lab.evaluation.rates import proportion_interval, rate_interval
from tests.charts import plain
from tests.charts.conftest import utc_of


@pytest.fixture(scope="module")
def data(study):
    return charts.read_chart_data(study.store)


def found(table: pd.DataFrame, bin_of) -> dict:
    return {
        (row["label"], bin_of(row)): (row["sightings"], pytest.approx(row["analysed_h"]))
        for _, row in table.iterrows()
    }


@pytest.mark.long
def test_hours_of_the_calendar_are_counted_over_what_was_analysed_in_them(study, data):
    chart = charts.sightings_an_hour(data, most_points=None)
    expected = plain.rates(study, lambda _, local: local.replace(minute=0))
    assert expected == found(chart.table, lambda row: row["begins"].to_pydatetime())
    for _, row in chart.table.iterrows():
        limits = rate_interval(row["sightings"], row["analysed_h"])
        assert (row["low"], row["high"]) == pytest.approx(limits)
    # The hour that is set back, or forward: of 25 October there would be two, this one is none.
    gone = chart.table["begins"] == pd.Timestamp(2026, 3, 29, 2)
    north = chart.table[gone]
    assert set(north["label"]) <= {"fox", "owl"}


def test_days_are_those_of_the_place_also_where_the_clock_changes(study, data):
    chart = charts.sightings_a_day(data)
    expected = plain.rates(study, lambda _, local: local.date())
    assert expected == found(chart.table, lambda row: row["begins"].date())


def test_a_gap_is_no_row_and_breaks_the_line(study, data):
    chart = charts.sightings_an_hour(data, most_points=None)
    for trace in chart.figure.data:
        if trace.customdata is None:
            continue
        rows = chart.table[chart.table["label"] == trace.name]
        steps = rows["begins"].diff() > pd.Timedelta(hours=1)
        values = np.asarray(trace.y, float)
        assert np.isnan(values[:-1]).sum() == steps.sum()
        assert (~np.isnan(values)).sum() == len(rows)
        assert not (values[~np.isnan(values)] < 0).any()


def test_many_points_are_taken_together_and_a_note_says_so(data):
    chart = charts.sightings_an_hour(data, most_points=60)
    lengths = (chart.table["ends"] - chart.table["begins"]).unique()
    assert len(lengths) == 1
    assert lengths[0] > pd.Timedelta(hours=1)
    assert any("each point is of" in note for note in chart.notes)
    whole = charts.sightings_an_hour(data, most_points=None).table
    for name in ("sightings", "analysed_h"):
        assert chart.table[name].sum() == pytest.approx(whole[name].sum())


def test_activity_is_by_the_clock_of_each_site(study, data):
    chart = charts.activity(data)
    expected = plain.rates(study, lambda _, local: local.hour)
    assert expected == found(chart.table, lambda row: row["hour"])
    for _, row in chart.table.iterrows():
        low, high = rate_interval(row["sightings"], row["analysed_h"])
        assert row["low"] <= low + 1e-9
        assert row["high"] >= high - 1e-9


def test_weekdays(study, data):
    expected = plain.rates(study, lambda _, local: local.strftime("%A"))
    assert expected == found(charts.weekdays(data).table, lambda row: row["weekday"])


def test_sites_and_months(study, data):
    names = [where and (where[0] or "no site") for where in study.where]
    chart = charts.sites(charts.read_chart_data(study.store, from_utc=datetime(2026, 1, 1)))
    expected = plain.rates(study, lambda number, _: names[number])
    assert expected == found(chart.table, lambda row: row["site"])
    chart = charts.periods(data)
    expected = plain.rates(study, lambda _, local: f"{local:%Y-%m}")
    assert expected == found(chart.table, lambda row: row["period"])


def test_periods_before_and_after_cut_the_day_that_they_part(study, data):
    at = datetime(2026, 3, 29, 12, 30)
    chart = charts.periods(data, split=at)
    expected = plain.rates(study, lambda _, local: local >= at)
    assert expected == found(chart.table, lambda row: row["period"].startswith("from"))
    assert set(chart.table["ratio_to"]) == {"before 2026-03-29 12:30"}


def test_presence_over_midnight_is_that_of_both_days(study, data):
    table = charts.presence(data).table
    expected = plain.presence(study)
    for _, row in table.iterrows():
        hours = expected[row["label"], row["begins"].date()]
        assert row["present_h"] == pytest.approx(hours)
        assert row["share"] == pytest.approx(hours / row["analysed_h"])


def test_durations_and_scores_also_of_clips_without_a_start(study, data):
    rows = study.store.sightings()
    hours = dict.fromkeys(("fox", "owl"), 0.0)
    for run in study.runs:
        for label in run.recipe["labels"]:
            hours[label] += run.effort().analysed_s / 3600
    for chart, value, low, high in (
        (
            charts.durations(data),
            lambda r: (r["offset_us"] - r["onset_us"]) / 1e6,
            "from_s",
            "to_s",
        ),
        (charts.scores(data), lambda r: r["peak_confidence"], "from_score", "to_score"),
    ):
        for _, row in chart.table.iterrows():
            is_last = np.isnan(row[high]) or (high == "to_score" and row[high] == 1)
            end = np.inf if is_last else row[high]
            inside = [r for r in rows if r["label"] == row["label"] and row[low] <= value(r) < end]
            assert row["sightings"] == len(inside)
            assert row["analysed_h"] == pytest.approx(hours[row["label"]])
        assert chart.table["sightings"].sum() == len(rows)


def test_labels_together_are_those_that_share_a_moment_where_both_were_searched(study, data):
    table = charts.co_occurrence(data).table
    for _, row in table.iterrows():
        total = together = 0
        for run in study.runs:
            if row["other"] not in run.recipe["labels"]:
                continue
            rows = study.store.sightings(run_id=run.run_id)
            others = [r for r in rows if r["label"] == row["other"]]
            for one in (r for r in rows if r["label"] == row["label"]):
                total += 1
                together += any(
                    o["onset_us"] <= one["offset_us"] and one["onset_us"] <= o["offset_us"]
                    for o in others
                )
        assert (row["sightings"], row["together"]) == (total, together)
        assert (row["low"], row["high"]) == pytest.approx(proportion_interval(together, total))


def test_first_and_last_of_each_day(study, data):
    table = charts.first_and_last(data).table
    times = {}
    for _, row, local in plain.seen(study):
        times.setdefault((row["label"], local.date()), []).append(local)
    assert len(table) == 2 * len(times)
    for _, row in table.iterrows():
        of_day = times[row["label"], row["day"].date()]
        expected = min(of_day) if row["which"] == "first" else max(of_day)
        assert row["day"] + timedelta(hours=row["hour"]) == pytest.approx(
            expected, abs=timedelta(seconds=1e-3)
        )
        assert row["from_hour"] <= row["hour"] <= row["to_hour"]


def test_hours_of_the_sun_are_parts_of_day_and_night(study, data):
    from astral import Observer
    from astral.sun import sunrise, sunset

    chart = charts.sun_activity(data)
    expected = {}
    for run, where in zip(study.runs, study.where):
        if where is None or where[0] != "north":
            continue
        for row in study.store.sightings(run_id=run.run_id):
            at, here = utc_of(run, row["onset_us"]), Observer(52.5, 13.4)
            days = [at.date() + timedelta(days=d) for d in (-1, 0, 1)]
            marks = sorted(
                [(sunrise(here, d), 6) for d in days] + [(sunset(here, d), 18) for d in days]
            )
            (begin, hour), (end, _) = next((a, b) for a, b in pairwise(marks) if a[0] <= at < b[0])
            key = row["label"], int(hour + 12 * ((at - begin) / (end - begin))) % 24
            expected[key] = expected.get(key, 0) + 1
    table = chart.table[chart.table["sightings"] > 0]
    assert expected == {(r["label"], r["sun_hour"]): r["sightings"] for _, r in table.iterrows()}
    hours = sum(
        run.effort().analysed_s / 3600
        for run, where in zip(study.runs, study.where) if where and where[0] == "north"
    )  # fmt: skip
    fox = chart.table[chart.table["label"] == "fox"]
    assert fox["analysed_h"].sum() == pytest.approx(hours)
    assert any("without coordinates left out" in note for note in chart.notes)


def test_where_the_sun_does_not_rise_there_is_no_hour_of_the_sun():
    at_us = int(datetime(2026, 12, 21, 12, tzinfo=UTC).timestamp() * 1e6)
    tromso = sun_cells(69.6, 18.9, at_us, at_us)
    assert set(tromso.hour[tromso.at(np.array([at_us]))]) == {-1}
    berlin = sun_cells(52.5, 13.4, at_us, at_us)
    assert set(berlin.hour[berlin.at(np.array([at_us]))]) == {13}


def test_positions_are_those_of_the_boxes_of_sightings(study, data):
    run = study.runs[0]
    chart = charts.positions(data, clip=run.media["media_id"])
    rows = study.store.sightings(run_id=run.run_id)
    samples = sum((r["offset_us"] - r["onset_us"]) // 60_000_000 + 1 for r in rows)
    assert chart.table["boxes"].sum() <= samples  # samples that failed have none
    assert len(chart.table) == 1  # the detector's boxes all lie at one place
    (cell,) = chart.table.to_dict("records")
    assert cell["x_px"] <= 20 < cell["x_px"] + cell["width_px"]
    assert cell["y_px"] <= 20 < cell["y_px"] + cell["height_px"]
    hours = run.effort().analysed_s / 3600
    assert cell["seconds_per_hour"] == pytest.approx(60 * cell["boxes"] / hours)


@pytest.mark.parametrize(
    "name", [n for n in charts.CHARTS if n not in ("sun", "together", "positions")]
)
def test_what_a_click_chooses_is_what_the_row_counts(study, data, name):
    """The table that a click opens has as many sightings as the chart says."""
    chart = charts.make_chart(name, data)
    rows = np.linspace(0, len(chart.table) - 1, min(5, len(chart.table))).astype(int)
    for row in rows.tolist():
        part = chart.part(row)
        if name in ("durations", "scores", "sites"):
            chosen = study.store.count_sightings(**part)
        else:
            chosen = study.store.count_sightings(**part, from_utc=datetime(2026, 1, 1))
        expected = chart.table["sightings"].iloc[row] if "sightings" in chart.table else None
        if name == "first-last":
            expected = 1
        if name == "sites" and chart.table["site"].iloc[row] == "no site":
            continue  # no condition can say so
        if expected is not None:
            assert chosen == expected, (name, part)


@pytest.mark.parametrize("name", ["sun", "together", "positions"])
def test_where_a_click_chooses_by_ids_they_are_of_that_row(study, data, name):
    chart = charts.make_chart(name, data)
    column = {"sun": "sightings", "together": "together"}.get(name)
    for row in range(min(4, len(chart.table))):
        part = chart.part(row)
        chosen = study.store.count_sightings(**part)
        assert chosen == (min(100, chart.table[column].iloc[row]) if column else chosen)
        assert chosen <= 100
        json.dumps(part)


def test_conditions_on_time_hold_for_sightings_and_effort(study):
    chosen = {"hours": (22.0, 3.0), "weekday": [6, 7]}
    chart = charts.sightings_an_hour(study.store, most_points=None, **chosen)
    expected = plain.rates(study, lambda _, local: local.replace(minute=0))
    expected = {
        key: value for key, value in expected.items()
        if (key[1].hour >= 22 or key[1].hour < 3) and key[1].isoweekday() in (6, 7)
    }  # fmt: skip
    assert expected == found(chart.table, lambda row: row["begins"].to_pydatetime())
    begin, end = datetime(2026, 3, 28, 7), datetime(2026, 3, 29, 9)
    chart = charts.activity(study.store, from_local=begin, to_local=end - timedelta(microseconds=1))
    whole = plain.rates(study, lambda _, local: local if begin <= local < end else None)
    hours = sum(h for (_, local), (_, h) in whole.items() if local is not None)
    assert chart.table["analysed_h"].sum() == pytest.approx(hours)


@pytest.mark.parametrize("open_side", [0, 1])
def test_a_stretch_of_the_clips_that_is_open_to_a_side_leaves_as_much_effort(study, open_side):
    stretch, far = [20_000_000, 20_000_000], [-(1 << 50), 1 << 50]
    stretch[open_side] = None
    closed = tuple(far[i] if one is None else one for i, one in enumerate(stretch))
    some, same, whole = (
        charts.activity(study.store, **wanted).table["analysed_h"].sum()
        for wanted in ({"during_us": tuple(stretch)}, {"during_us": closed}, {})
    )
    assert 0 < some == same < whole


def test_a_condition_on_the_site_holds_for_the_effort(study):
    north = charts.sites(study.store, site="north").table
    whole = charts.sites(study.store).table
    columns = ["label", "sightings", "analysed_h", "per_hour"]
    same = whole[whole["site"] == "north"]
    north, same = (table.sort_values("label")[columns] for table in (north, same))
    pd.testing.assert_frame_equal(north.reset_index(drop=True), same.reset_index(drop=True))
