"""What is kept of an upload, so that it can be gone on with, also by another process."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from lab.atomic_file import write_atomically
from lab.jobs.upload_rules import AskedRules

_NAME = "upload.json"
KEPT_S = 86_400.0  # how long an upload that nobody goes on with can be gone on with


@dataclass
class UploadRecord:
    """upload_id: as the client named it. name: of the file. size_bytes: as declared, None if it was
    not. owner: of the token that began it. media_id: of the clip until it has arrived. analyses,
    rules: what the worker is to do meanwhile, see `lab.jobs.followed_upload`; empty for nothing.
    metadata: that of tus, as it was sent. is_whole: whether all of it is there. error: why nothing
    more is taken. sha256: of the file, once it is whole. is_given_up: whether it was deleted, and
    what was seen in its clip is still to become the clip's. expires: Unix seconds.
    """

    upload_id: str
    name: str
    size_bytes: int | None
    owner: str
    media_id: str
    analyses: list[dict[str, Any]] = field(default_factory=list)
    rules: list[AskedRules] = field(default_factory=list)
    metadata: str = ""
    is_whole: bool = False
    error: str | None = None
    sha256: str | None = None
    is_given_up: bool = False
    expires: float = field(default_factory=lambda: time.time() + KEPT_S)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """None if there is none, or it is not what was written."""
        known = {one.name for one in fields(cls)}
        try:
            kept: Mapping[str, Any] = json.loads((folder / _NAME).read_text(encoding="utf-8"))
            return cls(**{k: v for k, v in kept.items() if k in known})
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def write(self, folder: Path) -> None:
        """Raises OSError."""
        write_atomically(folder / _NAME, json.dumps(asdict(self), indent=1))
