"""What runs on a worker of a cluster: it opens clips, and touches neither store nor catalog."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lab
from lab.detectors.detector import Detector
from lab.detectors.gate import make_gate
from lab.detectors.make import make_detector
from lab.errors import LabError
from lab.jobs.cluster.order import Answer, Description, Order
from lab.jobs.warm import WarmDetectors
from lab.leftovers import remove_folders_of_the_dead
from lab.private_files import keep_files_private
from lab.runs.pieces import Wanted, analyse_stretch, stretches_of
from lab.video.registered import open_source
from lab.video.remote_store import keep_copies
from lab.video.sampling import Sampling

_PREFIX = "lab-piece-"


def make_without_store(store: object = None, **settings: Any) -> Detector:
    """Without a store: what it computes for its prompts is kept with the detector alone."""
    return make_detector(store=None, **settings)


_warm = WarmDetectors(make_without_store)


def work(order: Order, cancelled: Callable[[], bool] = lambda: False) -> Answer:
    """Do what is asked. Whatever the clip or the detector raises is in the answer.

    cancelled: asked at each sample; Ray interrupts instead.
    """
    host = f"{socket.gethostname()} ({sys.platform})"
    if order.version != lab.__version__:
        why = (
            f"{host} has lab {lab.__version__}, the driver has {order.version}; "
            "install the same version on all nodes"
        )
        return Answer(host, error=("JobError", why))
    keep_files_private()
    try:
        return _work(order, host, cancelled)
    except LabError as error:
        return Answer(host, error=(type(error).__name__, str(error)), missing=_missing(order))
    except Exception as error:
        words = f"{type(error).__name__}: {error}"[:400]
        return Answer(host, error=(type(error).__name__, f"{host}: {words}"))


def _work(order: Order, host: str, cancelled: Callable[[], bool]) -> Answer:
    from lab.jobs.document.checks import check_secrets

    analyses = [dict(one) for one in order.analyses]
    titles = [str(one.get("name")) for one in analyses]
    made = _warm.get([one["detector"] for one in analyses], None, titles)
    for detector, title in zip(made, titles, strict=True):
        check_secrets(detector, dict(order.secrets), title)
    described = [_described(one) for one in made]
    if order.place is None:
        return Answer(host, described)
    keep_copies()  # for the other stretches of the clip
    begun = time.monotonic()
    wanted = [
        Wanted(detector, sampling_of(one), make_gate(one.get("gate")))
        for detector, one in zip(made, analyses, strict=True)
    ]
    with _own_folder() as folder, open_source(order.place) as source:
        media, decoded_on = source.media(), source.decoded_on
        counts = [source.sample_count(one.sampling) for one in wanted]
        stretches, result = [order.stretch], None
        if order.piece_samples:
            stretches = stretches_of(
                source, wanted, order.piece_samples, order.stretch.after_us, parts=order.parts
            )
        opening_s = time.monotonic() - begun
        is_wanted = order.media_id in (None, media.media_id)
        if is_wanted and len(stretches) == 1:
            result = analyse_stretch(source, wanted, stretches[0], folder, cancelled)
            stretches = []
    facts = media.to_dict()
    return Answer(host, described, facts, counts, stretches, result, opening_s, decoded_on)


def _missing(order: Order) -> list[str]:
    """Files that the order names, and that this machine does not have."""
    named = [order.place, *(v for one in order.analyses for v in one["detector"].values())]
    files = [one for one in named if isinstance(one, str) and os.path.isabs(one)]
    return [one for one in files if not os.path.exists(one)]


def sampling_of(analysis: dict[str, Any]) -> Sampling:
    """The sampling of an analysis, as a worker takes it."""
    return Sampling(
        every_s=analysis["interval_s"],
        frame_count=analysis.get("frame_count", 1),
        frame_step=analysis.get("frame_step", 1),
    )


def _described(made: Detector) -> Description:
    return Description(
        tuple(made.labels),
        made.recipe(),
        made.default_threshold,
        made.weights_path,
        made.made_from,
        made.is_stateful,
    )


@contextlib.contextmanager
def _own_folder() -> Iterator[Path]:
    """A folder for all temporary files of this process. Those of killed ones are removed first."""
    remove_folders_of_the_dead(_PREFIX)
    own = Path(tempfile.gettempdir(), f"{_PREFIX}{os.getpid()}")
    own.mkdir(exist_ok=True, mode=0o700)
    before, tempfile.tempdir = tempfile.tempdir, str(own)
    try:
        yield own
    finally:
        tempfile.tempdir = before
        shutil.rmtree(own, ignore_errors=True)
