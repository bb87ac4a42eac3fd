"""One clip with its pictures and facts; its site, start and place can be changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import clock, finish, here, size
from lab.counted import counted
from lab.formats.markdown import code, plain
from lab.video.identity import identity_problem, is_absent

_PICTURES = 12


def picture_times(media: dict[str, Any]) -> list[int]:
    """The moments of a clip's strip of pictures, in µs."""
    span = media["end_us"] - media["first_pts_us"]
    return [media["first_pts_us"] + span * i // _PICTURES for i in range(_PICTURES)]


def thumbnail(media: dict[str, Any], at_us: int | None = None) -> str:
    """The address of the picture that stands for a clip: from its middle, unless told when."""
    at_us = picture_times(media)[_PICTURES // 2] if at_us is None else at_us
    return f"/api/pictures/{media['media_id']}/{at_us}.jpg"


def picture_of(
    app_state: AppState, media: dict[str, Any], at_us: int | None = None
) -> tuple[str | None, str]:
    """The address of a clip's picture, None if it has none; and what is wrong with its file.

    at_us: of this moment, rather than of its middle.
    """
    address = thumbnail(media, at_us)
    problem = identity_problem(media, reads=False)
    if problem is None:
        return address, ""
    folder = app_state.store.pictures_folder(media["media_id"])
    has_one = (folder / address.rpartition("/")[2]).exists()
    if is_absent(media):
        why = "only its detections are here"
    elif Path(media["path"]).exists():
        why = "another video is at its place"
    else:
        why = "its file is missing"
    return address if has_one else None, why


def show_clip(media: dict[str, Any], runs: int) -> None:
    """A card with a strip of pictures, facts, and the site and start time to edit."""
    app_state = here()
    with st.container(border=True):
        status = ""
        if media["media_id"] in st.session_state.get("recognised", ()):
            status = " · already in the store"
        if runs:
            status += f" · analysed in {counted(runs, 'run')}"
        st.markdown(f"**{plain(media['name'])}**{status}")
        folder, times = app_state.store.pictures_folder(media["media_id"]), picture_times(media)
        files = [f for t in times if (f := folder / f"{t}.jpg").exists()]
        media, problem = app_state.checked_media(media["media_id"])
        if problem is not None:
            _offer_relink(media, problem)
        elif len(files) < _PICTURES:  # it came in by the command line or a notebook
            app_state.want_pictures(media["media_id"], media["path"], times)
            st.caption("Its pictures are being made; reload the page to see them.")
        if files:
            for column, file in zip(st.columns(_PICTURES, gap="xxsmall"), files, strict=False):
                column.image(str(file), width="stretch")
        if media["warning"]:
            st.warning(f"Usable, but {plain(media['warning'])}.")
        st.markdown(_facts(media))
        st.caption(plain(media["path"]))
        _open_runs(media["media_id"], runs)
        with st.expander("Site and start time"):
            _edit(media)


def _open_runs(media_id: str, runs: int) -> None:
    newest = here().store.runs(media_id=media_id, state="done", limit=1) if runs else []
    for run in newest:
        st.page_link(
            "pages/review.py",
            label="Open its newest run",
            icon=":material/movie:",
            query_params={"run": run["run_id"]},
        )


def _offer_relink(media: dict[str, Any], problem: str) -> None:
    """What is wrong with a clip's file, and a search for it under the media roots."""
    app_state = here()
    roots = app_state.config.media_roots
    st.error(plain(problem[:1].upper() + problem[1:]))
    if is_absent(media) or not st.button(
        "Look for it",
        key=f"relink_{media['media_id']}",
        help="Under: " + plain(", ".join(map(str, roots))),
    ):
        return
    job = app_state.engine.submit(
        "relink",
        f"look for {media['name']}",
        media_id=media["media_id"],
        places=[str(root) for root in roots],
        store=str(app_state.store.folder),
    )
    if finish(job, f"Looking for {media['name']}…"):
        app_state.forget(media["media_id"])
        st.rerun()


def _facts(media: dict[str, Any]) -> str:
    rate = f"{media['frame_rate']:.3g} fps" if media["frame_rate"] else "rate unknown"
    rate += ", varies" if media["is_variable_rate"] else ", constant"
    plays = "browser plays it" if media["is_browser_playable"] else "browser plays a copy"
    first = f"first frame at {media['first_pts_us'] / 1e6:.3f} s"
    facts = [
        clock(media["duration_s"]),
        f"{media['width_px']}x{media['height_px']}",
        plain(media["codec"]),
        rate,
        size(media["size_bytes"]),
        first,
        plays,
        code(media["media_id"]),
    ]
    return " · ".join(facts)


def _edit(media: dict[str, Any]) -> None:
    with st.form(f"edit_{media['media_id']}", border=False):
        site = st.text_input("Site", media["site"] or "")
        start = media["start_utc"]
        text = st.text_input(
            "Start, local time (YYYY-MM-DD HH:MM:SS)",
            "" if start is None else str(start + timedelta(seconds=media["utc_offset_s"] or 0)),
        )
        offset_h = st.number_input(
            "UTC offset, hours", -14.0, 14.0, (media["utc_offset_s"] or 0) / 3600, 0.25
        )
        if not st.form_submit_button("Keep"):
            return
        try:
            values = start_values(text, offset_h)
        except ValueError:
            st.error(f"The start time must be like 2026-05-01 18:30:00, got {plain(repr(text))}.")
            return
        here().store.edit_media(media["media_id"], site=site.strip() or None, **values)
        here().forget(media["media_id"])
        st.toast("Kept.")


def start_values(text: str, offset_h: float) -> dict[str, Any]:
    """The store's columns for a start in local time; an empty text clears it. Raises ValueError."""
    try:
        begun = datetime.fromisoformat(text) - timedelta(hours=offset_h) if text else None
    except (OverflowError, TypeError) as error:  # the year 1, or one with an offset of its own
        raise ValueError(text) from error
    if begun is not None and begun.tzinfo is not None:
        raise ValueError(text)
    return {
        "start_utc": begun,
        "utc_offset_s": int(offset_h * 3600),
        "start_source": "entered" if begun else None,
    }
