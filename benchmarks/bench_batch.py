"""Many clips: `lab batch` against a plain loop of Ultralytics' predict, and what it adds by itself.

    python benchmarks/bench_batch.py [--clips 200] [--repeats 1] [--parts short workers cores]

short    clips of 2 s, 640x360, one sample a second. Per clip: the batch without its start (all
         clips less the first eight), decoding and inference alone, and Ultralytics with its
         model loaded and warm, on the same weights and runtime. Overhead: first less second.
workers  one worker against two with a thread each, on these and on clips of 20 s.
cores    a batch on two cores against the sum of what each of them does alone, clips of 20 s.

Each time as seconds that passed and as processor time of all processes; the second tells more on a
machine that does other work.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FPS = 25
FEW = 8
SIDES = ("bare", "ultralytics")


def make_clips(folder: Path, count: int, seconds: int, size: str) -> list[Path]:
    folder.mkdir()
    command = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi"]
    command += ["-i", f"testsrc2=size={size}:rate={FPS}", "-t", str(count * seconds)]
    command += ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
    command += ["-g", str(2 * FPS), "-keyint_min", str(2 * FPS), "-sc_threshold", "0"]
    command += ["-f", "segment", "-segment_time", str(seconds), "-reset_timestamps", "1"]
    subprocess.run([*command, str(folder / "%04d.mp4")], check=True)
    return sorted(folder.glob("*.mp4"))[:count]


def timed(command: list[str], cores: set[int] | None = None) -> tuple[float, float, str]:
    """Seconds that passed, processor time of it and what it started, and its output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or everywhere)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        os.sched_setaffinity(0, everywhere)
    if done.returncode:
        sys.exit(f"{' '.join(command)[:300]} failed: {done.stderr.strip()[-300:]}")
    spent = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, processor, done.stdout


def batch(
    clips: list[Path], workers: int | None = None, cores: set[int] | None = None
) -> tuple[float, float]:
    """Seconds and processor time of one batch into a new store."""
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-m", "lab", "batch", *map(str, clips), "--every", "1"]
        command += ["--store", store, "--json"]
        command += [] if workers is None else ["--workers", str(workers)]
        spent, processor, out = timed(command, cores)
    counts = json.loads(out)["counts"]
    assert counts.get("done") == len(clips), counts
    return spent, processor


def without_start(
    clips: list[Path], workers: int | None = None, cores: set[int] | None = None
) -> tuple[float, float]:
    """Seconds and processor time for each clip beyond the first few."""
    few, more = batch(clips[:FEW], workers, cores), batch(clips, workers, cores)
    left = len(clips) - FEW
    return (more[0] - few[0]) / left, (more[1] - few[1]) / left


def side(name: str, clips: list[Path]) -> tuple[float, float]:
    """As `without_start`: each clip by itself, the model warm."""
    command = [sys.executable, __file__, "--side", name, "--list", "\n".join(map(str, clips))]
    spent, processor = json.loads(timed(command)[2].strip().splitlines()[-1])
    return spent / len(clips), processor / len(clips)


def run_side(name: str, clips: list[str]) -> list[float]:
    """Decode and infer; the answer is printed for `side`."""
    from lab.detectors.weights.find import find_weights

    if name == "bare":
        import lab
        from lab.video.sources.file import FileSource

        detector = lab.make_detector("yolo")
        detector.detect(list(FileSource(clips[0]).frames(1))[: detector.batch_size])

        def analyse(clip: str) -> None:
            frames = list(FileSource(clip).frames(1))
            for i in range(0, len(frames), detector.batch_size):
                detector.detect(frames[i : i + detector.batch_size])

    else:
        from ultralytics import YOLO

        model = YOLO(str(find_weights(None)), task="detect")

        def analyse(clip: str) -> None:
            found = model.predict(
                clip, stream=True, vid_stride=FPS, imgsz=640, conf=0.05, verbose=False, device="cpu"
            )
            assert sum(1 for _ in found)

    analyse(clips[0])
    begun = time.perf_counter(), time.process_time()
    for clip in clips:
        analyse(clip)
    return [time.perf_counter() - begun[0], time.process_time() - begun[1]]


def median(times: list[tuple[float, float]]) -> list[float]:
    return [sorted(one)[len(one) // 2] for one in zip(*times, strict=True)]


def told(name: str, times: list[float], of: list[float] | None = None) -> None:
    ratio = (
        "" if of is None else f"; ratio {times[0] / of[0]:.2f}, processor {times[1] / of[1]:.2f}"
    )
    print(f"  {name:<28} {1000 * times[0]:6.0f} ms, processor {1000 * times[1]:6.0f} ms{ratio}")


def short(clips: list[Path], repeats: int) -> None:
    taken: dict[str, list[tuple[float, float]]] = {"lab batch": [], **{name: [] for name in SIDES}}
    for _ in range(repeats):  # the sides take turns
        taken["lab batch"].append(without_start(clips))
        for name in SIDES:
            taken[name].append(side(name, clips))
    times = {name: median(each) for name, each in taken.items()}
    print(f"{len(clips)} clips of 2 s, each (load {os.getloadavg()[0]:.1f}):")
    told("ultralytics predict", times["ultralytics"])
    told("decoding and inference", times["bare"])
    told("lab batch", times["lab batch"], times["ultralytics"])
    told("overhead", [a - b for a, b in zip(times["lab batch"], times["bare"], strict=True)])


def workers(clips: list[Path], name: str, repeats: int) -> None:
    counts = (1, 2)
    taken: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    for _ in range(repeats):
        for count in counts:
            taken[count].append(without_start(clips, count))
    print(f"clips of {name}, each (load {os.getloadavg()[0]:.1f}):")
    for count in counts:
        of = median(taken[1]) if count > 1 else None
        told(f"{count} worker{'s' * (count > 1)}", median(taken[count]), of)


def cores(clips: list[Path], repeats: int) -> None:
    two = sorted(os.sched_getaffinity(0))[:2]
    sets = {"core a": {two[0]}, "core b": {two[-1]}, "both": set(two)}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sets}
    for _ in range(repeats):
        for name, chosen in sets.items():
            taken[name].append(without_start(clips, cores=chosen))
    times = {name: median(each) for name, each in taken.items()}
    print(f"clips of 20 s, each (load {os.getloadavg()[0]:.1f}):")
    for name, each in times.items():
        told(name, each)
    rate = {name: 1 / each[0] for name, each in times.items()}
    work = (times["core a"][1] + times["core b"][1]) / 2 / times["both"][1]
    print(
        f"  both / sum of each: {rate['both'] / (rate['core a'] + rate['core b']):.2f} by time; "
        f"processor time alone / together: {work:.2f}"
    )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--clips", type=int, default=200)
    options.add_argument("--repeats", type=int, default=1)
    parts = ("short", "workers", "cores")
    options.add_argument("--parts", nargs="+", choices=parts, default=parts)
    options.add_argument("--side", choices=SIDES)
    options.add_argument("--list")
    args = options.parse_args()
    if args.side:
        print(json.dumps(run_side(args.side, args.list.splitlines())))
        return
    with tempfile.TemporaryDirectory() as folder:
        brief = make_clips(Path(folder, "short"), args.clips, 2, "640x360")
        if "short" in args.parts:
            short(brief, args.repeats)
        if {"workers", "cores"} & {*args.parts}:
            longer = make_clips(Path(folder, "long"), 3 * FEW, 20, "1280x720")
        if "workers" in args.parts:
            workers(brief, "2 s", args.repeats)
            workers(longer, "20 s", args.repeats)
        if "cores" in args.parts:
            cores(longer, args.repeats)


if __name__ == "__main__":
    main()
