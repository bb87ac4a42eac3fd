"""Sightings and hours of a run that goes on are of the same time."""

import warnings
from datetime import datetime

import pytest

from lab import charts
from lab.score_log import effort_now as module
from lab.score_log.effort_now import effort_now
from lab.score_log.writer import ScoreLogWriter
from lab.store.outcomes import remove_outcome
from lab.video.source import SKIPPED
from tests.builders import make_detections, make_run, scores_of
from tests.charts.test_charts import NAMES, saved


@pytest.fixture
def going_on(tmp_path):
    """Two runs of 10 s with a sighting each, of which one goes on: nothing says its effort."""
    saved(make_run(tmp_path, scores_of(50, [(20, 30)]), name="ended"))
    start = datetime(2026, 5, 3, 6)
    run = saved(make_run(tmp_path, scores_of(50, [(20, 30)]), name="live"), start)
    remove_outcome(run.store.log_folder(run.run_id))
    with run.store.catalog.transaction() as db:
        db.execute(
            "UPDATE runs SET state = 'running', effort = NULL, finished_utc = NULL "
            "WHERE run_id = ?",
            [run.run_id],
        )
    return run.refresh()


def grow(run, until_s, compact=False):
    """Further samples each 0.2 s, some of which failed, were gated or overtaken, in parts of 10."""
    folder = run.store.log_folder(run.run_id)
    with ScoreLogWriter(folder, {"run_id": run.run_id}) as log:
        for i in range(log.last_pts_us() // 200_000 + 1, until_s * 5):
            failed = "made to fail" if i % 10 == 3 else None
            gated = {4: "nothing moved", 5: SKIPPED}.get(i % 10)
            log.add_sample(i, i * 200_000, make_detections(), failed, gated=gated)
            if i % 10 == 9:
                log.flush()
        if compact:
            log.flush()
            log.compact()


def test_the_hours_of_a_run_that_goes_on_are_those_of_its_log(going_on):
    store = going_on.store
    for until_s in (10, 20, 30):
        grow(going_on, until_s)
        known_s = 10 + going_on.refresh().effort().analysed_s
        assert known_s > 10 + until_s / 2
        chart = charts.durations(store)
        assert chart.table["sightings"].sum() == 2
        assert chart.table["analysed_h"].iloc[0] == pytest.approx(known_s / 3600)
        assert store.library_totals()["analysed_s"] == pytest.approx(known_s)


@pytest.mark.parametrize("name", NAMES)
def test_charts_of_a_run_that_goes_on_have_a_rate_for_each_of_its_sightings(going_on, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        chart = charts.make_chart(name, going_on.store)
    if "analysed_h" in chart.table and "sightings" in chart.table:
        assert (chart.table["analysed_h"][chart.table["sightings"] > 0] > 0).all()


def test_the_effort_now_is_that_of_the_whole_log_however_its_parts_lie(going_on, monkeypatch):
    folder = going_on.store.log_folder(going_on.run_id)
    for until_s, compact, most in [(12, False, 10**6), (20, True, 10**6), (25, False, 3)]:
        monkeypatch.setattr(module, "_MOST_SAMPLES", most)
        grow(going_on, until_s, compact)
        assert effort_now(folder, 0.2) == going_on.refresh().effort()
        assert (folder in module._kept) == (most > 3)


def test_a_part_that_is_damaged_or_a_log_that_is_gone_breaks_nothing(going_on):
    folder = going_on.store.log_folder(going_on.run_id)
    grow(going_on, 14)
    whole = effort_now(folder, 0.2)
    sorted(folder.glob("samples-*.parquet"))[-1].write_bytes(b"no part")
    assert 0 < effort_now(folder, 0.2).ok < whole.ok
    folder.rename(folder.with_name("elsewhere"))
    assert effort_now(folder, 0.2) is None
    assert going_on.store.library_totals()["analysed_s"] == pytest.approx(10)
    assert charts.durations(going_on.store).table["sightings"].sum() == 2
