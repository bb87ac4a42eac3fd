"""How thoroughly a clip is analysed: presets, interval, score floor, frames and gate."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lab.detectors.registered import detectors

OWN = "own"
# Seconds between samples and pixels of the pictures.
PRESETS = {"quick look": (1.0, 416), "thorough": (0.2, 640)}


def preset_choice() -> str:
    """How thoroughly: a name of PRESETS, or OWN; that of a run to do alike is own."""
    state = st.session_state
    if state.get("like") and state.get("liked") != state["like"]:
        state["keep_preset"], state["liked"] = OWN, state["like"]
    names = [*PRESETS, OWN]
    picked = st.segmented_control(
        "How thoroughly",
        names,
        default="thorough" if "keep_preset" not in state else None,
        key="keep_preset",
        persist_state="session",
        required=True,
        format_func=str.capitalize,
        help="Seconds between samples, and the size at which a network sees the picture.",
    )
    if picked in PRESETS:
        every_s, size = PRESETS[picked]
        st.caption(f"One sample every {every_s:g} s; networks see {size} px.")
    return picked or "thorough"


def own_interval() -> float:
    """Seconds between samples, of the user's own choice."""
    return float(
        st.number_input(
            "Seconds between samples",
            0.0,
            3600.0,
            st.session_state.get("like", {}).get("every_s", 0.2),
            0.1,
            format="%g",
            help="0 is every frame.",
        )
    )


def score_floor(name: str) -> float:
    """The score below which nothing is stored."""
    return float(
        st.number_input(
            "Score floor", 1e-6, 0.9, default_floor(name), 0.01, format="%g", key=f"floor_{name}",
            help="Weaker detections are not stored; no threshold can be lower.",
        )
    )  # fmt: skip


def default_floor(name: str) -> float:
    """The score floor that a detector declares."""
    built_in = detectors.package(name) is None
    return float(getattr(detectors.get(name), "default_score_floor", 0.05)) if built_in else 0.05


def sampling_settings(name: str) -> tuple[str, int, int, bool]:
    """Name of the analysis, frames at a time, one frame in how many, and whether it is gated."""
    first, second, third = st.columns(3)
    title = first.text_input("Name of the analysis", name, key=f"title_{name}")
    step = second.number_input(
        "One frame in",
        1,
        1000,
        1,
        key=f"step_{name}",
        help="Use only every n-th frame of the clip.",
    )
    count = third.number_input(
        "Frames at a time",
        1,
        1000,
        1,
        key=f"count_{name}",
        help="For algorithms that need several frames: the sampled one and those before it.",
    )
    gate = st.toggle(
        "Only when something moves",
        key=f"gate_{name}",
        help=(
            "A motion gate skips frames on which nothing moves. They are logged as gated, "
            "leave streaks unchanged, and are subtracted from the effort."
        ),
    )
    return title, int(count), int(step), gate


def optional_settings(count: int, step: int, gate: bool) -> dict[str, Any]:
    """The settings of an analysis that differ from their defaults."""
    sampling = {"frame_count": count, "frame_step": step}
    return {k: v for k, v in sampling.items() if v != 1} | ({"gate": "motion"} if gate else {})
