"""Pages say why a figure is missing, in the words that Python and the command line use."""

import ast
import time
from pathlib import Path
from typing import get_args

import pytest

import lab
from lab.annotation import Coverage
from lab.app.ui.pages.measure import FEWER, SIDES
from lab.app.ui.widgets.moments import KINDS
from lab.app.ui.widgets.notes import sentence
from lab.charts.notes import notes_of
from lab.evaluation.comparison import NOTHING_COUNTED
from lab.evaluation.fragmentation import Kind
from lab.evaluation.rates import NO_ANNOTATION
from lab.evaluation.seconds import NO_KAPPA
from tests.pages.test_pages import show

UI = Path(lab.__file__).parent / "app" / "ui"


@pytest.fixture
def empty_run(store, analysed, samples):
    """A clip without the label that two annotators watched, and nobody annotated."""
    (run,) = analysed(store, (samples / "nothing.mp4", {"every_s": 0.5, "labels": ["cat"]}))
    media = run.media
    run.store.add_records(
        Coverage(
            media_id=media["media_id"],
            label="cat",
            start_us=media["first_pts_us"],
            end_us=media["end_us"],
            annotator=name,
        )
        for name in ("ann", "ben")
    )
    return run


def captions(page):
    assert not page.exception
    return "\n".join(caption.value for caption in page.caption)


def captions_with(page, words):
    """The captions once these words are among them: what they are about is computed meanwhile."""
    for _ in range(600):
        text = captions(page.run())
        if words in text:
            return text
        time.sleep(0.2)
    raise AssertionError(f"{words!r} is not said: {text}")


def test_fewer_samples_say_why_there_is_no_recall(empty_run):
    page = show("measure", step="next")
    page.session_state["keep_next_part"] = FEWER
    assert NO_ANNOTATION in captions_with(page, "No recall")


@pytest.mark.long
def test_advice_says_why_there_is_no_recall(empty_run):
    page = show("measure", step="rule")
    next(b for b in page.button if b.label == "Search for a better rule").click().run()
    assert NO_ANNOTATION in captions_with(page, "No recall")


def test_annotators_without_a_presence_read_why_they_have_no_kappa(empty_run):
    page = show("measure")
    page.session_state["annotation_files"] = True  # the panel, which reads nothing while closed
    assert f"No kappa: {NO_KAPPA}" in captions(page.run())


def test_a_comparison_without_presences_says_why_it_has_no_figures(empty_run):
    empty_run.store.save_rule("strict", lab.Rule.coerce(lab.Debounce(enter_threshold=0.9)))
    page = show("measure", step="proof")
    page.session_state["keep_proof_part"] = SIDES
    text = captions(page.run())
    assert f"No kappa: {NO_KAPPA}" in text
    assert f"No F1 of A, F1 of B: {NOTHING_COUNTED}" in text


def test_notes_of_charts_name_what_is_to_be_used_in_pages():
    undecided = notes_of(
        undecided=2, without_log=1, repeated=0, others=(), twice=(), rules=False, false=0
    )
    said = [sentence(note) for note in (*undecided, "1 clip left out; see: lab starts")]
    assert said[0].endswith("nothing was there; see “Apply to all clips” in Review.")
    assert said[2] == "1 clip left out; see Library, Sites, Starts."
    assert not any("lab " in one for one in said)
    assert sentence("the protocols differ") == "The protocols differ."


def test_tables_leave_empty_what_is_not_known():
    lacking = [
        f"{file.name}:{call.lineno}"
        for file in UI.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("dataframe", "data_editor")
        and all(one.arg != "placeholder" for one in call.keywords)
    ]
    assert lacking == []


def test_every_kind_of_moment_has_its_words():
    assert set(KINDS) == set(get_args(Kind))
    assert KINDS["censored"] == "cut by an end"
