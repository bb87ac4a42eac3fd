"""What is installed, what works, and what is wrong with the store."""

from __future__ import annotations

from typing import Any

from lab.errors import LabError
from lab.recipe import environment
from lab.registry import detectors
from lab.store.store import Store, check_health

_DECODERS = ["h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mjpeg", "msmpeg4", "gif"]


def examine(folder: str | None) -> dict[str, dict[str, Any]]:
    """Sections of names and values, for people and for programs."""
    import lab

    here = environment()
    store = Store(folder)
    return {
        "versions": {"lab": lab.__version__, "python": here["python"], **here["packages"]},
        "decoders": {name: _decoder(name) for name in _DECODERS},
        "detectors": {name: _detector(name) for name in detectors.names()},
        "store": _store(store),
    }


def _decoder(name: str) -> str:
    import av

    try:
        return f"ready ({av.Codec(name, 'r').long_name})"
    except ValueError:  # PyAV's UnknownCodecError
        return "missing in this build of FFmpeg"


def _detector(name: str) -> str:
    from lab.analysis import make_detector

    try:
        detector = make_detector(name)
    except LabError as error:
        return f"not ready: {error}"
    recipe = detector.recipe()
    detector.close()
    return f"ready ({recipe['weights']} on {recipe['runtime']}, {len(recipe['labels'])} labels)"


def _store(store: Store) -> dict[str, Any]:
    section: dict[str, Any] = {"folder": str(store.folder)}
    if not store.folder.exists():
        return section | {"state": "not made yet; the first run makes it"}
    try:
        runs = store.runs()
        problems = check_health(store)
    except LabError as error:
        return section | {"problems": [str(error)]}
    unfinished = [r["run_id"] for r in runs if r["state"] in ("interrupted", "cancelled", "failed")]
    return section | {"runs": len(runs), "unfinished": unfinished, "problems": problems}
