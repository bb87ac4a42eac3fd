"""The measuring commands as programs call them: JSON alone on standard output, one-line errors."""

import contextlib
import io
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from lab.app.cli.main import main
from tests.builders import make_run, scores_of

TRUTH = "media,label,start_s,end_s\nclip.mp4,x,10,20\nclip.mp4,x,30,34\n"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    run = make_run(folder, scores_of(60, [(10, 20), (30, 34), (50, 51)], 0.8, 0.1), every_s=1.0)
    (folder / "truth.csv").write_text(TRUTH)
    return folder, run


def ask(folder, *words):
    """The command line in this process, as `python -m lab` calls it."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([*map(str, words), "--store", str(folder / "store")])
        except SystemExit as stopped:
            code = stopped.code
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


def answer(folder, *words):
    done = ask(folder, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_a_protocol_stands_for_the_newest_run_of_each_of_its_clips(study, capsys):
    folder, run = study
    rest = ["--labels", str(folder / "truth.csv"), "--enter-threshold", "0.5", "--json"]
    by_run = answer(folder, "evaluate", run.run_id, *rest)
    by_protocol = answer(folder, "evaluate", "--protocol", run.protocol_hash[:8], *rest)
    assert by_protocol == by_run
    assert main(["evaluate", "--protocol", "nothing", "--store", str(run.store.folder)]) == 2
    assert "no protocol begins with 'nothing'" in capsys.readouterr().err
    for words in ([], [run.run_id, "--protocol", run.protocol_hash]):
        assert main(["evaluate", *words, "--store", str(run.store.folder)]) == 2
        assert "name runs, or --protocol HASH" in capsys.readouterr().err


def test_evaluate_says_what_was_found_and_what_was_assumed(study):
    folder, run = study
    row = answer(
        folder,
        "evaluate",
        run.run_id,
        "--labels",
        folder / "truth.csv",
        "--enter-threshold",
        0.5,
        "--enter-frames",
        1,
    )
    figures = row["labels"]["x"]
    assert (figures["tp"], figures["fp"], figures["fn"]) == (2, 1, 0)
    assert figures["precision"] == 2 / 3
    assert figures["precision_interval"] == pytest.approx([0.0943, 0.9916], abs=1e-4)
    assert figures["covered_s"] == 60
    assert figures["false_per_hour"] == 60
    assert any("wholly watched" in n for n in row["notes"])
    assert {"mean_tiou", "onset_error", "offset_error", "recall_interval", "f1_interval"} <= set(
        figures
    )


def test_sweep_recommend_and_calibrate_answer_in_json(study):
    folder, run = study
    truth = ("--labels", folder / "truth.csv")
    swept = answer(folder, "sweep", run.run_id, *truth)["labels"]["x"]
    assert swept["best"]["f1"] == 1.0
    assert swept["pareto"]
    advice = answer(folder, "recommend", run.run_id, *truth, "--recall", 0.9)["labels"]["x"]
    assert advice["fitted"]["recall"] == 1.0
    assert answer(folder, "calibrate", run.run_id, *truth)["samples"] == 60
    assert answer(folder, "thin", run.run_id, *truth)[0]["interval_s"] == 1.0
    assert answer(folder, "decisions", run.run_id, "--enter-threshold", 0.5)[0]["kind"]
    assert isinstance(answer(folder, "queue", run.run_id), list)


def test_every_rule_option_counts_in_a_comparison(study):
    folder, run = study
    found = answer(
        folder,
        "compare",
        run.run_id,
        run.run_id,
        "--labels",
        folder / "truth.csv",
        "--enter-frames",
        999,
    )
    assert found["sightings"] == {"a": 0, "b": 0}
    assert any("wholly watched" in n for n in found["notes"])


def test_collections_are_compared_with_an_interval(tmp_path):
    ids, rows = [], ["media,label,start_s,end_s"]
    for i in range(5):
        run = make_run(
            tmp_path,
            scores_of(60, [(10, 20), (40, 43)], 0.8 if i else 0.6, 0.1),
            every_s=1.0,
            name=f"c{i}",
        )
        ids.append(run.run_id)
        rows.append(f"c{i}.mp4,x,10,20")
    (tmp_path / "truth.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "longer.json").write_text(
        json.dumps({"default": {"debounce": {"enter_threshold": 0.5, "min_duration_s": 5}}})
    )
    both = ",".join(ids)
    found = answer(
        tmp_path,
        "compare",
        both,
        both,
        "--labels",
        tmp_path / "truth.csv",
        "--enter-threshold",
        0.5,
        "--rule-b",
        tmp_path / "longer.json",
    )
    assert found["f1"]["clips"] == 5
    assert found["f1"]["gain"] > 0.3
    assert found["f1"]["gain_interval"][0] > 0
    assert {d["kind"] for d in found["differences"]} == {"lost"}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["evaluate", "RUN", "--labels", "missing.csv"], 2, "cannot be read"),
        (["evaluate", "nope", "--labels", "TRUTH"], 2, "no run"),
        (["evaluate", "RUN", "RUN", "--labels", "TRUTH"], 2, "count twice"),
        (["evaluate", "RUN", "--labels", "TRUTH", "--tiou", "2"], 2, "tiou"),
        (
            ["sweep", "RUN", "--labels", "TRUTH", "--grid-enter-frames", "a,b"],
            2,
            "expected numbers",
        ),
        (["sweep", "RUN", "--labels", "TRUTH", "--grid-enter-frames", "1.5"], 2, "whole number"),
        (["sweep", "RUN"], 2, "no stretch was watched"),
        (["decisions", "RUN", "--label", "zebra"], 2, "no label 'zebra'"),
        (["thin", "RUN", "--label", "zebra", "--labels", "TRUTH"], 2, "no label 'zebra'"),
        (["queue", "RUN", "--most", "-1"], 2, "1 or more"),
        (["audit", "RUN"], 2, "--draw"),
        (["experiments", "nope"], 2, "no entry"),
        (["reproduce", "TRUTH"], 2, "not a whole methods bundle"),
        (["import", "annotations", "TRUTH", "--format", "elan"], 2, "not a whole EAF"),
        (["agreement", "anna", "ben"], 2, "watched nothing"),
    ],
)
def test_errors_are_one_line_with_the_way_out(study, words, code, says):
    folder, run = study
    places = {"RUN": run.run_id, "TRUTH": folder / "truth.csv"}
    done = ask(folder, *(places.get(w, w) for w in words))
    assert done.returncode == code
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_the_command_line_starts_without_what_is_heavy():
    code = (
        "import sys\n"
        "from lab.app.cli.main import main\n"
        "try: main(['sightings', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = "
        "{'torch', 'cv2', 'av', 'numpy', 'pandas', 'numba', 'duckdb', 'pyarrow', 'streamlit'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--enter-threshold" in done.stdout
