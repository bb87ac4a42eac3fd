"""Adding clips to the store: uploads and samples. Folders are in `folder_browser`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from lab.annotation import utc_now
from lab.app.server.state import AppState
from lab.app.ui.shared import asset, finish, here, script, size
from lab.app.ui.widgets.chosen import choose
from lab.config import SAMPLES
from lab.counted import counted
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.video.media import identify

_CLIPS_OF_A_JOB = 10
_REASONS, _NAMES = 20, 5  # that a page names
_GONE = "it is not where it was received any more; send it again"

_uploader = st.components.v2.component(
    "lab_uploader",
    html=asset("uploader/uploader.html"),
    css=asset("uploader/uploader.css"),
    js=script("uploader/uploader.js"),
)


def add_clips(paths: list[Path], root: Path | None = None) -> dict[Path, str]:
    """Probe clips in a worker and choose them; of each why it cannot be used, or an empty text.

    root: the folder that their relative paths begin at.
    """
    app_state, ids, begun = here(), [], utc_now()
    answers: dict[Path, str] = {}
    for first in range(0, len(paths), _CLIPS_OF_A_JOB):
        some = paths[first : first + _CLIPS_OF_A_JOB]
        for path, found in zip(some, _probe(app_state, some, first, len(paths), root), strict=True):
            answers[path] = found.get("error", "it could not be read")
            if "media_id" in found:
                answers[path] = ""
                app_state.forget(found["media_id"])
                ids.append(found["media_id"])
            elif path.resolve().is_relative_to(app_state.store.uploads_folder.resolve()):
                _remove_upload(path)  # a rejected upload leaves nothing behind
    st.session_state.refused = [why for why in answers.values() if why]
    known = app_state.store.media_rows(media_id=ids)
    at = {row["path"] for row in known}
    added = [path for path, why in answers.items() if not why]
    st.session_state.copies = [path.name for path in added if str(path) not in at]
    st.session_state.recognised = {r["media_id"] for r in known if r["added_utc"] < begun}
    choose(ids)
    return answers


def say_what_was_refused() -> None:
    """The files that could not be added last, each with the reason, and those that are copies."""
    refused = st.session_state.get("refused", [])
    for why in refused[:_REASONS]:
        st.error(plain(why))
    if len(refused) > _REASONS:
        st.error(f"{len(refused) - _REASONS} more clips cannot be used.")
    copies = st.session_state.get("copies", [])
    if copies:
        few = plain(", ".join(copies[:_NAMES]))
        more = " and others" if len(copies) > _NAMES else ""
        st.info(
            f"{counted(len(copies), 'file')} with the same content as a clip that is here already: "
            f"{few}{more}. A clip is kept once, with its first file."
        )
    if (refused or copies) and st.button("Dismiss", icon=":material/close:"):
        st.session_state.refused, st.session_state.copies = [], []
        st.rerun()


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


def drop_zone(*, is_compact: bool = False, analyses: Sequence[Any] = ()) -> bool:
    """A place to drop videos on; whether any were added just now.

    analyses: what is analysed while they come, as `lab.app.server.uploads.wanted` takes them.
    """
    app_state = here()
    answers: dict[str, str] = st.session_state.get("upload_answers", {})
    result = _uploader(
        key="uploader",
        data={
            "limit_bytes": app_state.config.max_upload_bytes,
            "is_compact": is_compact,
            "answers": answers,
            "analyses": json.dumps(list(analyses)) if analyses else None,
        },
        on_uploaded_change=lambda: None,
    )
    if not is_compact:
        st.caption(f"Copied into the store; up to {size(app_state.config.max_upload_bytes)} each.")
    if not result.uploaded:
        return False
    folder = app_state.store.uploads_folder.resolve()
    sent = {Path(p).resolve(): p for p in result.uploaded}
    found = _add_uploads(sent, folder)
    st.session_state.upload_answers = found
    runs = {path.name: app_state.uploads.runs_of_file(path) for path in sent}
    st.session_state.analysed_meanwhile = {name: ids[0] for name, ids in runs.items() if ids}
    if all(found.values()):
        st.rerun()  # the list of files then says so
    return True


def say_what_was_analysed() -> None:
    """The way to the runs of the videos that were added last and analysed while they came."""
    runs = st.session_state.get("analysed_meanwhile", {})
    for name, run_id in list(runs.items())[:_NAMES]:
        st.page_link(
            "pages/review.py",
            label=f"{plain(name)} was analysed while it came: open it in Review",
            icon=":material/play_circle:",
            query_params={"run": run_id},
        )


def _add_uploads(sent: dict[Path, str], folder: Path) -> dict[str, str]:
    """Add uploaded clips, except those that the store already has a file for.

    sent: each file with the name that the browser knows it by. Returns by that name why a clip
    was not added, or an empty text.
    """
    ids = {
        path: identify(path) if path.stat().st_size else ""
        for path in sent
        if path.is_relative_to(folder) and path.is_file()
    }
    known = here().store.media_rows(media_id=list(ids.values()))
    stored = {row["media_id"]: row["path"] for row in known}
    new, again, repeated = [], [], []
    for path, media_id in ids.items():
        if (
            media_id in stored
            and Path(stored[media_id]).is_file()
            and Path(stored[media_id]) != path
            and not here().uploads.is_analysed_now(path)
        ):
            _remove_upload(path)
            again.append(media_id)
            repeated.append(path)
        else:
            new.append(path)
    answers = add_clips(new, folder)
    st.session_state.recognised = {*st.session_state.recognised, *again}
    said = {path: why.replace(str(path), path.name) for path, why in answers.items()}
    # The list of files says so as well, but where some were added, the page goes on without it.
    is_any_added = bool(again) or "" in said.values()
    st.session_state.refused = [why for why in said.values() if why] if is_any_added else []
    st.session_state.copies = [*st.session_state.copies, *(path.name for path in repeated)]
    choose(again)
    said |= dict.fromkeys(repeated, "")
    return {name: said.get(path, _GONE) for path, name in sent.items()}


def pick_samples() -> bool:
    """A choice of the clips that come with the program; whether any were added just now."""
    clips = sorted(SAMPLES.glob("*.mp4"))
    names = st.multiselect(
        "Sample clips",
        [c.name for c in clips],
        placeholder="Choose one or more",
        key="sample_names",
    )
    st.caption("Short clips with known content, to try things out.")
    if not st.button("Use these samples", disabled=not names, type="primary"):
        return False
    add_clips([c for c in clips if c.name in names], SAMPLES)
    return True


def allowed_among(clips: list[Path], refused: list[str]) -> list[Path]:
    """Where clips lie, links resolved; those that lead out of the media roots are refused."""
    inside = []
    for clip in clips:
        try:
            inside.append(here().config.allowed(clip))
        except LabError as error:
            refused.append(f"{clip.name}: {error}")
    return inside
