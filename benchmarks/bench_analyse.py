"""Analysing 60 s of 1080p30 H.264 at one sample a second, against peers on the same model.

    python benchmarks/bench_analyse.py [--clip CLIP] [--repeats N]

All sides: the default YOLO11 n weights, 640 px, ONNX Runtime, one process each, the model loaded
and warm before the clock starts. Peers run Ultralytics' predictor: its own `vid_stride`,
supervision's frame generator, stream-infer's offline walk. Keyframes every 60 and every 250 frames.
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


def side(name: str, clip: str) -> float:
    """Seconds that one side takes, its model warm."""
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
        begun = time.perf_counter()
        count = sum(1 for _ in model.predict(clip, stream=True, vid_stride=FPS, **quiet))
    elif name == "supervision":
        import supervision

        begun = time.perf_counter()
        frames = supervision.get_video_frames_generator(clip, stride=FPS)
        count = sum(len(model.predict(frame, **quiet)) for frame in frames)
    else:
        begun, count = _stream_infer(model, clip, quiet)
    taken = time.perf_counter() - begun
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
    begun = time.perf_counter()
    inference.start()
    return begun, len(seen)


def _ours(name, clip):
    import lab
    from lab.video.sources.file import FileSource

    detector = lab.make_detector("yolo")
    frames = [next(FileSource(clip).frames(0))] * detector.batch_size
    detector.detect(frames)
    if name == "sampler alone":
        begun = time.perf_counter()
        assert sum(1 for _ in FileSource(clip).frames(1)) == SECONDS
        return time.perf_counter() - begun
    if name == "inference alone":
        begun = time.perf_counter()
        for _ in range(0, SECONDS, len(frames)):
            detector.detect(frames)
        return time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as folder:
        run = lab.analyze(clip, detector=detector, every_s=1, store=folder, progress=False)
        assert run.summary()["samples"] == SECONDS
        return run.elapsed_s


def measure(name: str, clip: Path, repeats: int) -> float | None:
    times = []
    for _ in range(repeats):
        out = subprocess.run(
            [sys.executable, __file__, "--side", name, "--clip", str(clip)],
            capture_output=True,
            text=True,
            check=False,
        )
        if out.returncode:
            print(f"  {name}: not measured ({out.stderr.strip().splitlines()[-1][:140]})")
            return None
        times.append(json.loads(out.stdout.strip().splitlines()[-1]))
    return sorted(times)[len(times) // 2]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--clip", type=Path)
    options.add_argument("--side", choices=SIDES)
    options.add_argument("--repeats", type=int, default=3)
    args = options.parse_args()
    if args.side:
        print(json.dumps(side(args.side, str(args.clip))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for keyint in (60, 250):
            clip = make_clip(args.clip, keyint, Path(folder))
            taken = {name: measure(name, clip, args.repeats) for name in SIDES}
            print(f"keyframes every {keyint} frames, median of {args.repeats}:")
            for name, seconds in taken.items():
                print(f"  {name:<16} {seconds if seconds is None else round(seconds, 2)} s")
            peers = [taken[n] for n in SIDES[3:] if taken[n] is not None]
            own = max(taken["sampler alone"], taken["inference alone"])
            print(
                f"  lab / fastest peer {taken['lab'] / min(peers):.2f}, lab / larger of own parts "
                f"{taken['lab'] / own:.2f}"
            )


if __name__ == "__main__":
    main()
