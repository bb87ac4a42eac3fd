"""Finding a clip again whose file was moved, renamed or replaced."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab.errors import LabError, SourceError
from lab.store.store import Store
from lab.video.identity import find_file, find_files, identity_problem
from lab.video.probe import probe


def relink(store: Store, media_id: str, places: Iterable[str | Path]) -> dict[str, Any]:
    """Note where a clip lies now; its row. Its runs, annotations and facts stay.

    places: files and folders to look in. The file is recognised by its content, not by its name.
    Raises SourceError if it is not there.
    """
    file = find_file(store.media(media_id), places)
    return store.add_media(probe(file), moves=True)


def relink_all(
    store: Store, media_ids: Iterable[str], places: Iterable[str | Path]
) -> dict[str, str | None]:
    """Note where clips lie now, after one walk through folders: media_id to why a clip was not
    found, or None. What cannot be found stays as it was, and what is in its place stays there.
    """
    rows = store.media_rows(media_id=list(media_ids))
    media = [row for row in rows if identity_problem(row) is not None]
    found = find_files(media, places)
    problems: dict[str, str | None] = {row["media_id"]: None for row in rows}
    for row in media:
        media_id = row["media_id"]
        try:
            if media_id not in found:
                raise SourceError(f"the file of {row['name']} is in none of the folders")
            store.add_media(probe(found[media_id]), moves=True)
        except LabError as error:
            problems[media_id] = str(error)
    return problems
