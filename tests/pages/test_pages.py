"""Pages without a browser: they draw, empty and full, and never show a traceback."""

import json
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import lab
from lab.app.server import state as desks
from lab.app.ui.pages.measure import ASK, AUDIT, FEWER, HELD_OUT, PHRASINGS, SIDES
from lab.tuning.audit import Audit
from tests.builders import ended_jobs
from tests.components_once import look_for_components_once

look_for_components_once()
ROOT = Path(__file__).parents[2]

PAGES = ["home", "library", "analyse", "review", "feeds", "measure", "sightings", "notebook"]


def show(name, **query):
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for key, value in query.items():
        page.query_params[key] = value
    # The page itself, without Home before it: its address is the name of its file.
    return (page if name == "home" else page.switch_page(f"pages/{name}.py")).run()


def listed(page):
    """The rows that the page Sightings shows."""
    return json.loads(page.get("bidi_component")[0].proto.json)["rows"]


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_store_says_what_to_do_next(store, name):
    page = show(name)
    assert not page.exception
    assert page.info or any(button.label == "Try the sample" for button in page.button)


def test_a_store_with_a_run_and_sightings_is_shown(store, analysed, samples):
    clip = samples / "cat_then_person.mp4"
    (run,) = analysed(store, (clip, {"every_s": 0.5, "labels": ["cat"]}))
    run.save_sightings(lab.Debounce(enter_threshold=0.4))
    for name in PAGES:
        page = show(name)
        assert not page.exception, name
        assert not page.error, name


def test_a_replaced_clip_is_said_and_looked_for_in_library(store, samples, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_MEDIA_ROOTS", str(tmp_path / "card"))
    (tmp_path / "card").mkdir()
    clip = tmp_path / "card" / "clip.mp4"
    shutil.copy(samples / "nothing.mp4", clip)
    media_id = lab.open_store(store).store.add_media(lab.probe(clip))["media_id"]
    away = clip.rename(clip.with_name("renamed.mp4"))
    shutil.copy(samples / "cat_then_person.mp4", clip)
    page = show("library", media=media_id)
    assert not page.exception
    (said,) = page.error
    assert "is another video now" in said.value
    next(b for b in page.button if b.label == "Look for it").click().run()
    assert not page.exception
    assert not page.error
    assert lab.open_store(store).store.media(media_id)["path"] == str(away)


@pytest.mark.long
@pytest.mark.parametrize("name", ["review", "measure", "notebook"])
@pytest.mark.parametrize("lost", ["samples-*.parquet", "manifest.json"])
def test_a_damaged_run_is_said_by_each_page_that_reads_it(store, analysed, samples, name, lost):
    clip = samples / "cat_then_person.mp4"
    (run,) = analysed(store, (clip, {"every_s": 0.5, "labels": ["cat"]}))
    entry = run.store.add_entry(run.run_id, run.default_rule, title="a rule")
    (file,) = run.store.log_folder(run.run_id).glob(lost)
    file.unlink()
    page = show(name)
    if name == "notebook":
        page.session_state["entry_open"] = entry
        page.run()
    assert not page.exception
    (said,) = page.error
    assert file.name in said.value.replace("\\", "")
    assert run.run_id in said.value.replace("\\", "")
    if name == "review" and lost != "manifest.json":
        next(b for b in page.button if b.label == "Analyse again").click().run()
        (job,) = ended_jobs(desks.app_state())
        assert job.run_ids == (run.run_id,)
        assert not show("review").error


def test_two_sessions_on_two_runs_do_not_disturb_each_other(store, analysed, samples):
    from lab.app.ui.widgets.rule_state import rule_from_query, rule_to_query

    settings = {"every_s": 0.5, "labels": ["cat"]}
    clips = [samples / "cat_then_person.mp4", samples / "cat_comes_and_goes.mp4"]
    runs = analysed(store, *((clip, settings) for clip in clips))
    rules = [lab.Rule.coerce(lab.Debounce(enter_threshold=t)) for t in (0.45, 0.55)]
    pages = [
        show("review", run=run.run_id, rule=rule_to_query(rule)) for run, rule in zip(runs, rules)
    ]
    for page in pages:
        page.run()
    for page, run, rule in zip(pages, runs, rules):
        assert not page.exception
        assert page.query_params["run"] == run.run_id
        assert rule_from_query(page.query_params["rule"]) == rule


@pytest.mark.parametrize("which", [0, 1])
def test_measure_names_the_damaged_one_of_several_runs(store, analysed, samples, which):
    settings = {"every_s": 0.5, "labels": ["cat"]}
    clips = [samples / "cat_then_person.mp4", samples / "nothing.mp4"]
    runs = analysed(store, *((clip, settings) for clip in clips))
    next(runs[which].store.log_folder(runs[which].run_id).glob("samples-*.parquet")).unlink()
    page = show("measure")
    assert not page.exception
    (said,) = page.error
    assert runs[which].run_id in said.value.replace("\\", "")


def test_a_store_of_a_newer_schema_is_one_line(store):
    import duckdb

    opened = lab.open_store(store).store
    opened.save_rule("x", lab.Rule())
    opened.catalog.give_up()
    with duckdb.connect(str(store / "catalog.duckdb")) as db:
        db.execute("INSERT INTO schema_version VALUES (99)")
    for name in PAGES:
        page = show(name)
        assert not page.exception
        assert "update Sighting Lab" in page.error[0].value


@pytest.mark.long
def test_a_run_starts_from_the_page(store, samples):
    lab.open_store(store).store.add_media(lab.probe(samples / "nothing.mp4"))
    page = show("analyse")
    page.button[0].click().run()
    (job,) = ended_jobs(desks.app_state())
    assert job.state == "done", job.reason


def test_a_rule_survives_the_address():
    from lab.app.ui.widgets.rule_state import rule_from_query, rule_to_query
    from lab.errors import SettingError

    rule = lab.Rule.from_dict({"only": ["cat"]})
    assert rule_from_query(rule_to_query(rule)) == rule
    with pytest.raises(SettingError, match="ask for the link again"):
        rule_from_query("broken")


def test_upload_names_lead_nowhere_else():
    from lab.app.server.upload import safe_name

    assert safe_name("../../etc/passwd") == "passwd"
    assert safe_name("C:\\x\\clip 1.mp4") == "clip 1.mp4"
    assert safe_name("..") == "upload"


@pytest.fixture
def annotated(store, analysed, samples):
    """Two runs of one protocol with truth."""
    settings = {"every_s": 0.5, "labels": ["cat"]}
    clips = (samples / name for name in ("cat_comes_and_goes.mp4", "cat_then_person.mp4"))
    runs = analysed(store, *((clip, settings) for clip in clips))
    rows = [
        {"media": r.media["name"], "label": "cat", "start_s": a, "end_s": b}
        for r, spans in zip(runs, ([(2.0, 6.0), (9.0, 13.4)], [(1.6, 5.8)]))
        for a, b in spans
    ]
    truth = lab.Truth.coerce(rows, runs)
    runs[0].store.add_records([*truth.annotations, *truth.coverage])
    return runs


@pytest.mark.long
def test_a_store_with_annotations_is_shown(annotated):
    from lab.experiments.entry import save_rule_entry

    save_rule_entry(annotated[0], lab.Rule(), "first <b>try</b>")
    for name in PAGES:
        page = show(name)
        assert not page.exception, name
        assert not page.error, name


@pytest.mark.long
@pytest.mark.usefixtures("annotated")
@pytest.mark.parametrize(
    ("step", "parts"),
    [
        ("good", {}),
        ("rule", {}),
        ("next", {"keep_next_part": [ASK, AUDIT, FEWER]}),
        ("proof", {"keep_proof_part": [HELD_OUT, SIDES, PHRASINGS]}),
        ("none of them", {}),
    ],
)
def test_every_step_of_the_measure_page_draws(step, parts):
    page = show("measure", step=step)
    assert page.segmented_control[0].value == (step if parts or step == "rule" else "good")
    for key, names in parts.items():
        for name in names:
            page.session_state[key] = name
            page.run()
            assert not page.exception, name
            assert not page.error, name
    assert not page.exception
    assert not page.error


def unescaped(text):
    return text.replace("\\", "")


@pytest.mark.long
def test_the_measure_page_shows_what_python_says(annotated):
    found = lab.evaluate(annotated, rule=annotated[0].default_rule)
    page = show("measure")
    figures = found.labels["cat"]
    shown = [(m.label, unescaped(m.value), unescaped(m.delta)) for m in page.metric]
    assert shown == [
        (label, f"{value:.2f}", f"{low:.2f} to {high:.2f}")
        for label, value, (low, high) in (
            ("Precision", figures.precision, figures.precision_interval),
            ("Recall", figures.recall, figures.recall_interval),
            ("F1", figures.f1, figures.f1_interval),
        )
    ]
    page.session_state["figure_details"] = True
    page.run()
    table = next(d.value for d in page.dataframe if "F1 .5:.95" in d.value)
    row = table[table["label"] == "cat"].iloc[0]
    counts = found.labels["cat"].counts
    assert (row["found"], row["false"], row["missed"]) == (
        str(counts.tp),
        str(counts.fp),
        str(counts.fn),
    )
    assert row["F1"].startswith(f"{found.labels['cat'].f1:.2f} [")


def test_what_is_written_in_the_notebook_is_kept(annotated):
    page = show("notebook")
    next(b for b in page.button if b.label == "Open entry").click().run()
    next(t for t in page.text_area if t.label == "Conclusion").set_value("Cats come twice.")
    next(t for t in page.text_input if t.label.startswith("Tags")).set_value("cats, samples, cats")
    next(c for c in page.checkbox if c.label == "Starred").check()
    next(b for b in page.button if b.label == "Save entry").click().run()
    assert not page.exception
    entry = next(e for e in annotated[0].store.entries() if e["conclusion"])
    assert (entry["conclusion"], entry["tags"], entry["starred"]) == (
        "Cats come twice.",
        ["cats", "samples"],
        True,
    )
    next(t for t in page.text_input if t.label == "Search").set_value("nothing like it").run()
    assert any("0 of 2 entries" in c.value for c in page.caption)


@pytest.mark.long
def test_an_audit_is_drawn_and_logged(store, samples, annotated):
    runs = [*annotated]
    for name in ("nothing.mp4", "person_hidden_for_a_moment.mp4"):
        runs.append(
            lab.analyze(samples / name, every_s=0.5, labels=["cat"], store=store, progress=False)
        )
    page = show("measure", step="next")
    page.session_state["keep_next_part"] = AUDIT
    page.run()
    next(b for b in page.button if b.label == "Freeze the rule and draw").click().run()
    assert not page.exception
    (audit,) = map(Audit.from_dict, runs[0].store.audits())
    assert set(audit.drawn) == {r.media["media_id"] for r in runs[2:]}
    assert audit.rule_hash == runs[0].default_rule.rule_hash


def proof(part):
    page = show("measure", step="proof")
    page.session_state["keep_proof_part"] = part
    return page.run()


def test_protocols_are_compared_over_all_their_clips(annotated):
    strict = lab.Rule.coerce(lab.Debounce(enter_threshold=0.99))
    annotated[0].store.save_rule("too strict", strict)
    page = proof(SIDES)
    page.toggle[0].set_value(True).run()
    assert not page.exception
    gain = lab.compare(annotated, annotated, rule_a=annotated[0].default_rule, rule_b=strict).f1
    assert gain["gain"] < 0
    (said,) = (m.value for m in page.markdown if "watched clips" in m.value)
    assert f"2 watched clips: F1 {gain['a']:.3f} → {gain['b']:.3f}" in said


@pytest.mark.long
def test_a_run_is_never_compared_with_itself(annotated, samples, store):
    """One run and one rule: what is missing. Then another rule; then another run."""
    page = proof(SIDES)
    assert not page.exception
    assert "There is one run and one rule here" in page.info[0].value
    assert not page.metric
    annotated[0].store.save_rule("as it is", annotated[0].default_rule)
    below = lab.Rule.coerce(lab.Debounce(enter_threshold=0.001))
    annotated[0].store.save_rule("below the floor", below)
    assert "There is one run and one rule here" in proof(SIDES).info[0].value
    strict = lab.Rule.coerce(lab.Debounce(enter_threshold=0.9))
    annotated[0].store.save_rule("strict", strict)
    page = proof(SIDES)
    chosen = {s.label: s.value for s in page.selectbox}
    assert (chosen["Rule A"], chosen["Rule B"]) == ("default", "strict")
    assert page.metric
    next(s for s in page.selectbox if s.label == "Rule B").set_value("as it is").run()
    assert "A and B are the same run with the same rule" in page.info[0].value
    assert not page.metric
    clip = samples / "cat_comes_and_goes.mp4"
    for settings in ({"every_s": 0.5}, {"every_s": 1.0}):
        lab.analyze(clip, labels=["cat"], store=store, progress=False, **settings)
    page = proof(SIDES)
    one, other = (
        next(s for s in page.selectbox if s.label == f"Run {side}").value for side in "AB"
    )
    assert one["protocol_hash"] != other["protocol_hash"]
    assert not page.info
    assert page.metric


@pytest.mark.long
def test_only_labels_that_were_asked_about_are_measured(store, analysed, samples):
    """A run that was told no labels knows eighty: those that were found are offered."""
    (run,) = analysed(store, (samples / "cat_then_person.mp4", {"every_s": 0.5}))
    assert len(run.labels) == 80
    page = show("measure")
    label = next(s for s in page.selectbox if s.label == "Label")
    assert set(label.options) < set(run.log.labels)
    assert label.options[:2] == ["person", "cat"]
    assert set(proof(PHRASINGS).multiselect[0].options) == set(label.options)
    rows = [{"media": run.media["name"], "label": "cat", "start_s": 1.6, "end_s": 5.8}]
    truth = lab.Truth.coerce(rows, [run])
    run.store.add_records([*truth.annotations, *truth.coverage])
    page = show("measure")
    page.session_state["figure_details"] = True
    page.run()
    assert next(s for s in page.selectbox if s.label == "Label").options == ["cat"]
    table = next(d.value for d in page.dataframe if "F1 .5:.95" in d.value)
    assert list(table["label"]) == ["cat", "all labels"]
    assert len(page.metric) == 3


@pytest.mark.long
def test_what_nobody_watched_is_said_where_recall_would_be(store, analysed, samples):
    settings = {"every_s": 0.5, "labels": ["cat", "person"]}
    analysed(store, (samples / "cat_then_person.mp4", settings))
    page = show("measure")
    recall = next(m for m in page.metric if m.label == "Recall")
    assert recall.value == "0 % watched"
    assert "V says that the whole clip was watched" in page.info[0].value
    page.session_state["figure_details"] = True
    page.run()
    table = next(d.value for d in page.dataframe if "F1 .5:.95" in d.value)
    assert list(table["recall"][:2]) == ["0 % watched"] * 2
    assert list(table["label"]) == ["cat", "person", "all labels", "mean of labels"]


@pytest.mark.usefixtures("annotated")
def test_phrasings_are_chosen_strongest_first_and_measured_against_a_label(store, samples):
    from lab.app.ui.widgets.phrases_tab import by_peak
    from lab.evaluation.phrasing import compare_phrases

    run = lab.analyze(
        samples / "cat_then_person.mp4",
        every_s=0.5,
        labels=["dog", "cat", "person"],
        store=store,
        progress=False,
    )
    page = proof(PHRASINGS)
    assert not page.exception
    assert page.multiselect[0].value == by_peak(run) == ["person", "cat", "dog"]
    assert page.selectbox(key=f"keep_phrases_truth_{run.media['media_id']}").options == ["cat"]
    page.selectbox(key=f"keep_phrases_truth_{run.media['media_id']}").set_value("cat").run()
    assert not page.exception
    assert not page.error
    assert compare_phrases(run, ["cat", "dog"], truth_label="cat").rows[0]["recall"] == 1.0
    page.multiselect[0].set_value(["cat"]).run()
    assert "at least two phrases" in page.info[0].value


def test_a_rule_that_the_run_cannot_answer_is_one_line(store, analysed, samples):
    clip = samples / "cat_then_person.mp4"
    (run,) = analysed(store, (clip, {"every_s": 0.5, "labels": ["cat", "person"]}))
    run.store.save_rule("too low", lab.Rule.coerce(lab.Debounce(enter_threshold=0.001)))
    page = proof(PHRASINGS)
    page.selectbox(key=f"keep_phrases_rule_{run.run_id}").set_value("too low").run()
    assert not page.exception
    assert "score floor" in page.error[0].value


def told_of_the_player(page):
    return json.loads(page.get("bidi_component")[0].proto.json)


@pytest.fixture
def two_runs(store, analysed, samples):
    clips = [samples / "cat_then_person.mp4", samples / "cat_comes_and_goes.mp4"]
    return analysed(store, *((clip, {"every_s": 0.5, "labels": ["cat"]}) for clip in clips))


def test_a_link_opens_its_run_whatever_the_session_keeps_of_another_pages_player(two_runs):
    """That of Live outlasts its page where Review is opened before its script has ended."""
    for run in two_runs:
        page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        page.session_state["player"] = None
        page.query_params["run"] = run.run_id
        page.switch_page("pages/review.py").run()
        assert not page.exception
        assert told_of_the_player(page)["run_id"] == run.run_id


def test_a_moment_that_was_asked_for_is_gone_to_after_a_rerun_that_came_between(
    two_runs, monkeypatch
):
    import streamlit as st

    from lab.app.ui.pages import review

    shown, show_player = [], review.show_player

    def interrupted(*args, **settings):
        shown.append(settings["seek"])
        rule = show_player(*args, **settings)
        if len(shown) == 1:
            st.rerun()
        return rule

    monkeypatch.setattr(review, "show_player", interrupted)
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    page.session_state["seek"] = {"run_id": two_runs[0].run_id, "t": 3.0, "n": "once"}
    page.query_params["run"] = two_runs[0].run_id
    page.switch_page("pages/review.py").run()
    assert not page.exception
    assert shown == [{"t": 3.0, "n": "once"}] * 2
