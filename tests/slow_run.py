"""A run in a process of its own, made so slowly that it can be watched while it grows."""

import subprocess
import sys
from contextlib import contextmanager

from tests.feeds.lamp import wait_for

_MAKE = """
import sys, time, lab
from lab.detectors.visual import Visual
quick, pause_s = Visual.detect, float(sys.argv[3])
Visual.detect = lambda self, frames: time.sleep(pause_s * len(frames)) or quick(self, frames)
settings = {"labels": ["brightness", "contrast"], "every_s": 0, "progress": False}
lab.analyze(sys.argv[1], store=sys.argv[2], detector="visual", **settings)
"""


@contextmanager
def slow_run(clip, store, pause_s):
    """The process and the id of its run, which has begun; the process ends with the block.

    store: a folder without runs. pause_s: for each sample.
    """
    making = subprocess.Popen([sys.executable, "-c", _MAKE, str(clip), str(store), str(pause_s)])
    try:
        begun = store / "logs"
        found = wait_for(lambda: [f.parent.name for f in begun.glob("*/run.json")], "a run")
        yield making, found[0]
    finally:
        making.kill()
        making.wait()
