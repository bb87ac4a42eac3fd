"""The page Notebook without a browser: what each row says, and how much it reads."""

import json
from types import SimpleNamespace

import pytest
import streamlit as st

import lab
from benchmarks.study import make_study
from lab.app.server import state as desks
from lab.app.ui.pages import notebook as notebook_module
from lab.experiments.entry import save_rule_entry
from lab.rules.rule import Debounce, Rule
from lab.score_log.writer import ScoreLogWriter
from lab.store.outcomes import remove_outcome
from tests.builders import make_detections, make_run, make_truth, scores_of
from tests.pages.test_pages import show

LONG = "n" * 300
HEBREW, ARABIC = "חתול בגינה", "قطة"


def rule(**settings):
    return Rule.coerce(Debounce(**{"enter_threshold": 0.5, **settings}))


@pytest.fixture
def run(store):
    """Two visits in a minute, of which the second is weak; the clip was watched."""
    run = make_run(store.parent, scores_of(300, [(40, 80), (200, 240)]))
    truth = make_truth(run, (8.0, 16.0), (40.0, 48.0))
    run.store.add_records([*truth.annotations, *truth.coverage])
    return run


def notebook():
    """The page when its figures are there."""
    page = show("notebook")
    for computation in list(desks.app_state().computations._kept.values()):
        assert computation.finished.wait(60)
    return page.run()


def texts(page):
    """What the rows say, newest first."""
    return [element.value.replace("\\", "") for element in (*page.markdown, *page.caption)]


def test_a_row_has_its_figures_with_their_intervals(run):
    save_rule_entry(run, rule(), "good")
    page = notebook()
    assert not page.exception
    found = lab.evaluate(run, rule=rule()).overall
    low, high = found.precision_interval
    assert any(
        f"2 sightings · precision 1.00 [{low:.2f}, {high:.2f}] · recall 1.00" in text
        and "100 % watched" in text
        for text in texts(page)
    )


def test_where_nothing_was_watched_it_says_so(store):
    run = make_run(store.parent, scores_of(100, [(40, 80)]))
    save_rule_entry(run, rule(), "blind")
    page = notebook()
    assert not page.exception
    assert texts(page).count("1 sighting · 0 % watched") == 2  # of the rule and of the run
    assert not any("recall" in text for text in texts(page))


def test_a_row_says_what_changed_in_the_words_of_the_sliders(run):
    save_rule_entry(run, rule(enter_threshold=0.55), "first")
    second = save_rule_entry(run, rule(enter_threshold=0.55, merge_gap_s=2), "second")
    third = save_rule_entry(run, rule(enter_threshold=0.7, merge_gap_s=2), "third")
    said = texts(notebook())
    assert "Against the default: Enter at 0.50 → 0.55" in said
    assert "Against “first”: Merge gap 0 s → 2 s" in said
    assert "Against “second”: Enter at 0.55 → 0.70" in said
    assert not any("enter_threshold" in text for text in said)
    first = run.store.entries(text="first")[0]["entry_id"]
    run.store.write_entry(third, parents=[f"run-{run.run_id}", first])
    assert "Against “first”: Enter at 0.55 → 0.70, Merge gap 0 s → 2 s" in texts(notebook())
    page = notebook()
    page.session_state["entry_open"] = second
    page.run()
    assert not page.exception
    assert not any("enter_threshold" in text for text in texts(page))


def test_a_conclusion_is_written_in_the_row(run):
    entry = save_rule_entry(run, rule(), "good")
    page = notebook()
    page.text_area[0].set_value("Both are found.")
    next(b for b in page.button if b.label == "Save conclusion").click().run()
    assert not page.exception
    assert run.store.entry(entry)["conclusion"] == "Both are found."
    assert "Conclusion: Both are found." in texts(page)


def test_figures_follow_what_is_annotated_later(run):
    save_rule_entry(run, rule(), "good")
    assert any("recall 1.00" in text for text in texts(notebook()))
    added = make_truth(run, (52.0, 58.0)).annotations
    run.store.add_records(added)
    assert any("recall 0.67" in text for text in texts(notebook()))


def test_entries_keep_their_figures_while_the_log_of_another_run_grows(run, monkeypatch):
    save_rule_entry(run, rule(), "good")
    live = make_run(run.store.folder.parent, scores_of(100, [(40, 80)]), name="live")
    folder, now = run.store.log_folder(live.run_id), [6000.0]
    remove_outcome(folder)
    run.store.set_run_state(live.run_id, "running")
    monkeypatch.setattr(notebook_module, "time", SimpleNamespace(time=lambda: now[0]))
    with ScoreLogWriter(folder, {"run_id": live.run_id}) as log:  # its lock: the run goes on
        assert live.refresh().state == "running"
        assert any("recall 1.00" in text for text in texts(notebook()))
        begun = list(desks.app_state().computations._kept)
        for i in range(100, 120):
            log.add_sample(i, i * 200_000, make_detections(("x", 0.9, (10, 10, 30, 30))))
        log.flush()
        said = texts(show("notebook"))
        assert any("recall 1.00" in text for text in said)
        assert any("1 sighting ·" in text for text in said)
        assert list(desks.app_state().computations._kept) == begun
        now[0] += 60
        assert any("2 sightings · 0 %" in text for text in texts(notebook()))
        assert len(set(desks.app_state().computations._kept) - set(begun)) == 1


@pytest.mark.parametrize("name", [LONG, HEBREW, f"{ARABIC} [x](http://evil.example)", "a\nb"])
def test_names_of_any_length_and_script_stay_text(store, name):
    run = make_run(store.parent, scores_of(100, [(40, 80)]), name=name[:200], label=name)
    own = lab.Rule.from_dict(
        {"labels": {name: {"debounce": {"enter_threshold": 0.7}}}, "only": [name]}
    )
    entry = save_rule_entry(run, own, name)
    run.store.write_entry(entry, tags=[name], conclusion=name * 5)
    page = notebook()
    page.session_state["entry_open"] = entry
    page.run()
    assert not page.exception
    assert not page.error
    assert max(map(len, texts(page))) < 2000
    assert any(" ".join(name.split())[:50] in text for text in texts(page))


def test_an_entry_without_its_log_is_listed_without_figures(run):
    folder = run.store.log_folder(run.run_id)
    folder.rename(folder.with_name("away"))
    page = notebook()
    assert not page.exception
    assert any("this run has no score log" in text for text in texts(page))


def test_a_rule_that_the_run_cannot_answer_says_so_and_the_others_have_figures(run):
    run.store.add_entry(run.run_id, rule(enter_threshold=0.001), title="too low")
    save_rule_entry(run, rule(), "good")
    said = texts(notebook())
    assert any(text.startswith("No figures: ") and "score floor" in text for text in said)
    assert any("recall 1.00" in text for text in said)


def test_a_filter_that_fits_nothing_says_so(run):
    page = notebook()
    next(t for t in page.text_input if t.label == "Search").set_value("nothing like it").run()
    assert "No entry fits" in page.info[0].value


_SAVED = """INSERT INTO entries
    (entry_id, kind, run_id, rule, rule_hash, title, parents, created_utc)
    SELECT printf('%012d', i), 'rule', (SELECT min(run_id) FROM runs), ?, ?, 'rule ' || i, '[]',
    TIMESTAMP '2026-02-01' + to_seconds(i) FROM range(?) AS made(i)"""


@pytest.mark.long
def test_10000_saved_rules_are_read_and_measured_page_by_page(tmp_path, monkeypatch, counts):
    made = rule(enter_threshold=0.6)
    measured, read = [], []
    real = notebook_module.glance
    monkeypatch.setattr(notebook_module, "glance", lambda *one: measured.append(one) or real(*one))
    for n in (1_000, 10_000):
        folder = make_study(tmp_path / str(n), 30)
        monkeypatch.setenv("LAB_STORE", str(folder))
        desks.app_state.cache_clear()
        st.cache_data.clear()
        store = desks.app_state().store
        with store.catalog.transaction() as db:
            db.execute(_SAVED, [json.dumps(made.to_dict()), made.rule_hash, n])
        counts.clear()
        measured.clear()
        page = notebook()
        assert not page.exception
        assert any(f"{n + 30:,} of {n + 30:,} entries" in c.value for c in page.caption)
        assert sum(text.startswith("The same as “rule") for text in texts(page)) == 20
        read.append((counts.rows, counts.queries))
        desks.app_state().close()
    desks.app_state.cache_clear()
    assert read[0] == read[1]
    assert len(measured) == 20  # those of the page, and once
