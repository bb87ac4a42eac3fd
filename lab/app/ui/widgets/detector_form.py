"""The settings of each detector, as widgets that return the arguments of `make_detector`."""

from __future__ import annotations

import json
from collections.abc import Callable

import streamlit as st

from lab.app.ui.shared import here
from lab.app.ui.widgets.network_form import Asked, Settings, Words, prompted, yolo
from lab.app.ui.widgets.prompts import prompt_chips
from lab.app.ui.widgets.wanted import AUTOMATIC, DETECTOR, LABEL, say_unused
from lab.config import FILE_NAME
from lab.detectors.registered import detectors
from lab.detectors.trust import service_settings
from lab.detectors.zero_shot.saved_lists import named_lists
from lab.detectors.zero_shot.scene_lists import NEUTRAL
from lab.formats.markdown import plain

_WORDS = {
    "yolo": "a fixed set of classes, or your own weights",
    "yolo-world": "anything that a prompt describes",
    "yoloe": "anything that a prompt describes, or its own vocabulary",
    "logos": "brands, by CLIP",
    "scenes": "kinds of places, by CLIP",
    "ocr": "text in the picture",
    "text": "an older name of ocr, for runs that have it",
    "motion": "whatever moves",
    "visual": "colours, brightness, contrast, sharpness",
    "remote": "a worker elsewhere, over HTTP",
    "cloud-vision": "Google Cloud Vision",
}


def offered() -> list[str]:
    """The detectors that a page offers. `python` runs code by name: for the command line only."""
    names = [name for name in detectors.names() if name != "python"]
    return sorted(
        names, key=lambda name: (list(_WORDS).index(name) if name in _WORDS else len(_WORDS), name)
    )


def in_words(name: str) -> str:
    """A detector's name with its description."""
    return f"{name} · {_WORDS.get(name, 'plugin')}"


def detector_choice(automatic: str) -> str:
    """The detector that the user picks. automatic: the one that what to look for decides."""
    picked: str = st.selectbox(
        "Detector",
        [AUTOMATIC, *offered()],
        key=DETECTOR,
        persist_state="session",
        format_func=lambda name: (
            f"{AUTOMATIC} · by what to look for" if name == AUTOMATIC else in_words(name)
        ),
    )
    return automatic if picked == AUTOMATIC else picked


def detector_form(name: str, words: Words, size: int | None = None) -> Settings | None:
    """Settings with `name`; None while something is missing, which the page shows.

    words: what to look for. size: of the pictures, in pixels; None to let the user choose.
    """
    form = _FORMS.get(name, _plugin)
    say_unused(name, words)
    found = form(Asked(name, words, size))
    return None if found is None else {"name": name, **found}


def _named_list(kind: str) -> Settings:
    lists = named_lists(kind)
    picked = st.selectbox(
        plain(kind.capitalize()),
        ["built-in", *lists],
        help="Add your own lists on the page Models.",
    )
    return {} if picked == "built-in" else {kind: lists[picked]}


def _negative(default: tuple[str, ...], key: str, what: str) -> Settings:
    """The prompts of the negative class, one per line."""
    text = st.text_area(
        "Negative prompts",
        "\n".join(default),
        key=key,
        persist_state="session",
        height=110,
        help=(
            f"Describe a picture {plain(what)}, one prompt per line; together they form one class, "
            "for pictures that match none of the others."
        ),
    )
    prompts = [line.strip() for line in text.splitlines() if line.strip()]
    return {} if tuple(prompts) == default or not prompts else {"negative": prompts}


def _logos(asked: Asked) -> Settings | None:
    from lab.detectors.zero_shot.logos import NO_LOGO

    first, second = st.columns(2)
    with first:
        settings = _named_list("brands")
    on = second.segmented_control("Search", ["frame", "boxes"], default="frame", required=True)
    if on == "boxes":
        classes = prompt_chips(
            "Boxes of (classes of the default detector)",
            "keep_logo_boxes",
            ["car", "truck", "person", "bottle"],
        )
        inner: Settings = {"name": "yolo"} | ({"labels": classes} if classes else {})
        settings |= {"on": "boxes", "boxes_from": inner}
    return settings | _negative(NO_LOGO, "keep_no_logo", "without a logo")


def _scenes(asked: Asked) -> Settings | None:
    return _named_list("scenes") | _negative(NEUTRAL, "keep_no_scene", "of no scene in particular")


def _text(asked: Asked) -> Settings | None:
    st.caption(
        f"{LABEL}: words, or /regular expressions/, each a label of its own; without any, all text "
        "that can be read has the label “text”."
    )
    return {"labels": asked.words} if asked.words else {}


def _motion(asked: Asked) -> Settings | None:
    first, second = st.columns(2)
    history = first.number_input(
        "History, samples",
        10,
        5000,
        120,
        help="What stays still for a tenth of it becomes background.",
    )
    warm = second.number_input("Warm-up, samples", 1, 500, 8)
    return {"history_samples": int(history), "warm_up_samples": int(warm)}


def _visual(asked: Asked) -> Settings | None:
    from lab.detectors.visual import LABELS

    chosen = st.multiselect("Series", list(LABELS), placeholder="All")
    return {"labels": chosen} if chosen else {}


def _service(detector: str) -> Settings | None:
    """A choice among the services that the settings allow; None, with the way out, if none is."""
    allowed = [one for one in here().config.services if one.detector == detector]
    if not allowed:
        st.info(
            f"No service of {plain(detector)} may be asked from a page. Name its address, and the "
            f"variable with its token, under [[services]] in {FILE_NAME}, and start the app "
            "again; the guide has the lines (Remote detectors)."
        )
        return None
    choices = {_in_service_words(found): found for found in map(service_settings, allowed)}
    picked = st.selectbox("Service", list(choices), help=f"Those that {FILE_NAME} allows.")
    return dict(choices[picked])


def _in_service_words(found: Settings) -> str:
    address, *variable = found.values()
    return f"{address} · token in {variable[0]}" if variable else f"{address} · no token"


def _remote(asked: Asked) -> Settings | None:
    service = _service(asked.name)
    kind = st.text_input("Analysis type", "object_detection")
    if service is None:
        return None
    return service | {"analysis_type": kind} | ({"labels": asked.words} if asked.words else {})


def _cloud(asked: Asked) -> Settings | None:
    service = _service(asked.name)
    first, second = st.columns([3, 1])
    features = first.multiselect("Features", ["objects", "logos", "text"], default=["objects"])
    budget = second.number_input(
        "Budget, requests",
        1,
        1_000_000,
        1000,
        help="Counted as billed: pictures times features. Frames over budget fail.",
    )
    if not features:
        st.info("Choose one or more features.")
    if service is None or not features:
        return None
    return service | {"features": features, "budget_requests": int(budget)}


def _plugin(asked: Asked) -> Settings | None:
    package = detectors.package(asked.name)
    if package:
        st.caption(f"From the package {plain(package['name'])} {plain(package['version'])}.")
    text = st.text_area(
        "Settings, as JSON",
        "{}",
        key=f"keep_settings_{asked.name}",
        persist_state="session",
        help="Arguments of the plugin's factory.",
    )
    try:
        settings = json.loads(text)
        if not isinstance(settings, dict) or "name" in settings:
            raise ValueError("expected a JSON object of settings, without name")
    except ValueError as error:
        st.error(f"The settings are not valid: {plain(error)}")
        return None
    return settings


_FORMS: dict[str, Callable[[Asked], Settings | None]] = {
    "yolo": yolo,
    "yolo-world": prompted,
    "yoloe": prompted,
    "logos": _logos,
    "scenes": _scenes,
    "ocr": _text,
    "text": _text,
    "motion": _motion,
    "visual": _visual,
    "remote": _remote,
    "cloud-vision": _cloud,
}
