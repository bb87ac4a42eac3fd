"""Removing clips from a store, with what was made of them. Video files are never deleted."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.counted import counted
from lab.errors import SettingError
from lab.score_log.writer import is_locked
from lab.store.store import Store


def remove_clips(store: Store, media_ids: Sequence[str]) -> list[Path]:
    """Remove clips with their runs, sightings, annotations, pictures and copies for the browser.

    Video files stay where they are; those that were uploaded are moved to `removed/` in the store,
    since what lies in its uploads belongs to a clip. Returns where these are now. Raises
    SettingError, and does nothing, while one of the clips is being analysed.
    """
    media = store.media_rows(media_id=list(media_ids))
    runs = store.runs(media_id=list(media_ids))
    for run in runs:
        if is_locked(store.log_folder(run["run_id"])):
            name = next(m["name"] for m in media if m["media_id"] == run["media_id"])
            raise SettingError(
                f"{name} is being analysed (run {run['run_id']}); cancel that first, or wait"
            )
    store.delete_clips([one["media_id"] for one in media])
    for run in runs:
        _remove_files_of_run(store, run["run_id"])
    for one in media:
        with contextlib.suppress(OSError):
            remove_pictures(store, one["media_id"])
        remove_copy(store, one["media_id"])
    return [moved for one in media if (moved := _out_of_uploads(store, Path(one["path"])))]


def remove_runs(store: Store, run_ids: Sequence[str]) -> None:
    """Remove runs with their logs, their annotated videos and what rules found in them.

    Clips, annotations and verdicts stay, but for clips of which nothing else is left than that
    their upload broke off. Raises SettingError, and does nothing, while one of them
    is written, or where somebody wrote of it in the notebook.
    """
    for run_id in run_ids:
        if is_locked(store.log_folder(run_id)):
            raise SettingError(f"run {run_id} is being analysed; cancel that first, or wait")
    store.delete_ended_runs(run_ids)
    for run_id in run_ids:
        _remove_files_of_run(store, run_id)


def _remove_files_of_run(store: Store, run_id: str) -> None:
    shutil.rmtree(store.log_folder(run_id), ignore_errors=True)
    for video in store.annotated_file(run_id, "*").parent.glob(f"{run_id}-*.mp4"):
        with contextlib.suppress(OSError):
            video.unlink()


def remove_pictures(store: Store, media_id: str) -> None:
    """Remove a clip's pictures, which can be made again. Raises OSError for one that cannot be."""
    folder = store.pictures_folder(media_id)
    if folder.is_dir():
        shutil.rmtree(folder)


def remove_copy(store: Store, media_id: str) -> None:
    """Remove a clip's copy for the browser, which can be made again. Raises OSError."""
    store.playable_file(media_id).unlink(missing_ok=True)


def remove_upload(file: Path) -> None:
    """Remove a file of the store's uploads, with its folder if that is empty. Raises OSError."""
    file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        file.parent.rmdir()


def in_words(goes: Mapping[str, int]) -> str:
    """What goes with clips, as `Store.what_goes_with` gives it; an empty text if nothing does."""
    return ", ".join(
        counted(goes[what], one, many)
        for what, one, many in (
            ("runs", "run", "runs"),
            ("sightings", "sighting", "sightings"),
            ("annotations", "annotation or watched stretch", "annotations and watched stretches"),
            ("entries", "notebook entry", "notebook entries"),
        )
        if goes[what]
    )


def _out_of_uploads(store: Store, file: Path) -> Path | None:
    uploads = store.uploads_folder
    if not file.is_file() or not file.is_relative_to(uploads):
        return None
    target = store.removed_folder / file.relative_to(uploads)
    target.parent.mkdir(parents=True, exist_ok=True)
    file.replace(target)
    with contextlib.suppress(OSError):
        file.parent.rmdir()
    return target
