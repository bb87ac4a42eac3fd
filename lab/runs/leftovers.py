"""What killed processes and closed pages leave behind, and its removal."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.atomic_file import PART_NAME
from lab.errors import LabError
from lab.store.store import Store
from lab.video.media import identify

DAY_S = 86_400
_COPY = re.compile(r"[0-9a-f]+\.part[0-9]+\.mp4")
_ANNOTATED = re.compile(r".+\.mp4")
_PICTURE = re.compile(r"-?[0-9]+\.part[0-9]+")
_TRANSFER = re.compile(r".+\.part(?:\.json)?")


@dataclass(frozen=True)
class Leftover:
    """A file that nobody will finish or use. why: in words."""

    path: Path
    size_bytes: int
    why: str


def find_leftovers(
    store: Store, models: Path | None = None, *, older_than_s: float = DAY_S
) -> list[Leftover]:
    """Unfinished files, and uploads that never became a clip of the store.

    models: the models folder, whose unfinished downloads count as well. older_than_s: only what
    was last written that long ago; the rest may still be in use.
    """
    places = [
        (store.folder, PART_NAME, "an unfinished file"),
        (store.folder / "playable", _COPY, "an unfinished copy for the browser"),
        (store.folder / "annotated", PART_NAME, "an unfinished annotated video"),
        (store.folder / "annotated", _ANNOTATED, "an annotated video, made again when asked for"),
        *(
            (folder, _PICTURE, "an unfinished picture")
            for folder in _inside(store.folder / "pictures")
        ),
        *([] if models is None else [(models, _TRANSFER, "an unfinished download")]),
    ]
    found = [
        _leftover(file, why)
        for folder, pattern, why in places
        for file in _inside(folder)
        if pattern.fullmatch(file.name)
    ]
    before = time.time() - older_than_s
    uploads = [
        file
        for folder in _inside(store.uploads_folder)
        if not (store.uploading_folder / folder.name).exists()  # its upload is looked after
        for file in _inside(folder)
    ]
    found += list(_unreported(store, [file for file in uploads if _is_older(file, before)]))
    return [one for one in found if _is_older(one.path, before)]


def remove_leftovers(
    store: Store, models: Path | None = None, *, older_than_s: float = DAY_S
) -> list[str]:
    """Remove what `find_leftovers` finds; a line of text about each file.

    One that cannot be removed is left, and the line says so.
    """
    lines = []
    for one in find_leftovers(store, models, older_than_s=older_than_s):
        try:
            remove_leftover(store, one.path)
        except OSError as error:
            if one.path.exists():
                lines.append(f"{one.path} ({one.why}) cannot be removed: {error.strerror}")
                continue
        lines.append(f"removed {one.path} ({one.why}, {_in_words(one.size_bytes)})")
    return lines


def remove_leftover(store: Store, file: Path) -> None:
    """Remove one, with its folder if it was an upload. Raises OSError."""
    file.unlink()
    if file.parent.parent == store.uploads_folder:
        file.parent.rmdir()


def _unreported(store: Store, uploads: list[Path]) -> Iterator[Leftover]:
    """Uploads that are no clip of the store, also where the store was moved since."""
    if not uploads:
        return
    media = store.all_media()
    ids = {row["media_id"] for row in media}
    places = {Path(row["path"]).parts[-2:] for row in media}
    for file in uploads:
        if file.parts[-2:] in places or _is_known(file, ids):
            continue
        is_whole = file.suffix != ".part"
        why = "an upload that no page reported" if is_whole else "an unfinished upload"
        yield _leftover(file, why)


def _is_known(file: Path, ids: set[str]) -> bool:
    try:
        return identify(file) in ids
    except LabError:  # it is empty
        return False
    except OSError:
        return True


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _leftover(file: Path, why: str) -> Leftover:
    try:
        return Leftover(file, file.stat().st_size, why)
    except OSError:
        return Leftover(file, 0, why)


def _is_older(file: Path, before_s: float) -> bool:
    try:
        return file.is_file() and file.stat().st_mtime < before_s
    except OSError:
        return False


def _in_words(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB" if size_bytes >= 2**20 else f"{size_bytes} bytes"
