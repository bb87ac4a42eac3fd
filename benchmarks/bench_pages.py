"""Pages with much in them, in a real Chromium: seconds from the address to the first rows.

    python benchmarks/bench_pages.py [--before FOLDER] [--visits 5]

Review on a run of 9,001 samples (until the curve is drawn), Library with 2,000 clips, Sightings
with 200,000. FOLDER is a checkout of another version, over copies of the same stores: the other
side. The first visit is that of a new process; of the later ones the median is told. Then the
processor time of each filter and chart of Sightings, and the memory of the app after all of them.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.bench_player import DRAWN, cpu_s, make_run, start_app
from benchmarks.study import make_study
from lab.charts import CHARTS

SAMPLES, BOXES, EVERY_S = 9_001, 45_000, 0.1
# Addresses that each version knows: old ones lead to the new ones.
CASES = {"review": "/tune?run={run_id}", "library": "/library", "sightings": "/sightings"}
SHOWN = {
    "review": DRAWN,
    "library": """() => [...document.querySelectorAll('*')].some(
      (e) => e.shadowRoot?.textContent.includes('IMG_01999')
    )""",
    "sightings": """() => [...document.querySelectorAll('*')].some(
      (e) => e.shadowRoot?.querySelector('.sightings[data-rows]')
    )""",
}
# Of the page Sightings.
FILTERS = (
    "label=bird", "site=site-03", "text=IMG_0000", "from_local=2026-02-01T00:00:00",
    "hours=22-4.5", "weekday=6&weekday=7", "min_duration_s=4", "reviewed=no", "group=event",
)  # fmt: skip
CHART_SHOWN = "() => document.querySelector('.js-plotly-plot .main-svg') !== null"


def make_stores(folder: Path) -> str:
    """A folder with a store for each case; returns the id of the run of `review`."""
    (folder / "review").mkdir()
    run_id = make_run(folder / "review", SAMPLES, BOXES, EVERY_S)
    for name, clips in (("library", 2_000), ("sightings", 10_000)):
        make_study(folder / name / "store", clips)
    return run_id


def measure(root: Path, folder: Path, address: str, shown: str, visits: int) -> list[float]:
    """Seconds of each visit, the first one included."""
    from playwright.sync_api import sync_playwright

    from tests.browser import server
    from tests.browser.conftest import FLAGS

    app, taken = start_app(root, folder, folder.parent), []
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = chromium.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(120_000)
            page.context.request.get(f"{app.url}/?token={server.TOKEN}", max_redirects=0)
            for _ in range(visits + 1):
                page.goto("about:blank")
                begun = time.perf_counter()
                page.goto(app.url + address, wait_until="commit")
                page.wait_for_function(shown, polling=20)
                taken.append(time.perf_counter() - begun)
                page.wait_for_timeout(1000)  # what comes after the first rows
            if address == CASES["sightings"]:
                use_sightings(page, app)
            chromium.close()
    finally:
        app.stop()
    return taken


def use_sightings(page, app) -> None:
    """Processor time of the app for each filter and chart, and its memory after them."""
    shown = dict.fromkeys(FILTERS, SHOWN["sightings"])
    shown |= {f"view=charts&chart={name}": CHART_SHOWN for name in CHARTS}
    for query, is_shown in shown.items():
        page.goto("about:blank")
        before_s = cpu_s(app.process)
        page.goto(f"{app.url}/sightings?{query}", wait_until="commit")
        page.wait_for_function(is_shown, polling=50)
        page.wait_for_timeout(1000)
        print(f"  {query:40} {cpu_s(app.process) - before_s:5.2f} s of the app's processor time")
    print(f"  memory of the app after them: {app.process.memory_info().rss / 2**20:,.0f} MiB")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--before", type=Path, help="a checkout of another version")
    options.add_argument("--visits", type=int, default=5)
    given = options.parse_args()
    roots = [ROOT] + ([given.before.resolve()] if given.before else [])
    print(
        "page                 " + "".join(f"{side:>24}" for side in ("now", "before")[: len(roots)])
    )
    with tempfile.TemporaryDirectory() as made:
        run_id = make_stores(Path(made))
        for name, address in CASES.items():
            sides = []
            for i, root in enumerate(roots):
                folder = Path(made) / f"{name}-{i}"
                subprocess.run(["cp", "-al", Path(made) / name, folder], check=True)
                # Links would share the catalog: it is copied.
                for file in (folder / "store").glob("catalog*"):
                    shutil.copy(file, f"{file}.copy")
                    Path(f"{file}.copy").replace(file)
                sides.append(
                    measure(root, folder, address.format(run_id=run_id), SHOWN[name], given.visits)
                )
            later = [statistics.median(side[1:]) for side in sides]
            told = "".join(f"{s[0]:8.2f} s, then {m:.2f}" for s, m in zip(sides, later))
            ratio = f"   {later[1] / later[0]:.1f} x" if given.before else ""
            print(f"{name:21}{told}{ratio}")


if __name__ == "__main__":
    main()
