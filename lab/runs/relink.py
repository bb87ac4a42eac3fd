"""Finding a clip again whose file was moved, renamed or replaced."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab.store.store import Store
from lab.video.identity import find_file
from lab.video.probe import probe


def relink(store: Store, media_id: str, places: Iterable[str | Path]) -> dict[str, Any]:
    """Note where a clip lies now; its row. Its runs, annotations and facts stay.

    places: files and folders to look in. The file is recognised by its content, not by its name.
    Raises SourceError if it is not there.
    """
    file = find_file(store.media(media_id), places)
    return store.add_media(probe(file))
