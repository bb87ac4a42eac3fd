"""What each step costs with 100, 1,000 and 10,000 clips in the store, and how it grows.

    python benchmarks/bench_scale.py [--clips 100 1000 10000] [--only NAME ...] [--folder FOLDER]

Every step runs in a process of its own, on a copy of the same made store (`study.py`), with a
limit of time. Printed are seconds, the most memory of the process, and the last over the first.
"""

import argparse
import contextlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.study import EVERY_US, LABELS, RULE, VISITS, make_study

ROOT = Path(__file__).parents[1]
STEPS: dict[str, Callable[[Path, int], Iterator[None]]] = {}


def step(made):
    """A generator: it prepares, yields, does what is measured, and returns."""
    STEPS[made.__name__] = made
    return made


def _store(folder):
    import lab

    return lab.open_store(folder).store


def _run_id(i):
    return f"20260101-{i:06d}-made00"


@step
def one_run_by_id(folder, clips):
    store = _store(folder)
    store.run(_run_id(0))
    yield
    store.run(_run_id(clips // 2))


@step
def fifty_newest_runs(folder, clips):
    store = _store(folder)
    store.run(_run_id(0))
    yield
    assert len(store.runs(limit=50)) == 50


@step
def first_sightings(folder, clips):
    store = _store(folder)
    store.run(_run_id(0))
    yield
    assert len(store.sightings(limit=50)) == 50


@step
def save_sightings_of_clips(folder, clips):
    """Those of all clips, saved again in one go: 20 a clip."""
    store = _store(folder)
    run = store.run(_run_id(0))
    found = _made_sightings(VISITS * clips)
    yield
    assert store.save_sightings(run["run_id"], RULE, found) == len(found)


def _made_sightings(n):
    from lab.sighting import Sighting

    times = [i * 10 * EVERY_US for i in range(n)]
    return [
        Sighting(
            label=LABELS[i % len(LABELS)],
            onset_us=t,
            confirmed_us=t,
            offset_us=t + EVERY_US,
            closed_us=t + EVERY_US,
            onset_earliest_us=t,
            offset_latest_us=t + EVERY_US,
            peak_us=t,
            peak_confidence=0.9,
            close_reason="exit",
            censored_left=False,
            censored_right=False,
            alert_us=None,
        )
        for i, t in enumerate(times)
    ]


@step
def export_sightings(folder, clips):
    """All sightings as CSV, by the command line: 20 a clip."""
    yield
    _lab("export", "sightings", "--format", "csv", "--store", folder)


def _lab(*words):
    """A command in this process; what it prints goes into a file."""
    from lab.app.cli.main import main

    with tempfile.TemporaryFile("w") as out, contextlib.redirect_stdout(out):
        code = main([str(word) for word in words])
    assert code in (0, None), code


@step
def import_a_video(folder, clips):
    """One of 200 further videos of a MegaDetector JSON."""
    files = [
        {
            "file": f"new/VID_{i:05d}.MP4",
            "frame_rate": 30.0,
            "frames_processed": list(range(0, 300, 30)),
            "detections": [
                {
                    "category": "1",
                    "conf": 0.8,
                    "bbox": [0.1, 0.1, 0.2, 0.2],
                    "frame_number": 30 * (i % 8),
                }
            ],
        }
        for i in range(200)
    ]
    made = {
        "info": {"format_version": "1.5", "detector": "md_v5a.0.0.pt"},
        "detection_categories": {"1": "animal"},
        "images": files,
    }
    path = folder / "new.json"
    path.write_text(json.dumps(made))
    yield 200
    _lab("import", "megadetector", path, "--store", folder, "--json")


@step
def short_clip_of_a_folder(folder, clips):
    """One of ten clips of a second, with a detector that takes no time."""
    videos = folder / "short"
    videos.mkdir()
    for i in range(10):
        source = f"testsrc2=size=64x48:rate=5:duration=1,hue=h={i * 30}"
        command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p"]
        subprocess.run([*command, videos / f"{i}.mp4"], check=True)
    _lab("doctor", "--store", folder / "other", "--json")  # what is imported at first use
    yield 10
    _lab("analyze", videos, "--detector", "motion", "--store", folder, "--json")


@step
def evaluate_all(folder, clips):
    import lab

    store = _store(folder)
    yield
    runs = lab.Run.many(store, [_run_id(i) for i in range(clips)])
    found = lab.evaluate(runs, None, RULE)
    assert found.labels["bird"].recall == 1


@step
def sweep_all(folder, clips):
    import lab

    store = _store(folder)
    yield
    runs = lab.Run.many(store, [_run_id(i) for i in range(clips)])
    from lab.tuning.rule_grid import RuleGrid

    grid = RuleGrid(enter_threshold=[0.3, 0.5, 0.7], enter_frames=[1, 3])
    lab.sweep(runs, None, label="bird", grid=grid)


@step
def figures_after_a_mark(folder, clips):
    """What an annotation key in Review costs the server, with 20 annotations a clip."""
    from lab.app.server.state import AppState
    from lab.config import Config

    at = AppState(Config(store=folder))
    media_id = f"{1:016x}"
    mark = {"kind": "annotation", "label": "bird", "start_us": 10, "end_us": 20, "annotator": "me"}
    at.truth.change(media_id, {"add": [mark]})
    at.replay(_run_id(0), RULE)
    yield
    at.truth.change(media_id, {"add": [mark]})
    at.replay(_run_id(0), RULE)


@step
def doctor(folder, clips):
    """The second time: the first writes what this old store lacks beside its logs."""
    _lab("doctor", "--store", folder, "--json")
    yield
    _lab("doctor", "--store", folder, "--json")


@step
def page_home(folder, clips):
    yield from _page(folder, None)


@step
def page_library(folder, clips):
    """With 500 clips selected, if there are so many."""
    ids = [f"{i:016x}" for i in range(1, min(clips, 500) + 1)]
    yield from _page(folder, "library", media=",".join(ids))


def _page(folder, name, state=None, **query):
    """state: of the session, such as the part of a page that is open. query: of the address."""
    import os

    os.environ["LAB_STORE"] = str(folder)
    from streamlit.testing.v1 import AppTest

    from lab.app.ui.start import warm_up

    warm_up()
    empty = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
    empty.run()
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
    for key, value in query.items():
        page.query_params[key] = value
    for key, value in (state or {}).items():
        page.session_state[key] = value
    if name is not None:
        page.run()
    yield
    page = page.run() if name is None else page.switch_page(f"pages/{name}.py").run()
    assert not page.exception, page.exception


@step
def page_run(folder, clips):
    yield from _page(folder, "analyse")


@step
def page_tune(folder, clips):
    yield from _page(folder, "review")


@step
def page_measure(folder, clips):
    yield from _page(folder, "measure")


@step
def page_compare(folder, clips):
    """Two runs or rules, in the last step of Measure."""
    state = {"keep_proof_part": "Two runs or rules"}
    yield from _page(folder, "measure", state, step="proof")


@step
def page_sightings(folder, clips):
    yield from _page(folder, "sightings")


@step
def page_experiments(folder, clips):
    yield from _page(folder, "notebook")


@step
def what_would_go(folder, clips):
    """A preview of a policy for everything; all logs are kept, since somebody watched the clips."""
    from lab.retention import Policy, preview, usage

    store = _store(folder)
    store.run(_run_id(0))
    ages = {kind: {"older_than_days": 0} for kind in ("pictures", "copies", "clips", "logs")}
    yield
    plan = preview(store, Policy(**ages))
    assert plan.kinds["logs"].count == clips
    assert usage(store).total > 0


def run_one(name, folder, clips):
    """In the step's own process: seconds for one of what it says, and most memory in MB."""
    doing = STEPS[name](folder, clips)
    each = next(doing) or 1
    begun = time.perf_counter()
    next(doing, None)
    took = (time.perf_counter() - begun) / each
    print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
    sys.stdout.flush()


def measure(name, study, clips, limit_s):
    """Seconds and memory of one step in a new process; texts where it failed."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "store"
        shutil.copytree(study, folder, copy_function=_link, symlinks=True)
        command = [sys.executable, __file__, "--step", name, str(folder), str(clips)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
        except subprocess.TimeoutExpired:
            return f"> {limit_s} s", ""
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        return "failed", ""
    took, memory = json.loads(done.stdout.splitlines()[-1])
    return took, memory


def _link(source, target):
    """Parts are never written in place, so a link is a copy; the catalog is."""
    if source.endswith(".parquet"):
        Path(target).hardlink_to(source)
    else:
        shutil.copy2(source, target)
    return target


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--clips", type=int, nargs="+", default=[100, 1000, 10_000])
    options.add_argument("--only", nargs="+", choices=list(STEPS), default=list(STEPS))
    options.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "lab-study")
    options.add_argument("--limit", type=float, default=300, help="seconds for each step")
    options.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.step:
        run_one(args.step[0], Path(args.step[1]), int(args.step[2]))
        return
    studies = {n: make_study(args.folder / str(n), n) for n in args.clips}
    print("| step | " + " | ".join(f"{n:,} clips" for n in args.clips) + " | growth | memory |")
    print("| --- |" + " ---: |" * (len(args.clips) + 2))
    for name in args.only:
        times, memory = [], ""
        for n in args.clips:
            took, memory = measure(name, studies[n], n, args.limit)
            times.append(took)
            if isinstance(took, str):
                break
        times += ["–"] * (len(args.clips) - len(times))
        numbers = [t for t in times if not isinstance(t, str)]
        growth = f"{numbers[-1] / numbers[0]:.1f}" if len(numbers) == len(times) else "–"
        cells = [t if isinstance(t, str) else f"{t * 1e3:,.0f} ms" for t in times]
        most = memory if isinstance(memory, str) else f"{memory:,.0f} MB"
        words = name.replace("_", " ")
        print(f"| {words} | " + " | ".join(cells) + f" | {growth} | {most} |", flush=True)


if __name__ == "__main__":
    main()
