"""Analysing 60 s of 1080p30 H.264 at one sample a second, against peers on the same model.

    python benchmarks/bench_analyse.py [--clip CLIP] [--repeats N]

All sides: the default YOLO11 n weights, 640 px, ONNX Runtime, one process each, the model loaded
and warm before the clock starts. Peers run Ultralytics' predictor: its own `vid_stride`,
supervision's frame generator, stream-infer's offline walk. Keyframes every 60 and every 250 frames.
Of each side the seconds that passed and the processor time, which other work on the machine changes
less; the sides take turns, and the median of each counts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS, FPS = 60, 30
SIDES = ["lab", "sampler alone", "inference alone", "ultralytics", "supervision", "stream-infer"]


def make_clip(source: Path | None, keyint: int, folder: Path) -> Path:
    out = folder / f"key{keyint}.mp4"
    inputs = (
        ["-stream_loop", "-1", "-i", str(source)]
        if source
        else ["-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30"]
    )
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        *inputs,
        "-t",
        str(SECONDS),
        "-vf",
        "scale=1920:1080,fps=30",
        "-an",
    ]
    command += ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-g", str(keyint)]
    subprocess.run(
        [*command, "-keyint_min", str(keyint), "-sc_threshold", "0", str(out)], check=True
    )
    return out


class Clock:
    """Seconds that passed, and processor time of this process, since it was made."""

    def __init__(self) -> None:
        self._begun = self._now()

    def read(self) -> list[float]:
        return [now - then for now, then in zip(self._now(), self._begun, strict=True)]

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


def side(name: str, clip: str) -> list[float]:
    """Seconds and processor time that one side takes, its model warm."""
    os.environ["YOLO_AUTOINSTALL"] = "false"
    from lab.detectors.weights.find import find_weights

    weights = str(find_weights(None))
    if name in ("lab", "sampler alone", "inference alone"):
        return _ours(name, clip)
    import numpy as np
    from ultralytics import YOLO

    model = YOLO(weights, task="detect")
    quiet = {"imgsz": 640, "conf": 0.05, "verbose": False, "device": "cpu"}
    model.predict(np.zeros((1080, 1920, 3), np.uint8), **quiet)
    if name == "ultralytics":
        clock = Clock()
        count = sum(1 for _ in model.predict(clip, stream=True, vid_stride=FPS, **quiet))
    elif name == "supervision":
        import supervision

        clock = Clock()
        frames = supervision.get_video_frames_generator(clip, stride=FPS)
        count = sum(len(model.predict(frame, **quiet)) for frame in frames)
    else:
        clock, count = _stream_infer(model, clip, quiet)
    taken = clock.read()
    assert count >= SECONDS - 1, f"{name} analysed {count} frames"
    return taken


def _stream_infer(model, clip, quiet):
    from stream_infer import Inference, Player
    from stream_infer.algo import BaseAlgo
    from stream_infer.dispatcher import Dispatcher
    from stream_infer.producer import OpenCVProducer

    seen = []

    class Detect(BaseAlgo):
        def init(self):
            pass

        def run(self, frames):
            seen.append(len(model.predict(frames[-1], **quiet)))

    dispatcher = Dispatcher.create(mode="offline", buffer=1)
    inference = Inference(
        dispatcher, Player(dispatcher, OpenCVProducer(1920, 1080), source=clip, show_progress=False)
    )
    inference.load_algo(Detect(), frame_count=1, frame_step=1, interval=1)
    clock = Clock()
    inference.start()
    return clock, len(seen)


def _ours(name, clip):
    import lab
    from lab.video.sources.file import FileSource

    detector = lab.make_detector("yolo")
    frames = [next(FileSource(clip).frames(0))] * detector.batch_size
    detector.detect(frames)
    if name == "sampler alone":
        clock = Clock()
        assert sum(1 for _ in FileSource(clip).frames(1)) == SECONDS
        return clock.read()
    if name == "inference alone":
        clock = Clock()
        for _ in range(0, SECONDS, len(frames)):
            detector.detect(frames)
        return clock.read()
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        run = lab.analyze(clip, detector=detector, every_s=1, store=folder, progress=False)
        taken = clock.read()
        assert run.summary()["samples"] == SECONDS
        return taken


def measure(name: str, clip: Path) -> list[float] | None:
    out = subprocess.run(
        [sys.executable, __file__, "--side", name, "--clip", str(clip)],
        capture_output=True,
        text=True,
        check=False,
    )
    if out.returncode:
        print(f"  {name}: not measured ({out.stderr.strip().splitlines()[-1][:140]})")
        return None
    return json.loads(out.stdout.strip().splitlines()[-1])


def medians(clip: Path, repeats: int, sides: list[str]) -> dict[str, list[float]]:
    """Seconds and processor time of each side that could be measured."""
    times: dict[str, list[list[float]]] = {}
    left = list(sides)
    for _ in range(repeats):
        for name in list(left):
            taken = measure(name, clip)
            if taken is None:
                left.remove(name)
            else:
                times.setdefault(name, []).append(taken)
    return {
        name: [sorted(one)[len(one) // 2] for one in zip(*each, strict=True)]
        for name, each in times.items()
    }


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--clip", type=Path)
    options.add_argument("--side", choices=SIDES)
    options.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    options.add_argument("--repeats", type=int, default=3)
    args = options.parse_args()
    if args.side:
        print(json.dumps(side(args.side, str(args.clip))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for keyint in (60, 250):
            clip = make_clip(args.clip, keyint, Path(folder))
            taken = medians(clip, args.repeats, args.sides)
            load = os.getloadavg()[0]
            print(f"keyframes every {keyint} frames, median of {args.repeats}, load {load:.1f}:")
            for name, (seconds, processor) in taken.items():
                print(f"  {name:<16} {seconds:6.2f} s, {processor:6.2f} s of processor time")
            for name in SIDES[3:]:
                if name in taken and "lab" in taken:
                    ratios = [a / b for a, b in zip(taken["lab"], taken[name], strict=True)]
                    print(f"  lab / {name}: {ratios[0]:.2f}, processor time {ratios[1]:.2f}")


if __name__ == "__main__":
    main()
