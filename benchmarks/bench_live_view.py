"""A 720p stream of 25 frames a second on the page Live, in a real Chromium with three viewers.

    python benchmarks/bench_live_view.py [--seconds 20] [--viewers 3] [--browsers 1]

It prints the pictures a second that each viewer gets, and the processor time of the app, of the
process that watches and of its reader, in percent of a core. browsers: how many of the viewers are
pages in Chromium; the others take the same messages over the WebSocket, and draw nothing.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
FEED = "bench"


def make_clip(folder: Path) -> Path:
    """A sample clip, enlarged; a keyframe every two seconds."""
    clip, sample = folder / "clip.mp4", ROOT / "sample_videos" / "cat_then_person.mp4"
    form = ["-vf", "scale=1280:720,fps=25", "-c:v", "libx264", "-preset", "veryfast", "-g", "50"]
    form += ["-bf", "0", "-pix_fmt", "yuv420p"]
    command = ["ffmpeg", "-loglevel", "error", "-i", str(sample), *form, str(clip)]
    subprocess.run(command, check=True)
    return clip


def busy_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return used.user + used.system


async def watch(url: str, token: str, seconds: float) -> float:
    """Pictures a second that come over the WebSocket."""
    from websockets.asyncio.client import connect

    headers = {"Authorization": f"Bearer {token}"}
    count = 0
    address = f"{url.replace('http', 'ws', 1)}/ws/live/{FEED}"
    async with connect(address, additional_headers=headers, max_size=None) as socket:
        await socket.recv()
        begun = time.monotonic()
        while (left := begun + seconds - time.monotonic()) > 0:
            try:
                count += isinstance(await asyncio.wait_for(socket.recv(), left), bytes)
            except TimeoutError:
                break
    return count / seconds


def pictures(page) -> int:
    return int(page.locator(".lab").get_attribute("data-pictures") or 0)


def measure(server, browser, args) -> None:
    from tests.browser.server import TOKEN

    pages = [
        browser.new_page(viewport={"width": 1440, "height": 900}) for _ in range(args.browsers)
    ]
    for page in pages:
        page.goto(f"{server.url}/live?feed={FEED}&token={TOKEN}")
        page.wait_for_selector(".lab[data-pictures]", timeout=120_000)
    time.sleep(5)
    watcher = next(p for p in server.process.children() if "watch" in p.cmdline())
    reader = next(p for p in watcher.children() if "lab.video.live.reader" in p.cmdline())
    processes = {"app": server.process, "watching": watcher, "reader": reader}
    before = {name: busy_s(one) for name, one in processes.items()}
    counts = [pictures(page) for page in pages]
    begun = time.monotonic()

    async def others() -> list[float]:
        count = args.viewers - args.browsers
        return await asyncio.gather(
            *(watch(server.url, TOKEN, args.seconds) for _ in range(count)),
            asyncio.sleep(args.seconds, 0.0),
        )

    import threading

    rates: list[float] = []
    thread = threading.Thread(target=lambda: rates.extend(asyncio.run(others())[:-1]))
    thread.start()
    thread.join()
    passed = time.monotonic() - begun
    rates = [(pictures(page) - n) / passed for page, n in zip(pages, counts, strict=True)] + rates
    print(f"{args.browsers} in Chromium, {args.viewers - args.browsers} over the WebSocket:")
    print("  pictures a second: " + ", ".join(f"{rate:.1f}" for rate in rates))
    for name, one in processes.items():
        share = 100 * (busy_s(one) - before[name]) / passed
        print(f"  {name}: {share:.0f} % of a core")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--viewers", type=int, default=3)
    parser.add_argument("--browsers", type=int, default=1)
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    from tests.browser.server import Server
    from tests.paced_stream import paced_stream

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        clip = make_clip(folder)
        with paced_stream(clip) as address:
            (folder / "store" / "feeds").mkdir(parents=True)
            feed = {
                "id": FEED,
                "source": {"type": "stream", "url": address},
                "detector": {"type": "motion"},
                "every_s": 0.5,
            }
            text = json.dumps({"feeds": [feed]})  # JSON is YAML
            (folder / "store" / "feeds" / "app.yaml").write_text(text)
            server = Server(folder, [folder])
            try:
                chromium = shutil.which("chromium") or shutil.which("google-chrome")
                browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
                measure(server, browser, args)
                browser.close()
            finally:
                server.stop()


if __name__ == "__main__":
    main()
