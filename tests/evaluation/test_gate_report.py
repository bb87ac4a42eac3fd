"""What a gate saved, and what it cost."""

import pytest

import lab
from lab.annotation import Annotation
from lab.app.cli.main import main
from lab.errors import SettingError
from lab.evaluation.truth import Truth
from lab.formats.placing import whole
from tests.runs.test_gate import GATE, Everywhere, clip, made  # noqa: F401


def truth_of(run, *present):
    media_id = run.media["media_id"]
    marks = [
        Annotation(media_id=media_id, label="x", start_us=round(a * 1e6), end_us=round(b * 1e6))
        for a, b in present
    ]
    return Truth.from_records(marks, [whole(run.media, "x")])


def test_a_presence_that_the_gate_hid_counts_as_missed(made):  # noqa: F811
    run, _ = made
    # The second presence is one that does not move: the detector never looked.
    report = lab.gate_report(
        run, truth_of(run, (3.0, 5.0), (6.4, 7.4)), lab.Debounce(enter_threshold=0.5)
    )
    row = report.labels["x"]
    assert report.gated == run.effort().gated > 0
    assert report.saved == report.gated / report.samples
    assert (row["annotations"], row["hidden"]) == (2, 1)
    assert row["recall"] == row["recall_looked_at"] / 2
    assert row["recall_without_gate"] is None


def test_the_same_run_without_the_gate_is_compared_if_the_store_has_it(made):  # noqa: F811
    run, _ = made
    lab.analyze(run.media_path, detector=Everywhere(), store=run.store, progress=False)
    report = lab.gate_report(run, truth_of(run, (0.0, 12.0)), lab.Debounce(enter_threshold=0.5))
    assert report.labels["x"]["recall_without_gate"] == 1.0


def test_figures_of_a_gated_run_say_so(made):  # noqa: F811
    run, _ = made
    notes = lab.evaluate(run, truth_of(run, (3.0, 5.0))).notes
    assert any("held back by a gate" in note for note in notes)


def test_a_run_without_a_gate_has_no_report(quick_run, capsys):
    with pytest.raises(SettingError, match="has no gate"):
        lab.gate_report(quick_run)
    assert main(["gate", quick_run.run_id, "--store", str(quick_run.store.folder)]) == 2
    assert "--gate motion" in capsys.readouterr().err


def test_settings_of_the_gate_are_in_the_report(made):  # noqa: F811
    assert lab.gate_report(made[0], truth_of(made[0])).gate["hold_s"] == GATE["hold_s"]
