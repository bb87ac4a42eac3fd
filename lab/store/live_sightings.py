"""Sightings that are kept while they happen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from lab.annotation import utc_now
from lab.rules.rule import Rule
from lab.sighting import Sighting
from lab.store.applied_rules import put_applied
from lab.store.query import insert_columns
from lab.store.run_queries import RunQueries

_KEPT = ("sighting_id", "run_id", "media_id", "rule_hash", "rule", "label", "onset_us")


class LiveSightings(RunQueries):
    """The part of a store that takes sightings one by one, open ones too."""

    def put_sightings(
        self,
        run_id: str,
        rule: Rule,
        sightings: Sequence[tuple[str, Sighting]],
        rule_name: str | None = None,
    ) -> None:
        """Keep sightings under their ids, or what is newer of those that are there.

        One that is still open has no `close_reason` and is kept as `open`. Raises SettingError for
        an unknown run.
        """
        if not sightings:
            return
        found = [
            one if one.close_reason is not None else replace(one, close_reason="open")
            for _, one in sightings
        ]
        count = len(found)
        with self.catalog.transaction() as db:
            (run,) = self._named(db, [run_id])
            columns: dict[str, Any] = {
                "sighting_id": [known for known, _ in sightings],
                "run_id": [run_id] * count,
                "media_id": [run["media_id"]] * count,
                "rule_hash": [rule.rule_hash] * count,
                "rule": [json.dumps(rule.to_dict())] * count,
                "rule_name": [rule_name] * count,
                "saved_utc": [utc_now()] * count,
                **{f.name: [getattr(one, f.name) for one in found] for f in fields(Sighting)},
            }
            newer = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in _KEPT)
            insert_columns(
                db, "sightings", columns, f"ON CONFLICT (sighting_id) DO UPDATE SET {newer}"
            )
            put_applied(db, [run_id], rule.rule_hash)

    def open_sightings(self, run_id: str, rule_hash: str) -> list[str]:
        """Ids of those that were kept as open."""
        found = self.catalog.rows(
            "SELECT sighting_id FROM sightings "
            "WHERE run_id = ? AND rule_hash = ? AND close_reason = 'open'",
            [run_id, rule_hash],
        )
        return [row["sighting_id"] for row in found]

    def grow_media(self, media_id: str, end_us: int) -> None:
        """A recording goes on: it ends at `end_us` by now, or later. Another media stays."""
        with self.catalog.transaction() as db:
            db.execute(
                "UPDATE media SET end_us = $end_us, "
                "facts = json_merge_patch(facts, json_object('end_us', $end_us)) "
                "WHERE media_id = $media_id AND end_us < $end_us",
                {"media_id": media_id, "end_us": end_us},
            )

    def drop_sightings(self, sighting_ids: Sequence[str]) -> None:
        """Forget sightings that another rule does not see."""
        with self.catalog.transaction() as db:
            db.execute(
                "DELETE FROM sightings WHERE sighting_id IN (SELECT unnest(?::VARCHAR[]))",
                [list(sighting_ids)],
            )
