"""Runs in the catalog: what changes them. How they are found is in `lab.store.run_queries`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lab.annotation import utc_now
from lab.score_log.recipe import environment, protocol_hash, recipe_hash
from lab.store.catalog import rows
from lab.store.media import Registrar, put_media
from lab.store.query import insert_columns, with_rows
from lab.store.run_queries import RunQueries
from lab.video.media import Media

if TYPE_CHECKING:
    import duckdb

_OF_MEDIA = ("sightings", "annotations", "coverage", "verdicts", "sighting_marks")


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


@dataclass(frozen=True)
class EndedRun:
    """How a run ended. elapsed_s adds to what earlier, interrupted parts took."""

    run_id: str
    state: str
    error: str | None
    effort: Mapping[str, Any]
    elapsed_s: float


class RunRows(RunQueries):
    """The part of a store that keeps runs. registrar: who names the files of their clips."""

    registrar: Registrar

    def create_run(
        self, run_id: str, recipe: Mapping[str, Any], threshold: float, **recorded: Any
    ) -> None:
        """A row for one run; see `create_runs`."""
        self.create_runs([NewRun(run_id, recipe, threshold, recorded)])

    def create_runs(
        self,
        runs: Sequence[NewRun],
        *,
        media: Sequence[Media] = (),
        relative_paths: Mapping[str, str | None] | None = None,
        resumed: Sequence[str] = (),
        ended: Sequence[EndedRun] = (),
    ) -> None:
        """Rows for runs that are about to begin: all of them, or none.

        media: of the runs; its facts are kept with them. relative_paths: of media, by media_id.
        resumed: ids of runs that are resumed in the same pass. ended: outcomes of earlier runs,
        kept in the same transaction.
        """
        with self.catalog.transaction() as db:
            _finish(db, ended)
            put_media(db, media, relative_paths or {}, self.registrar)
            insert_columns(db, "runs", _columns(runs))
            for run_id in resumed:
                db.execute(
                    "UPDATE runs SET state = 'running', error = NULL, log_removed_utc = NULL "
                    "WHERE run_id = ?",
                    [run_id],
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
                "UPDATE runs SET recipe = ?, recipe_hash = ?, protocol_hash = ?, labels = ? "
                "WHERE run_id = ?",
                [
                    json.dumps(recipe),
                    recipe_hash(recipe),
                    protocol_hash(recipe),
                    json.dumps(recipe["labels"]),
                    run_id,
                ],
            )

    def settle_media(self, arriving_id: str, media: Media) -> dict[str, dict[str, Any]]:
        """A clip has arrived: what was kept under the id that it had until then is the clip's.

        Returns the recipes of its runs as they now are, by run_id. Doing it again changes nothing.
        """
        with self.catalog.transaction() as db:
            found = rows(db, "SELECT run_id, recipe FROM runs WHERE media_id = ?", [arriving_id])
            recipes = {
                row["run_id"]: {**json.loads(row["recipe"]), "media_id": media.media_id}
                for row in found
            }
            put_media(db, [media], {}, self.registrar)
            for run_id, recipe in recipes.items():
                db.execute(
                    "UPDATE runs SET media_id = ?, recipe = ?, recipe_hash = ? WHERE run_id = ?",
                    [media.media_id, json.dumps(recipe), recipe_hash(recipe), run_id],
                )
            for table in _OF_MEDIA:
                db.execute(
                    f"UPDATE {table} SET media_id = ? WHERE media_id = ?",
                    [media.media_id, arriving_id],
                )
            db.execute("DELETE FROM media WHERE media_id = ?", [arriving_id])
        return recipes

    def set_run_state(self, run_id: str, state: str, error: str | None = None) -> None:
        with self.catalog.transaction() as db:
            db.execute(
                "UPDATE runs SET state = ?, error = ? WHERE run_id = ?", [state, error, run_id]
            )

    def delete_runs(self, run_ids: Iterable[str]) -> None:
        """Delete the rows of runs that never began; their logs stay as they are."""
        with self.catalog.transaction() as db:
            db.execute(
                "DELETE FROM runs WHERE run_id IN (SELECT unnest(?::VARCHAR[]))", [list(run_ids)]
            )

    def finish_run(
        self,
        run_id: str,
        state: str,
        *,
        error: str | None,
        effort: Mapping[str, Any],
        elapsed_s: float,
    ) -> None:
        """The outcome of one run; see `EndedRun`."""
        self.finish_runs([EndedRun(run_id, state, error, effort, elapsed_s)])

    def finish_runs(self, ended: Sequence[EndedRun]) -> None:
        """The outcomes of runs, in one transaction."""
        if ended:
            with self.catalog.transaction() as db:
                _finish(db, ended)


def _finish(db: duckdb.DuckDBPyConnection, ended: Sequence[EndedRun]) -> None:
    with_rows(
        db,
        {
            "run_id": [one.run_id for one in ended],
            "state": [one.state for one in ended],
            "error": [one.error for one in ended],
            "effort": [json.dumps(one.effort) for one in ended],
            "finished_utc": [utc_now()] * len(ended),
            "elapsed_s": [one.elapsed_s for one in ended],
        },
        """UPDATE runs SET state = given.state, error = given.error, effort = given.effort,
        finished_utc = given.finished_utc, elapsed_s = runs.elapsed_s + given.elapsed_s
        FROM given WHERE runs.run_id = given.run_id""",
    )


def _columns(runs: Sequence[NewRun]) -> dict[str, list[Any]]:
    """What the table keeps of new runs, by column."""
    now, here = utc_now(), environment() if runs else {}
    return {
        "run_id": [run.run_id for run in runs],
        "media_id": [run.recipe["media_id"] for run in runs],
        "recipe": [json.dumps(run.recipe) for run in runs],
        "recipe_hash": [recipe_hash(run.recipe) for run in runs],
        "protocol_hash": [protocol_hash(run.recipe) for run in runs],
        "environment": [json.dumps({**here, **run.recorded}) for run in runs],
        "default_threshold": [float(run.threshold) for run in runs],
        "state": ["running"] * len(runs),
        "created_utc": [now] * len(runs),
        "detector": [run.recipe["detector"] for run in runs],
        "labels": [json.dumps(list(run.recipe["labels"])) for run in runs],
        "pass_id": [run.recorded.get("pass_id") for run in runs],
    }


def new_run_id() -> str:
    """A new id of a run: unique, and sorting by time."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-") + uuid.uuid4().hex[:6]
