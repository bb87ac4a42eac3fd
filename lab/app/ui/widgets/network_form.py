"""The settings of detectors that are networks: weights, runtime, size, and what they look for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lab.app.ui.shared import finish, here
from lab.app.ui.widgets.model_list import listing, newest_rows
from lab.app.ui.widgets.prompts import checked, mode_choice
from lab.app.ui.widgets.wanted import LABEL, as_labels, unknown
from lab.detectors.weights.files import models_folder
from lab.errors import closest
from lab.formats.markdown import plain

Settings = dict[str, Any]
Words = list[str]
DEFAULT_SIZE = 640
MISSING = "missing"
SIZES = [320, 416, 512, 640, 800, 960, 1280]


@dataclass(frozen=True)
class Asked:
    """What a form is for: the detector, what to look for, and the size of pictures, if decided."""

    name: str
    words: Words
    size: int | None


def labels_of_default() -> Words | None:
    """The labels of the default weights; None if these cannot be used, which the page shows."""
    return _known({"name": "yolo", "image_size": DEFAULT_SIZE, "runtime": "onnx"})


def _known(settings: Settings) -> Words | None:
    found = _labels(json.dumps(settings, sort_keys=True), settings)
    if found is None:
        _labels.clear()  # to be tried again
    return found


@st.cache_data(show_spinner=False, max_entries=32)
def _labels(settings_text: str, settings: Settings) -> list[str] | None:
    """Labels of a model, from the worker, which then keeps it loaded. None: not usable."""
    app_state = here()
    job = app_state.engine.submit(
        "describe", "load the detector", detector=settings, store=str(app_state.store.folder)
    )
    result = finish(job, "Loading the detector…")
    return result["labels"] if result else None


def _models() -> list[dict[str, Any]]:
    app_state = here()
    job = listing(app_state)
    if job.is_active:
        finish(job, "Reading the models folder…")
    return newest_rows(app_state) or []


def _weights(name: str, default: str | None = None, catalogue: tuple[str, ...] = ()) -> str | None:
    """A choice of the weights that a detector can use. None is its default; MISSING if none are."""
    installed = [m["name"] for m in _models() if m["detector"] == name and not m["problem"]]
    usable = [*([default] if default else []), *installed]
    absent = [name for name in catalogue if name not in installed]
    downloadable = [] if here().config.offline else absent
    like = str(st.session_state.get("like", {}).get("weights"))
    options = [*usable, *downloadable]
    if not options:
        return MISSING
    picked: str = st.selectbox(
        "Weights",
        options,
        index=options.index(like) if like in options else 0,
        format_func=lambda w: f"{w} (download)" if w in downloadable else w,
        help=f"Put your own weights in {plain(models_folder())}; see the page Models.",
    )
    return None if picked == default else picked


def _network(
    asked: Asked,
    weights: Callable[[], str | None],
    runtimes: Callable[[str | None], list[str]],
) -> Settings | None:
    first, second, third = st.columns(3)
    with first:
        chosen = weights()
    if chosen == MISSING:
        st.error(
            f"No weights of {plain(asked.name)} are here, and downloads are off (setting offline): "
            f"put a checkpoint of it into {plain(models_folder())}; the page Models names them."
        )
        return None
    runtime = second.selectbox("Runtime", runtimes(chosen), key=f"runtime_{asked.name}_{chosen}")
    size = asked.size
    if size is None:
        like = st.session_state.get("like", {}).get("image_size", DEFAULT_SIZE)
        first_size = SIZES.index(like if like in SIZES else DEFAULT_SIZE)
        size = third.selectbox("Image size, px", SIZES, index=first_size)
    return {"image_size": size, "runtime": runtime, **({"weights": chosen} if chosen else {})}


def yolo(asked: Asked) -> Settings | None:
    def runtimes(weights: str | None) -> list[str]:
        if weights and weights.endswith(".pt"):
            return ["torch"]
        return ["openvino"] if weights and not weights.endswith(".onnx") else ["onnx", "openvino"]

    settings = _network(asked, lambda: _weights(asked.name, "yolo11n (default)"), runtimes)
    if settings is None:
        return None
    known = _known({"name": asked.name, **settings, "image_size": DEFAULT_SIZE})
    if known is None:
        return None
    with st.popover(f"The {plain(len(known))} labels that these weights know"):
        st.markdown(plain(", ".join(known)))
    if strange := unknown(asked.words, known):
        few = "; ".join(f"{word!r}: {closest(word, known)}" for word in strange[:3])
        st.error(
            f"These weights do not know {plain(few)}. Remove what they do not know, or choose "
            "a detector that looks for any words, such as yolo-world."
        )
        return None
    return settings | ({"labels": as_labels(asked.words, known)} if asked.words else {})


def prompted(asked: Asked) -> Settings | None:
    name = asked.name
    worlds = ("yolov8s-worldv2.pt", "yolov8m-worldv2.pt", "yolov8l-worldv2.pt", "yolov8s-world.pt")
    catalogue = (
        worlds
        if name == "yolo-world"
        else ("yoloe-11s-seg.pt", "yoloe-11m-seg.pt", "yoloe-11l-seg.pt")
    )
    runtimes = ["onnx", "openvino", "torch"] if name == "yolo-world" else ["torch"]
    settings = _network(asked, lambda: _weights(name, catalogue=catalogue), lambda _: runtimes)
    if not asked.words:
        st.info(f"{plain(name)} needs words: type them under {LABEL}.")
    prompts = checked(asked.words) if asked.words else None
    mode = mode_choice(len(prompts or []), f"mode_{name}")
    if settings is None or prompts is None:
        return None
    return settings | {"labels": prompts} | ({"prompt_mode": mode} if mode else {})
