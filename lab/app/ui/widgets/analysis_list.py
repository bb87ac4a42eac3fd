"""Several analyses of the same clips: their list, and the document that does the same."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.queue_rows import short
from lab.formats.markdown import plain
from lab.jobs.document.export import text_of

Analysis = dict[str, Any]


def in_order(app_state: AppState, media_ids: list[str]) -> list[dict[str, Any]]:
    """The rows of clips, in the order of their ids."""
    rows = {row["media_id"]: row for row in app_state.store.media_rows(media_id=media_ids)}
    return [rows[media_id] for media_id in media_ids if media_id in rows]


def save_job(
    app_state: AppState, place: Any, media_ids: list[str], analyses: list[Analysis]
) -> None:
    """The analyses of the page as a document for the command line."""
    rows = []
    for one in analyses:
        settings = {k: v for k, v in one["detector"].items() if k != "name"}
        row = {
            "name": one["name"],
            "detector": one["detector"]["name"],
            **({"settings": settings} if settings else {}),
        }
        rows.append(row | {k: v for k, v in one.items() if k not in ("name", "detector")})

    def made() -> str:
        paths = [row["path"] for row in in_order(app_state, media_ids)]
        source = {"type": "file", "paths": paths}
        return text_of(
            {"version": 1, "source": source, "analyses": rows, "sinks": [{"type": "store"}]}
        )

    place.download_button(
        "Save as a job",
        made,
        "job.yaml",
        "application/yaml",
        disabled=not (media_ids and rows),
        help="A document that does the same on the command line: lab analyze --job job.yaml",
    )


def show_list(several: list[Analysis]) -> None:
    """The analyses of the list, each with a button to take it out."""
    for i, one in enumerate(list(several)):
        words, drop = st.columns([8, 1], vertical_alignment="center")
        settings = {k: v for k, v in one["detector"].items() if k != "name"}
        sampling = f"every {one['interval_s']:g} s" if one["interval_s"] else "every frame"
        extra = "".join(
            f", {plain(k.replace('_', ' '))} {plain(v)}"
            for k, v in one.items()
            if k in ("frame_count", "frame_step", "gate")
        )
        few = ", ".join(f"{k} {short(v)}" for k, v in settings.items())
        words.markdown(
            f"**{plain(one['name'])}** · {plain(one['detector']['name'])} · {sampling}{extra}  \n"
            f"{plain(few)}"
        )
        if drop.button("Remove", key=f"drop_{i}_{one['name']}", width="stretch"):
            several.pop(i)
            st.rerun()
