"""Prompts, several analyses on one decode, and the motion gate.

    python benchmarks/bench_detectors.py --weights yolov8s-world.pt \\
        --embeddings vocabulary.npz [--clip CLIP]

Needs a YOLO-World checkpoint and embeddings of at least 100 names (.npz with `names`, `emb`); the
clip is a sample unless given. The other side is Ultralytics' own `YOLOWorld.predict` on the same
frames, on torch, with the same embeddings. Both sides take turns, clip by clip, with a pause
between: torch's threads spin for a while after their work and would take the cores.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ["YOLO_AUTOINSTALL"] = "false"
SAMPLES = Path(__file__).parent.parent / "sample_videos"


def median_ms(times: list[float]) -> float:
    return 1000 * statistics.median(times)


def timed(call, *given, **settings) -> float:
    begun = time.perf_counter()
    call(*given, **settings)
    return time.perf_counter() - begun


def prompts(args, frames, repeats: int) -> None:
    """yolo-world in joint mode against Ultralytics' own prediction, and changing prompts."""
    import torch
    from ultralytics import YOLOWorld

    from lab.detectors.open_vocabulary.text_features import read_embeddings
    from lab.detectors.open_vocabulary.yolo_world import YoloWorld

    known = read_embeddings(args.embeddings)
    theirs = YOLOWorld(args.weights)
    print(f"{'prompts':>8} {'lab, ms':>9} {'ultralytics, ms':>16} {'ratio':>6}")
    for runtime in args.runtimes.split(","):
        ours = YoloWorld(
            weights=args.weights, labels=["person"], embeddings=args.embeddings, runtime=runtime
        )
        for count in (1, 10, 100):
            names = list(known)[:count]
            ours.ask_for(names, "joint")
            theirs.model.txt_feats = torch.stack([torch.from_numpy(known[n]) for n in names])[None]
            theirs.model.names = dict(enumerate(names))
            theirs.model.model[-1].nc = count
            theirs.predictor = None  # names are read when it is made
            here, there = [], []
            ask = {"conf": 0.01, "imgsz": 640, "verbose": False, "device": args.device}
            for _ in range(repeats + 1):
                time.sleep(0.5)  # threads of the other side that still spin
                one = [timed(ours.detect, [frame]) for frame in frames]
                time.sleep(0.5)
                two = [timed(theirs.predict, frame.image_bgr, **ask) for frame in frames]
                here, there = here + one, there + two
            here, there = here[len(frames) :], there[len(frames) :]  # the first turn warms up
            print(
                f"{count:>8} {median_ms(here):>9.1f} {median_ms(there):>16.1f} "
                f"{median_ms(here) / median_ms(there):>6.2f}  {runtime}"
            )
        sets = [list(known)[i : i + 10] for i in range(0, 100, 10)]
        ours.ask_for(sets[0])
        changes = [timed(ours.ask_for, names) for names in sets * 5]
        print(
            f"other prompts on the loaded model: {median_ms(changes):.2f} ms (median), "
            f"{1000 * max(changes):.2f} ms (worst of {len(changes)})"
        )
        ours.close()


def several(clip: Path, folder: Path) -> None:
    """Three analyses over one decode, against decode plus each inference by itself."""
    import lab
    from lab.video.sources.file import FileSource

    def analyses():
        return [
            lab.Analysis(
                name="objects", detector="yolo", settings={"labels": ["person"]}, interval_s=0.5
            ),
            lab.Analysis(name="motion", detector="motion", interval_s=0.2),
            lab.Analysis(name="visual", detector="visual", interval_s=0.2),
        ]

    made = {a.title: lab.make_detector(a.detector, **a.settings) for a in analyses()}
    frames = list(FileSource(clip).frames(0.2))
    made["objects"].detect(frames[:1])
    decode_s = timed(lambda: list(FileSource(clip).frames(0.2)))
    alone = {}
    for one in analyses():
        mine = list(FileSource(clip).frames(one.interval_s))
        size = made[one.title].batch_size
        alone[one.title] = timed(
            lambda m=mine, t=one.title, n=size: [
                made[t].detect(m[i : i + n]) for i in range(0, len(m), n)
            ]
        )
    ready = [
        lab.Analysis(
            name=a.title,
            detector=lab.make_detector(a.detector, **a.settings),
            interval_s=a.interval_s,
        )
        for a in analyses()
    ]
    ready[0].detector.detect(frames[:1])
    total_s = timed(lambda: lab.analyze_all(clip, ready, store=folder / "store", progress=False))
    bound = decode_s + sum(alone.values())
    parts = ", ".join(f"{name} {s:.2f} s" for name, s in alone.items())
    print(
        f"decode {decode_s:.2f} s, {parts}: {bound:.2f} s; together {total_s:.2f} s, ratio "
        f"{total_s / bound:.2f}"
    )


def gate(clip: Path, label: str, folder: Path) -> None:
    """How many frames the motion gate saves, and whether a sighting is lost."""
    import lab

    settings = {"labels": [label], "store": folder / "store", "progress": False}
    whole = lab.analyze(clip, **settings)
    gated = lab.analyze(clip, gate="motion", **settings)
    report = lab.gate_report(gated, lab.Truth.from_records([], []))
    a, b = whole.find(), gated.find()
    moved = (
        [max(abs(x.onset_s - y.onset_s), abs(x.offset_s - y.offset_s)) for x, y in zip(a, b)]
        if len(a) == len(b)
        else []
    )
    print(
        f"gate: {report.saved:.1%} of {report.samples} samples saved, {len(b)} of {len(a)} "
        "sightings, "
        f"edges moved at most {max(moved, default=float('nan')):.2f} s; {whole.elapsed_s:.1f} s "
        f"and {gated.elapsed_s:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights")
    parser.add_argument("--embeddings")
    parser.add_argument("--clip", type=Path, default=SAMPLES / "cat_then_person.mp4")
    parser.add_argument("--label", default="person", help="for the gate")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--runtimes", default="onnx,openvino")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    from lab.video.sources.file import FileSource

    frames = list(FileSource(args.clip).frames(1.0))[: args.frames]
    if args.weights and args.embeddings:
        prompts(args, frames, args.repeats)
    else:
        print("prompts: not measured; give --weights and --embeddings")
    with tempfile.TemporaryDirectory() as folder:
        several(args.clip, Path(folder))
        gate(args.clip, args.label, Path(folder))


if __name__ == "__main__":
    main()
