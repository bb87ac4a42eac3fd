"""A day in the player: Review with 172,800 samples and two million boxes, in a real Chromium.

    python benchmarks/bench_player.py [--samples 172800] [--boxes 2000000] [--before FOLDER]

FOLDER is a checkout of another version, over the same store: the other side. It prints the seconds
until curve and sightings are shown and until the boxes of a sample in the middle of the clip are
drawn, the memory of the page (JavaScript's heap, arrays, and all of its process), what was sent,
the memory of the app, and the seconds that the decisions of one label take.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

EVERY_S = 0.5
LABELS = ("person", "car", "dog")
DRAWN = """() => {
  const host = [...document.querySelectorAll('*')].find((e) => e.shadowRoot?.querySelector('.lab'));
  const root = host?.shadowRoot.querySelector('.lab');
  const canvas = root?.querySelector('.timeline');
  if (!root?.dataset.sightings || !canvas?.width) return false;
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let coloured = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    const [r, g, b, a] = pixels.subarray(i, i + 4);
    if (a > 100 && Math.max(r, g, b) - Math.min(r, g, b) > 60) coloured++;
  }
  return coloured > 500;
}"""
SEEK = """(pts_s) => {
  const host = [...document.querySelectorAll('*')].find((e) => e.shadowRoot?.querySelector('.lab'));
  const places = [host, host.shadowRoot, ...host.shadowRoot.querySelectorAll('*')];
  places.find((e) => e.player).player.stage.seek(pts_s);
}"""
BOXES = """() => {
  const host = [...document.querySelectorAll('*')].find((e) => e.shadowRoot?.querySelector('.lab'));
  return Number(host.shadowRoot.querySelector('.overlay').dataset.boxes);
}"""


def make_clip(folder: Path, seconds: int) -> Path:
    """Black, small, a frame every ten seconds."""
    clip = folder / "day.mp4"
    black = f"color=black:size=160x90:rate=1/10:duration={seconds}"
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    command = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", black, *encode, str(clip)]
    subprocess.run(command, check=True)
    return clip


def make_run(folder: Path, samples: int, boxes: int, every_s: float = EVERY_S) -> str:
    from lab.detection import Detections
    from lab.formats.detections.write_run import Sample, write_run
    from lab.store.store import Store
    from lab.video.probe import probe

    dice = np.random.default_rng(0)
    media = probe(make_clip(folder, round(samples * every_s)))
    counts = dice.multinomial(boxes, np.full(samples, 1 / samples))
    level = np.clip(np.cumsum(dice.normal(0, 0.02, samples)) % 1.6 - 0.4, 0.05, 0.95)
    made = []
    for i in range(samples):
        n = int(counts[i])
        corner = dice.uniform(0, 60, (n, 2)).astype(np.float32)
        confidence = np.clip(dice.uniform(0.05, 0.3, n) + level[i] * (dice.random(n) < 0.2), 0, 1)
        labels = [LABELS[j] for j in dice.integers(0, 3, n)]
        detections = Detections(
            labels, confidence.astype(np.float32), np.hstack([corner, corner + 25])
        )
        made.append(Sample(i, round(i * every_s * 1e6), detections))
    recipe = {"detector": "made", "labels": list(LABELS), "score_floor": 0.05}
    run = write_run(Store(folder / "store"), media, recipe, made, every_s=every_s, threshold=0.4)
    return run.run_id


def start_app(root: Path, folder: Path, clips: Path | None = None):
    from tests.browser import server

    server.ROOT = root  # whose checkout it serves
    return server.Server(folder, [clips or folder])


def measure(root: Path, folder: Path, run_id: str) -> dict[str, float]:
    from playwright.sync_api import sync_playwright

    from tests.browser import server
    from tests.browser.conftest import FLAGS

    app = start_app(root, folder)
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = chromium.new_page(viewport={"width": 1440, "height": 1200})
            page.set_default_timeout(300_000)
            page.goto(f"{app.url}/?token={server.TOKEN}")
            page.wait_for_selector('[data-test-script-state="notRunning"]')
            sent = []
            page.on("response", lambda answer: sent.append(answer))
            renderer, before_s = renderer_process(), cpu_s(app.process)
            page_before_s = cpu_s(renderer)
            begun = time.perf_counter()
            page.goto(f"{app.url}/review?run={run_id}", wait_until="commit")
            page.wait_for_function(DRAWN, polling=20)
            found = {
                "first curve, s": time.perf_counter() - begun,
                "  processor, app, s": cpu_s(app.process) - before_s,
                "  processor, page, s": cpu_s(renderer) - page_before_s,
            }
            page.wait_for_timeout(2000)
            begun = time.perf_counter()
            page.evaluate(SEEK, 40_000)
            page.wait_for_function(f"() => ({BOXES})() > 0", polling=20)
            found["boxes after a jump, s"] = time.perf_counter() - begun
            devtools = page.context.new_cdp_session(page)
            devtools.send("HeapProfiler.collectGarbage")
            heap = devtools.send("Runtime.getHeapUsage")
            found["JavaScript's heap, MB"] = heap["usedSize"] / 1e6
            found["arrays, MB"] = heap.get("backingStorageSize", 0) / 1e6
            found["page's process, MB"] = renderer.memory_info().rss / 1e6
            logs = [a for a in sent if f"/api/runs/{run_id}/" in a.url]
            found["sent of the log, MB"] = sum(size_of(a) for a in logs) / 1e6
            found["app's process, MB"] = app.process.memory_info().rss / 1e6
            found["decisions, s"] = decisions_s(app.url, run_id)
            chromium.close()
    finally:
        app.stop()
    return found


def renderer_process() -> psutil.Process:
    """That of the page: the largest."""
    renderers = [
        p for p in psutil.Process().children(recursive=True) if "--type=renderer" in p.cmdline()
    ]
    return max(renderers, key=lambda p: p.memory_info().rss)


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def size_of(answer) -> int:
    try:
        return answer.request.sizes()["responseBodySize"]
    except Exception:  # a request that was given up
        return 0


def decisions_s(url: str, run_id: str) -> float:
    from lab.rules.rule import Debounce, LabelRule, Rule

    rule = Rule(default=LabelRule(debounce=Debounce(enter_threshold=0.4)))
    body = {"run_id": run_id, "rule": rule.to_dict(), "label": LABELS[0]}
    request = urllib.request.Request(
        f"{url}/api/decisions",
        json.dumps(body).encode(),
        {"Authorization": "Bearer test-token", "Content-Type": "application/json"},
    )
    begun = time.perf_counter()
    with urllib.request.urlopen(request, timeout=600) as answer:
        total = json.load(answer)["total"]
    taken = time.perf_counter() - begun
    print(f"  {total} decisions", file=sys.stderr)
    return taken


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--samples", type=int, default=172_800)
    options.add_argument("--boxes", type=int, default=2_000_000)
    options.add_argument("--before", type=Path, help="a checkout of another version")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        run_id = make_run(Path(folder), given.samples, given.boxes)
        print(f"made in {time.perf_counter() - begun:.0f} s", file=sys.stderr)
        sides = [measure(ROOT, Path(folder), run_id)]
        if given.before:
            sides.append(measure(given.before.resolve(), Path(folder), run_id))
    print(
        f"{given.samples} samples, {given.boxes} boxes" + ("   now, before" if given.before else "")
    )
    for name in sides[0]:
        print(f"{name:26}" + "".join(f"{side[name]:10.2f}" for side in sides))


if __name__ == "__main__":
    main()
