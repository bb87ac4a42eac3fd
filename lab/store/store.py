"""A store's folder, and the operations on its catalog."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from lab.annotation import utc_now
from lab.config import load_config
from lab.errors import NotFoundError, SettingError, closest
from lab.rules.rule import Rule
from lab.score_log.recipe import environment, protocol_hash, recipe_hash
from lab.score_log.writer import is_locked
from lab.sighting import Sighting
from lab.store.annotations import AnnotationRows
from lab.store.catalog import Catalog
from lab.store.embeddings import EmbeddingRows
from lab.store.experiments import ExperimentRows
from lab.video.media import Media

Row = dict[str, Any]
Registrar = Literal["user", "browser"]


_EDITABLE = ("site", "start_utc", "utc_offset_s", "start_source", "clock_correction_s")


@dataclass(frozen=True)
class NewRun:
    """A run that is about to begin.

    threshold: where its rule starts. recorded: kept beside the recipe, such as `weights_path`,
    where to find the weights on resuming.
    """

    run_id: str
    recipe: Mapping[str, Any]
    threshold: float
    recorded: Mapping[str, Any] = field(default_factory=dict)


class Store(AnnotationRows, ExperimentRows, EmbeddingRows):
    """Everything that is kept. Cheap to create; the folder is created by the first write.

    folder: None takes the one that `lab.config` names: LAB_STORE, `store` in the nearest
    lab.toml, or `lab_store` in the current folder. registrar: who names the files of clips that
    are added, `browser` in the app and its workers. Its methods raise StoreError if the catalog
    cannot be used.
    """

    def __init__(self, folder: str | Path | None = None, *, registrar: Registrar = "user") -> None:
        self.registrar = registrar
        self.folder = load_config().store if folder is None else Path(folder).absolute()
        self.catalog = Catalog(self.folder)

    @classmethod
    def coerce(cls, given: Any) -> Store:
        """A store, from what `lab.open_store` gives, from its folder, or None for the default."""
        if isinstance(given, Store):
            return given
        inner = getattr(given, "store", None)
        return inner if isinstance(inner, Store) else cls(given)

    def log_folder(self, run_id: str) -> Path:
        return self.folder / "logs" / run_id

    def pictures_folder(self, media_id: str) -> Path:
        return self.folder / "pictures" / media_id

    def playable_file(self, media_id: str) -> Path:
        return self.folder / "playable" / f"{media_id}.mp4"

    def sweep_file(self, name: str) -> Path:
        return self.folder / "sweeps" / f"{name}.npz"

    @property
    def uploads_folder(self) -> Path:
        return self.folder / "uploads"

    # media

    def add_media(self, media: Media, relative_path: str | None = None) -> Row:
        """Keep a clip's facts; a known clip keeps what the user entered."""
        with self.catalog.transaction() as db:
            _put_media(db, media, relative_path, self.registrar)
        return self.media(media.media_id)

    def media(self, media_id: str) -> Row:
        rows = [row for row in self.all_media() if row["media_id"] == media_id]
        if not rows:
            raise NotFoundError(f"no media {media_id!r} in {self.folder}; add the clip again")
        return rows[0]

    def all_media(self) -> list[Row]:
        rows = self.catalog.rows("SELECT * FROM media ORDER BY added_utc, path")
        for row in rows:
            row.update({**json.loads(row.pop("facts")), "path": row["path"]})
            row["name"] = Path(row["path"]).name
            row["duration_s"] = (row["end_us"] - row["first_pts_us"]) / 1e6
        return rows

    def edit_media(self, media_id: str, **values: Any) -> None:
        """Site, start and clock of a clip, as the user knows them."""
        for name in values:
            if name not in (*_EDITABLE, "browser_offset_us"):
                raise SettingError(
                    f"media has no {name!r} to edit; {closest(name, list(_EDITABLE))}"
                )
        sets = ", ".join(f"{name} = ?" for name in values)
        with self.catalog.transaction() as db:
            db.execute(f"UPDATE media SET {sets} WHERE media_id = ?", [*values.values(), media_id])

    # runs

    def create_run(
        self, run_id: str, recipe: Mapping[str, Any], threshold: float, **recorded: Any
    ) -> None:
        """A row for one run; see `create_runs`."""
        self.create_runs([NewRun(run_id, recipe, threshold, recorded)])

    def create_runs(
        self,
        runs: Sequence[NewRun],
        *,
        media: Media | None = None,
        resumed: Sequence[str] = (),
    ) -> None:
        """Rows for the runs of a pass that is about to begin: all of them, or none.

        media: of all of them; its facts are kept with them. resumed: ids of runs that are
        resumed in the same pass.
        """
        now, here = utc_now(), environment()
        with self.catalog.transaction() as db:
            if media is not None:
                _put_media(db, media, None, self.registrar)
            for run in runs:
                db.execute(
                    """INSERT INTO runs (run_id, media_id, recipe, recipe_hash, protocol_hash,
                    environment, default_threshold, state, created_utc)
                    VALUES (?, ?, ?, ?, ?, ?, ?, 'running', ?)""",
                    [
                        run.run_id,
                        run.recipe["media_id"],
                        json.dumps(run.recipe),
                        recipe_hash(run.recipe),
                        protocol_hash(run.recipe),
                        json.dumps({**here, **run.recorded}),
                        run.threshold,
                        now,
                    ],
                )
            for run_id in resumed:
                db.execute(
                    "UPDATE runs SET state = 'running', error = NULL WHERE run_id = ?", [run_id]
                )

    def extend_recipe(self, run_id: str, added: Mapping[str, Any]) -> None:
        """Give a run the recipe that it would have with labels that were added to it.

        added: the recipe of the detector of the new labels.
        """
        recipe = self.run(run_id)["recipe"]
        recipe["labels"] = sorted({*recipe["labels"], *added["labels"]})
        if "text_features" in recipe:
            recipe["text_features"] = {**recipe["text_features"], **added["text_features"]}
        with self.catalog.transaction() as db:
            db.execute(
                "UPDATE runs SET recipe = ?, recipe_hash = ?, protocol_hash = ? WHERE run_id = ?",
                [json.dumps(recipe), recipe_hash(recipe), protocol_hash(recipe), run_id],
            )

    def set_run_state(self, run_id: str, state: str, error: str | None = None) -> None:
        with self.catalog.transaction() as db:
            db.execute(
                "UPDATE runs SET state = ?, error = ? WHERE run_id = ?", [state, error, run_id]
            )

    def delete_runs(self, run_ids: Iterable[str]) -> None:
        """Delete the rows of runs that never began; their logs stay as they are."""
        with self.catalog.transaction() as db:
            for run_id in run_ids:
                db.execute("DELETE FROM runs WHERE run_id = ?", [run_id])

    def finish_run(
        self, run_id: str, state: str, *, error: str | None, effort: Row, elapsed_s: float
    ) -> None:
        """Its outcome; `elapsed_s` adds to what earlier, interrupted parts took."""
        with self.catalog.transaction() as db:
            db.execute(
                """UPDATE runs SET state = ?, error = ?, effort = ?, finished_utc = ?,
                elapsed_s = elapsed_s + ? WHERE run_id = ?""",
                [state, error, json.dumps(effort), utc_now(), elapsed_s, run_id],
            )

    def runs(self, *, media_id: str | None = None) -> list[Row]:
        """Newest first. A run in state `running` whose log is not written is `interrupted`."""
        rows = self.catalog.rows("SELECT * FROM runs ORDER BY created_utc DESC, run_id DESC")
        out = []
        for row in rows:
            if media_id is not None and row["media_id"] != media_id:
                continue
            row["recipe"] = json.loads(row["recipe"])
            row["environment"] = json.loads(row["environment"])
            row["effort"] = json.loads(row["effort"]) if row["effort"] else None
            if row["state"] == "running" and not is_locked(self.log_folder(row["run_id"])):
                row["state"] = "interrupted"
            out.append(row)
        return out

    def run(self, run_id: str) -> Row:
        """A run by its id or the beginning of it. Raises SettingError if there is not just one."""
        return self.pick(self.runs(), run_id)

    def pick(self, runs: Sequence[Row], run_id: str) -> Row:
        """The same among rows that were read already."""
        found = [r for r in runs if r["run_id"] == run_id]
        found = found or [r for r in runs if run_id and r["run_id"].startswith(run_id)]
        if len(found) != 1:
            what = "several runs begin with" if found else "no run"
            known = [r["run_id"] for r in runs]
            raise SettingError(f"{what} {run_id!r} in {self.folder}; {closest(run_id, known)}")
        return found[0]

    # rules and sightings

    def save_rule(self, name: str, rule: Rule, run_id: str | None = None) -> None:
        """Keep a rule under a name, replacing the old one. Raises SettingError if it is blank."""
        if not name.strip():
            raise SettingError("a rule needs a name, got an empty one")
        with self.catalog.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO rules VALUES (?, ?, ?, ?, ?)",
                [name.strip(), json.dumps(rule.to_dict()), rule.rule_hash, run_id, utc_now()],
            )

    def rules(self) -> list[Row]:
        rows = self.catalog.rows("SELECT * FROM rules ORDER BY saved_utc DESC")
        return [{**row, "rule": Rule.from_dict(json.loads(row["rule"]))} for row in rows]

    def save_sightings(
        self, run_id: str, rule: Rule, sightings: Iterable[Sighting], rule_name: str | None = None
    ) -> int:
        """Keep the sightings of a rule in a run, replacing earlier ones of the same rule."""
        run = self.run(run_id)
        rows = [asdict(sighting) for sighting in sightings]
        with self.catalog.transaction() as db:
            db.execute(
                "DELETE FROM sightings WHERE run_id = ? AND rule_hash = ?", [run_id, rule.rule_hash]
            )
            for row in rows:
                values = {
                    "sighting_id": uuid.uuid4().hex[:16],
                    "run_id": run_id,
                    "media_id": run["media_id"],
                    "rule_hash": rule.rule_hash,
                    "rule": json.dumps(rule.to_dict()),
                    "rule_name": rule_name,
                    "saved_utc": utc_now(),
                    **row,
                }
                placeholders = ", ".join("?" for _ in values)
                db.execute(
                    f"INSERT INTO sightings ({', '.join(values)}) VALUES ({placeholders})",
                    list(values.values()),
                )
        return len(rows)

    def sightings(self, run_id: str | None = None) -> list[Row]:
        """Stored sightings with their clip's path and site, in order of time."""
        return self.catalog.rows(
            """SELECT s.*, m.path, m.relative_path, m.site, m.start_utc, m.utc_offset_s,
            m.clock_correction_s, r.recipe_hash, r.protocol_hash
            FROM sightings s LEFT JOIN media m USING (media_id) LEFT JOIN runs r USING (run_id)
            WHERE ? IS NULL OR s.run_id = ? ORDER BY m.path, s.onset_us, s.label""",
            [run_id, run_id],
        )


def new_run_id() -> str:
    """A new id of a run: unique, and sorting by time."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-") + uuid.uuid4().hex[:6]


def _put_media(db: Any, media: Media, relative_path: str | None, registrar: Registrar) -> None:
    db.execute(
        """INSERT INTO media (media_id, path, relative_path, size_bytes, facts, added_utc,
        registered_by) VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (media_id) DO UPDATE SET path = excluded.path, facts = excluded.facts,
        relative_path = coalesce(excluded.relative_path, media.relative_path),
        registered_by = CASE WHEN excluded.registered_by = 'user' OR media.path <> excluded.path
        THEN excluded.registered_by ELSE media.registered_by END""",
        [
            media.media_id,
            media.path,
            relative_path,
            media.size_bytes,
            json.dumps(media.to_dict()),
            utc_now(),
            registrar,
        ],
    )
