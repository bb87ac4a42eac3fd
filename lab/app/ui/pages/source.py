"""Choosing clips: samples, uploads, files and folders, with the details of each."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import streamlit as st

from lab.annotation import utc_now
from lab.app.server.state import AppState
from lab.app.ui.shared import asset, clock, finish, here, script, size
from lab.app.ui.widgets.clip_table import clip_table
from lab.app.ui.widgets.pager import pager
from lab.config import SAMPLES
from lab.errors import LabError, SourceError
from lab.formats.markdown import code, plain
from lab.runs.find_clips import find_clips
from lab.video.identity import is_absent
from lab.video.media import identify

_CARDS, _ROWS = 20, 100  # of chosen clips at once
_CLIPS_OF_A_JOB = 10
_REASONS = 20  # that a page names

_uploader = st.components.v2.component(
    "lab_uploader",
    html=asset("uploader/uploader.html"),
    css=asset("uploader/uploader.css"),
    js=script("uploader/uploader.js"),
)


def chosen() -> list[str]:
    """Media ids that this browser session has chosen; they are kept in the address."""
    if "chosen" not in st.session_state:
        st.session_state.chosen = [m for m in st.query_params.get("media", "").split(",") if m]
    ids: list[str] = st.session_state.chosen
    return ids


def _choose(media_ids: list[str]) -> None:
    st.session_state.chosen = list(dict.fromkeys([*chosen(), *media_ids]))


def add_clips(paths: list[Path], root: Path | None = None) -> None:
    """Probe clips in a worker; the page names those that cannot be used, with the reason."""
    app_state, ids, begun, refused = here(), [], utc_now(), []
    for first in range(0, len(paths), _CLIPS_OF_A_JOB):
        some = paths[first : first + _CLIPS_OF_A_JOB]
        for path, found in zip(some, _probe(app_state, some, first, len(paths), root), strict=True):
            if "media_id" in found:
                app_state.forget(found["media_id"])
                ids.append(found["media_id"])
                continue
            if "error" in found:
                refused.append(found["error"])
            if path.resolve().is_relative_to(app_state.store.uploads_folder.resolve()):
                _remove_upload(path)  # a rejected upload leaves nothing behind
    for why in refused[:_REASONS]:
        st.error(plain(why))
    if len(refused) > _REASONS:
        st.error(f"{len(refused) - _REASONS} more clips cannot be used.")
    known = app_state.store.media_rows(media_id=ids)
    st.session_state.recognised = {r["media_id"] for r in known if r["added_utc"] < begun}
    _choose(ids)


def _probe(
    app_state: AppState, paths: list[Path], first: int, total: int, root: Path | None
) -> list[dict[str, Any]]:
    """Of each clip what the worker says: its media_id, or an error; nothing if the job failed."""
    name = paths[0].name if total == 1 else f"clips {first + 1} to {first + len(paths)} of {total}"
    clips = [
        {
            "path": str(path),
            "relative_path": (
                str(path.relative_to(root)) if root and path.is_relative_to(root) else None
            ),
        }
        for path in paths
    ]
    job = app_state.engine.submit(
        "probes", f"read {name}", clips=clips, store=str(app_state.store.folder)
    )
    result = finish(job, f"Reading {name}…", clips=len(paths))
    return result["clips"] if result else [{}] * len(paths)


def _remove_upload(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.rmdir()


def _add_uploads(paths: list[Path], folder: Path) -> None:
    """Add uploaded clips, except those that the store already has a file for."""
    ids = {
        path: identify(path) if path.stat().st_size else ""
        for path in paths
        if path.is_relative_to(folder) and path.is_file()
    }
    known = here().store.media_rows(media_id=list(ids.values()))
    stored = {row["media_id"]: row["path"] for row in known}
    new, again = [], []
    for path, media_id in ids.items():
        if (
            media_id in stored
            and Path(stored[media_id]).is_file()
            and Path(stored[media_id]) != path
        ):
            _remove_upload(path)
            again.append(media_id)
        else:
            new.append(path)
    add_clips(new, folder)
    st.session_state.recognised = {*st.session_state.recognised, *again}
    _choose(again)


def pick_samples() -> None:
    clips = sorted(SAMPLES.glob("*.mp4"))
    names = st.multiselect(
        "Sample clips",
        [c.name for c in clips],
        placeholder="Choose one or more",
        key="sample_names",
    )
    st.caption("Short clips with known content, to try things out.")
    if st.button("Use these samples", disabled=not names, type="primary"):
        add_clips([c for c in clips if c.name in names], SAMPLES)


def pick_uploads() -> None:
    app_state = here()
    result = _uploader(
        key="uploader",
        data={"limit_bytes": app_state.config.max_upload_bytes},
        on_uploaded_change=lambda: None,
    )
    st.caption(f"Streamed to disk; up to {size(app_state.config.max_upload_bytes)} each.")
    if result.uploaded:
        paths = [Path(p).resolve() for p in result.uploaded]
        folder = app_state.store.uploads_folder.resolve()
        _add_uploads(paths, folder)


def pick_files() -> None:
    app_state = here()
    roots = app_state.config.media_roots
    text = st.text_input(
        "File or folder",
        placeholder=str(roots[0]),
        help="Under: " + plain(", ".join(map(str, roots))),
    )
    st.caption(
        "Files and folders on this machine under the configured media roots "
        f"({plain(', '.join(map(str, roots)))}). Set `media_roots` in lab.toml, or LAB_MEDIA_ROOTS."
    )
    if not text:
        return
    try:
        path = app_state.config.allowed(text)
        if not path.exists():
            raise SourceError(f"no such file or folder: {text}; check the spelling")
        found, refused = find_clips([path])
    except LabError as error:
        st.error(plain(error))
        return
    clips = []  # each as it is named here, and where it lies: links may lead out of the roots
    for clip in found:
        try:
            clips.append((clip, app_state.config.allowed(clip)))
        except LabError as error:
            refused.append(f"{clip.name}: {error}")
    if refused:
        more = f" and {len(refused) - _REASONS} more" if len(refused) > _REASONS else ""
        st.warning(plain("Left out: " + "; ".join(refused[:_REASONS]) + more))
    names = [str(c.relative_to(path)) if path.is_dir() else c.name for c, _ in clips]
    picked = st.multiselect(
        f"{len(clips)} clip{'' if len(clips) == 1 else 's'}",
        names,
        default=names,
        key=f"files_{path}",
    )
    if st.button("Use these files", disabled=not picked, type="primary"):
        add_clips([file for (_, file), n in zip(clips, names, strict=True) if n in picked], path)


def show_chosen(picked: list[str]) -> None:
    """A card for each clip, of many a page of them, and all in a table."""
    store = here().store
    first = pager("chosen", len(picked), _CARDS)
    if len(picked) > _CARDS:
        table = st.expander(
            f"All {len(picked):,} in a table", key="chosen_table", on_change="rerun"
        )
        if table.open:
            with table:
                _remove_some(picked)
    ids = picked[first : first + _CARDS]
    media = {row["media_id"]: row for row in store.media_rows(media_id=ids)}
    runs = store.run_counts_of_media(ids)
    for media_id in ids:
        if media_id in media:  # another process may have dropped it
            show_clip(media[media_id], runs.get(media_id, 0))


def _remove_some(picked: list[str]) -> None:
    first = pager("chosen_rows", len(picked), _ROWS)
    ids = picked[first : first + _ROWS]
    marked = clip_table(here().store, ids, key=f"chosen_{ids[0]}_{ids[-1]}_{len(ids)}")
    if st.button("Remove the marked clips", disabled=not marked):
        st.session_state.chosen = [m for m in chosen() if m not in marked]
        st.rerun()


def show_clip(media: dict[str, Any], runs: int) -> None:
    """A card with a strip of pictures, facts, and the site and start time to edit."""
    app_state = here()
    with st.container(border=True):
        left, right = st.columns([5, 1], vertical_alignment="center")
        status = ""
        if media["media_id"] in st.session_state.get("recognised", ()):
            status = " · already in the store"
        if runs:
            status += f" · analysed in {runs:d} run{'' if runs == 1 else 's'}"
        left.markdown(f"**{plain(media['name'])}**{status}")
        if right.button("Remove", key=f"remove_{media['media_id']}", width="stretch"):
            st.session_state.chosen = [m for m in chosen() if m != media["media_id"]]
            st.rerun()
        folder = app_state.store.pictures_folder(media["media_id"])
        span = media["end_us"] - media["first_pts_us"]
        times = [media["first_pts_us"] + span * i // 12 for i in range(12)]
        files = [f for t in times if (f := folder / f"{t}.jpg").exists()]
        media, problem = app_state.checked_media(media["media_id"])
        if problem is not None:
            _offer_relink(media, problem)
        elif not files:  # a clip that came in by the command line or a notebook
            app_state.want_pictures(media["media_id"], media["path"], times)
            st.caption("Its pictures are being made; reload the page to see them.")
        if files:
            for column, file in zip(st.columns(len(files), gap="xxsmall"), files, strict=True):
                column.image(str(file), width="stretch")
        if media["warning"]:
            st.warning(f"Usable, but {plain(media['warning'])}.")
        st.markdown(_facts(media))
        with st.expander("Site and start time"):
            _edit(media)


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
        if st.form_submit_button("Keep"):
            try:
                begun = datetime.fromisoformat(text) - timedelta(hours=offset_h) if text else None
            except ValueError:
                st.error(
                    f"The start time must be like 2026-05-01 18:30:00, got {plain(repr(text))}."
                )
                return
            here().store.edit_media(
                media["media_id"],
                site=site.strip() or None,
                start_utc=begun,
                utc_offset_s=int(offset_h * 3600),
                start_source="entered" if begun else None,
            )
            here().forget(media["media_id"])
            st.toast("Kept.")
