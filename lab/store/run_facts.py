"""What the catalog knows of a run from its beginning, in its log's folder too.

With the manifest and the outcome beside it, the run is found again when the catalog is lost.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.annotation import utc_now
from lab.atomic_file import write_atomically
from lab.score_log.recipe import environment
from lab.video.media import Media

if TYPE_CHECKING:
    from lab.store.store import NewRun

NAME = "run.json"


def write_run_facts(
    log_folder: Path, run: NewRun, media: Media, created_utc: datetime | None = None
) -> None:
    """created_utc: now unless given. Raises OSError."""
    facts: dict[str, Any] = {
        "run_id": run.run_id,
        "created_utc": (created_utc or utc_now()).isoformat(),
        "threshold": run.threshold,
        "environment": {**environment(), **run.recorded},
        "media": media.to_dict(),
    }
    facts = json.loads(json.dumps(facts))
    facts["checksum"] = _checksum(facts)
    write_atomically(log_folder / NAME, json.dumps(facts, indent=1))


def _checksum(facts: dict[str, Any]) -> str:
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_run_facts(log_folder: Path) -> dict[str, Any] | None:
    """As written, with `created_utc` as a datetime and `media` as Media.

    None if there are none, as in logs of earlier versions, or they are damaged.
    """
    known = {f.name for f in fields(Media)}
    try:
        facts = json.loads((log_folder / NAME).read_text(encoding="utf-8"))
        if facts.pop("checksum") != _checksum(facts):
            return None
        facts["media"] = Media(**{k: v for k, v in facts["media"].items() if k in known})
        facts["created_utc"] = datetime.fromisoformat(facts["created_utc"])
        return {**facts, "threshold": float(facts["threshold"])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
