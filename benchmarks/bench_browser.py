"""Review in a real Chromium: slider to overlay, sightings and figures, playback, app's CPU.

    python benchmarks/bench_browser.py [--clip CLIP] [--minutes 10]

A clip of 1280x720 at 30 fps, analysed at 10 samples a second. The other side is a picture sent
by the server for each move of the slider (`st.image` in the same kind of page), as pages without
a player of their own do it.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

MEASURE = """async (moves) => {
  const host = [...document.querySelectorAll('*')].find((e) => e.shadowRoot?.querySelector('.lab'));
  const root = host.shadowRoot.querySelector('.lab');
  const slider = root.querySelector('input[data-setting="enter_threshold"]');
  const overlay = [], sightings = [], figures = [], table = root.querySelector('.truth');
  const changed = (place, what) => new Promise((done) => {
    const observer = new MutationObserver(() => {
      observer.disconnect();
      done(performance.now());
    });
    observer.observe(place, what);
  });
  for (let i = 0; i < moves; i++) {
    const updated = changed(root, { attributes: true, attributeFilter: ['data-rule-hash'] });
    const drawn = changed(table, { childList: true });
    const begun = performance.now();
    slider.value = (0.2 + 0.01 * (i % 60)).toFixed(2);
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    const frame = new Promise((done) => requestAnimationFrame(() => done(performance.now())));
    overlay.push(await frame - begun);
    sightings.push(await updated - begun);
    figures.push(await drawn - begun);
    await new Promise((done) => setTimeout(done, 30));
  }
  return { overlay, sightings, figures };
}"""
PLAY = """async (seconds) => {
  const host = [...document.querySelectorAll('*')].find((e) => e.shadowRoot?.querySelector('.lab'));
  const video = host.shadowRoot.querySelector('video');
  await video.play();
  await new Promise((done) => setTimeout(done, 2000));
  let frames = 0, on = true; const begun = performance.now();
  const count = () => { if (on) { frames++; video.requestVideoFrameCallback(count); } };
  video.requestVideoFrameCallback(count);
  await new Promise((done) => setTimeout(done, 1000 * seconds));
  on = false; const fps = frames / ((performance.now() - begun) / 1000);
  video.pause();
  return fps;
}"""
PICTURE_PAGE = """
import numpy as np, streamlit as st
value = st.slider('x', 0, 100, 10)
image = np.full((720, 1280, 3), value * 2, np.uint8)
st.image(image)
st.write(f'shown {value}')
"""


def p95(values):
    return sorted(values)[int(0.95 * (len(values) - 1))]


def make_clip(source, minutes, out):
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-stream_loop",
        "-1",
        "-i",
        str(source),
        "-t",
        str(60 * minutes),
    ]
    command += ["-vf", "scale=1280:720,fps=30", "-an", "-pix_fmt", "yuv420p", "-c:v", "libx264"]
    subprocess.run(
        [*command, "-preset", "ultrafast", "-g", "60", "-movflags", "faststart", str(out)],
        check=True,
    )


def picture_page(page, folder):
    from tests.browser.server import free_port

    script, port = folder / "picture.py", free_port()
    script.write_text(PICTURE_PAGE)
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            str(script),
            "--server.port",
            str(port),
            "--server.headless",
            "true",
            "--server.address",
            "127.0.0.1",
        ],
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    try:
        time.sleep(6)
        page.goto(f"http://127.0.0.1:{port}")
        page.get_by_text("shown 10").wait_for()
        times, slider = (
            [],
            page.locator("[data-testid=stSlider] input[type=range], [role=slider]").first,
        )
        slider.focus()
        for value in range(11, 41):
            begun = time.perf_counter()
            page.keyboard.press("ArrowRight")
            page.get_by_text(f"shown {value}").wait_for()
            times.append((time.perf_counter() - begun) * 1000)
        return p95(times)
    finally:
        server.terminate()
        server.wait()


def annotate(run):
    """A presence in each half minute, and all of it watched, for the label that scores highest."""
    from lab.annotation import Annotation
    from lab.formats.placing import whole

    label = max(run.labels, key=lambda x: float(run.log.scores(x).max(initial=0)))
    starts = range(0, run.media["end_us"] - 20_000_000, 30_000_000)
    marks = [
        Annotation(media_id=run.media["media_id"], label=label, start_us=a, end_us=a + 12_000_000)
        for a in starts
    ]
    run.store.add_records([*marks, whole(run.media, label)])


def main():
    options = argparse.ArgumentParser()
    options.add_argument(
        "--clip", type=Path, default=ROOT / "sample_videos" / "cat_comes_and_goes.mp4"
    )
    options.add_argument("--minutes", type=float, default=10)
    args = options.parse_args()
    from playwright.sync_api import sync_playwright

    import lab
    from tests.browser.conftest import FLAGS, let_in
    from tests.browser.server import Server

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        make_clip(args.clip, args.minutes, folder / "clip.mp4")
        server = Server(folder, [folder])
        run = lab.analyze(
            folder / "clip.mp4", every_s=0.1, image_size=320, store=server.store, progress=False
        )
        annotate(run)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.goto = let_in(page)
        page.goto(f"{server.url}/review?run={run.run_id}")
        page.wait_for_selector(".lab[data-sightings]")
        page.wait_for_timeout(4000)
        moved = page.evaluate(MEASURE, 100)
        process = psutil.Process(server.process.pid)
        page.wait_for_timeout(3000)
        before = process.cpu_times()
        fps = page.evaluate(PLAY, 15)
        after = process.cpu_times()
        share = (after.user + after.system - before.user - before.system) / 17
        server.stop()
        picture = picture_page(page, folder)
        browser.close()
        samples, boxes = len(run.log.pts_us), len(run.log.sample)
    print(f"{samples} samples, {boxes} boxes; 100 moves of the slider, 95th percentile:")
    print(f"  to the changed overlay   {p95(moved['overlay']):6.1f} ms")
    print(f"  to the changed sightings {p95(moved['sightings']):6.1f} ms")
    print(
        f"  to the changed figures   {p95(moved['figures']):6.1f} ms, against annotations that "
        "cover the clip"
    )
    print(
        f"  a picture by st.image    {picture:6.1f} ms   ratio to our overlay "
        f"{picture / p95(moved['overlay']):.1f}"
    )
    print(f"playback {fps:.1f} fps, app process {100 * share:.1f} % of a core")


if __name__ == "__main__":
    main()
