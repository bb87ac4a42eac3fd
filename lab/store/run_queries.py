"""Finding runs in the catalog."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, cast

from lab.errors import SettingError
from lab.score_log.writer import is_locked
from lab.store import condition_values as values_of
from lab.store.catalog import Catalog, rows
from lab.store.media import select_media
from lab.store.query import Wanted, Where, check_conditions, count, nearest, order_of, page_of

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]

# Runs with the state that they have in truth; its value is the ids that are interrupted.
_SEEN = """WITH seen AS (SELECT * REPLACE (CASE WHEN state = 'running' AND list_contains(
    ?::VARCHAR[], run_id) THEN 'interrupted' ELSE state END AS state) FROM runs) """
_ORDERS = {
    "newest": "r.created_utc DESC, r.run_id DESC",
    "oldest": "r.created_utc, r.run_id",
    "clip": "m.name, r.created_utc DESC, r.run_id DESC",
    "detector": "r.detector, r.created_utc DESC, r.run_id DESC",
    "state": "r.state, r.created_utc DESC, r.run_id DESC",
}


class RunFilter(TypedDict, total=False):
    """Which runs: each condition that is given must hold.

    run_id, media_id, protocol_hash, recipe_hash, state, detector, pass_id: one, or any of several.
    label: one that the run looked for. text: words that its id, its clip's path or site, its
    detector or its labels must contain.
    phrases: only runs with other than one label, or to which prompts can be added.
    newest_of_clip: only the newest run of each clip among those that fulfil the rest.
    has_log: only runs whose score log was not removed to make room, or only those.
    of_feed: only runs of feeds, which end when they are stopped, or only the others.
    """

    run_id: Wanted
    media_id: Wanted
    protocol_hash: Wanted
    recipe_hash: Wanted
    state: Wanted
    detector: Wanted
    pass_id: Wanted
    label: str | None
    text: str | None
    phrases: bool
    newest_of_clip: bool
    has_log: bool | None
    of_feed: bool | None


def checked_runs(wanted: RunFilter) -> RunFilter:
    """The conditions that are given. Raises SettingError for one that there is none of, and for a
    value that is not valid.
    """
    check_conditions(wanted, RunFilter)
    return cast(RunFilter, {n: _VALUES[n](n, v) for n, v in wanted.items() if v is not None})


_VALUES: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(RunFilter.__annotations__, values_of.names),
    **dict.fromkeys(("label", "text"), values_of.text),
    **dict.fromkeys(("phrases", "newest_of_clip", "has_log", "of_feed"), values_of.yes_or_no),
}


class RunQueries:
    """How the runs of a store are found. A run in state `running` whose log nobody is writing
    is `interrupted`, in rows, conditions and counts.
    """

    catalog: Catalog

    def log_folder(self, run_id: str) -> Path:
        raise NotImplementedError

    def runs(
        self,
        *,
        order: str = "newest",
        limit: int | None = None,
        offset: int = 0,
        **wanted: Unpack[RunFilter],
    ) -> list[Row]:
        """Runs with recipe, environment and effort. order: `newest`, `oldest`, `clip`, `detector`
        or `state`.
        """
        with self.catalog.reading() as db:
            return self._select(db, wanted, order_of(_ORDERS, order) + page_of(limit, offset))

    def count_runs(self, **wanted: Unpack[RunFilter]) -> int:
        with self.catalog.reading() as db:
            where = self._where(db, wanted)
            inside = f"SELECT r.run_id FROM {_FROM}{where.sql}{_newest(wanted)}"
            return count(db, f"{_SEEN}SELECT count(*) FROM ({inside})", where.values)

    def run(self, run_id: str) -> Row:
        """A run by its id or the beginning of it. Raises SettingError if there is not just one."""
        return self.runs_named([run_id])[0]

    def runs_named(self, run_ids: Sequence[str]) -> list[Row]:
        """Runs by id or the beginning of one, in this order, with one read of the catalog.

        Raises SettingError for one that is not the beginning of just one id.
        """
        with self.catalog.reading() as db:
            return self._named(db, run_ids)

    def runs_with_media(self, run_ids: Sequence[str]) -> list[tuple[Row, Row]]:
        """The same, each with its clip, in one transaction."""
        with self.catalog.reading() as db:
            found = self._named(db, run_ids)
            wanted = sorted({row["media_id"] for row in found})
            media = {row["media_id"]: row for row in select_media(db, {"media_id": wanted})}
        for row in found:
            if row["media_id"] not in media:
                raise SettingError(
                    f"no media {row['media_id']!r} in {self.catalog.folder}; add the clip again"
                )
        return [(row, media[row["media_id"]]) for row in found]

    def protocols(self, **wanted: Unpack[RunFilter]) -> list[Row]:
        """Runs that differ only in their clip, as one row; those with the newest run first.

        Rows: protocol_hash, detector, recipe (of its newest run), default_threshold, runs, clips,
        done (runs that are), analysed_s, newest_utc.
        """
        with self.catalog.reading() as db:
            where = self._where(db, wanted)
            found = rows(
                db,
                f"""{_SEEN}, chosen AS (SELECT r.* FROM {_FROM}{where.sql}{_newest(wanted)})
                SELECT protocol_hash, any_value(detector) AS detector,
                arg_max(recipe, created_utc) AS recipe,
                arg_max(default_threshold, created_utc) AS default_threshold,
                count(*) AS runs, count(DISTINCT media_id) AS clips,
                count(*) FILTER (state = 'done') AS done,
                coalesce(sum((effort->>'analysed_s')::DOUBLE), 0.0) AS analysed_s,
                max(created_utc) AS newest_utc
                FROM chosen GROUP BY protocol_hash ORDER BY newest_utc DESC, protocol_hash""",
                where.values,
            )
        return [{**row, "recipe": json.loads(row["recipe"])} for row in found]

    def run_index(self, **wanted: Unpack[RunFilter]) -> list[Row]:
        """Runs without recipe and environment, for choosing among thousands: run_id, media_id,
        recipe_hash, state, name, site and path of the clip; by path.
        """
        with self.catalog.reading() as db:
            where = self._where(db, wanted)
            return rows(
                db,
                f"""{_SEEN}, chosen AS (SELECT r.* FROM {_FROM}{where.sql}{_newest(wanted)})
                SELECT c.run_id, c.media_id, c.recipe_hash, c.state, m.name, m.site, m.path
                FROM chosen c LEFT JOIN media m USING (media_id) ORDER BY m.path, c.run_id""",
                where.values,
            )

    def place_among_clips(self, run_id: str) -> Row | None:
        """Where a run stands among the clips of its protocol, by their paths; None if unknown.

        Row: position (from 1), clips, finished (clips with a run that is done), and
        previous_run_id and next_run_id: the newest run of the clip before and after it, or None.
        Failed runs do not count.
        """
        found = self.catalog.rows(_PLACE, [run_id] * 4)
        return found[0] if found else None

    def speeds_of_weights(self) -> dict[str, float]:
        """Samples a second of each weights' file, decoding included: the median of its runs."""
        found = self.catalog.rows(
            """SELECT recipe->>'weights' AS weights,
            median((effort->>'samples')::DOUBLE / elapsed_s) AS hz FROM runs
            WHERE state = 'done' AND elapsed_s > 0 AND recipe->>'weights' IS NOT NULL GROUP BY 1"""
        )
        return {row["weights"]: row["hz"] for row in found if row["hz"]}

    def places_of_imports(self) -> dict[str, str]:
        """sha256 of each file whose detections were imported, to the place of its videos."""
        found = self.catalog.rows(
            """SELECT environment->>'$.imported.sha256' AS sha256,
            arg_max(environment->>'$.imported.place', created_utc) AS place
            FROM runs WHERE json_exists(environment, '$.imported.sha256') GROUP BY 1"""
        )
        return {row["sha256"]: row["place"] for row in found}

    def clips_of_runs(self, *, limit: int | None = None, **wanted: Unpack[RunFilter]) -> list[Row]:
        """Clips of runs, those with most runs first and then by their newest.

        Rows: media_id, name (None for a clip that is not in the store), runs.
        """
        with self.catalog.reading() as db:
            where = self._where(db, wanted)
            return rows(
                db,
                f"""{_SEEN}SELECT r.media_id, any_value(m.name) AS name, count(*) AS runs
                FROM {_FROM}{where.sql} GROUP BY r.media_id
                ORDER BY runs DESC, max(r.created_utc) DESC, r.media_id{page_of(limit, 0)}""",
                where.values,
            )

    def run_counts_of_media(self, media_ids: Iterable[str]) -> dict[str, int]:
        """media_id to its number of runs, for those that have any."""
        where = Where()
        where.equal("media_id", list(media_ids))
        found = self.catalog.rows(
            f"SELECT media_id, count(*) AS runs FROM runs{where.sql} GROUP BY media_id",
            where.values,
        )
        return {row["media_id"]: row["runs"] for row in found}

    def finished_runs(self, recipe_hashes: Sequence[str]) -> dict[str, str]:
        """Of recipes, by hash: the id of the newest run that is done, for those that have one."""
        found = self.catalog.rows(
            """SELECT recipe_hash, arg_max(run_id, (created_utc, run_id)) AS run_id FROM runs
            WHERE state = 'done' AND recipe_hash IN (SELECT unnest(?::VARCHAR[]))
            GROUP BY recipe_hash""",
            [list(recipe_hashes)],
        )
        return {row["recipe_hash"]: row["run_id"] for row in found}

    def _named(self, db: duckdb.DuckDBPyConnection | None, run_ids: Sequence[str]) -> list[Row]:
        known = {row["run_id"]: row for row in self._select(db, {"run_id": list(run_ids)})}
        for name in dict.fromkeys(run_ids):
            if name not in known:
                full = self._complete(db, name)
                known[name] = self._select(db, {"run_id": full})[0]
        return [known[name] for name in run_ids]

    def _select(
        self, db: duckdb.DuckDBPyConnection | None, wanted: RunFilter, page: str = ""
    ) -> list[Row]:
        return self._chosen_runs(db, self._where(db, wanted), _newest(wanted) + page)

    def _chosen_runs(
        self, db: duckdb.DuckDBPyConnection | None, where: Where, end: str
    ) -> list[Row]:
        """end: the order, and how many."""
        sql = f"{_SEEN}SELECT r.* FROM {_FROM}{where.sql}{end}"
        return [_parsed(row) for row in rows(db, sql, where.values)]

    def _where(self, db: duckdb.DuckDBPyConnection | None, wanted: RunFilter) -> Where:
        wanted = checked_runs(wanted)
        where = Where(self._interrupted(db))
        where.equal("r.run_id", wanted.get("run_id"))
        where.equal("r.media_id", wanted.get("media_id"))
        where.equal("r.protocol_hash", wanted.get("protocol_hash"))
        where.equal("r.recipe_hash", wanted.get("recipe_hash"))
        where.equal("r.state", wanted.get("state"))
        where.equal("r.detector", wanted.get("detector"))
        where.equal("r.pass_id", wanted.get("pass_id"))
        has_log = wanted.get("has_log")
        if has_log is not None:
            where.add(f"r.log_removed_utc IS {'' if has_log else 'NOT '}NULL")
        of_feed = wanted.get("of_feed")
        if of_feed is not None:
            where.add(f"r.environment->>'feed' IS {'NOT ' if of_feed else ''}NULL")
        label = wanted.get("label")
        if label is not None:
            where.add("list_contains(from_json(r.labels, '[\"VARCHAR\"]'), ?)", label)
        if wanted.get("phrases"):
            where.add(
                "(json_array_length(r.labels) <> 1 OR r.recipe->>'prompt_mode' = 'independent')"
            )
        where.text(
            ["r.run_id", "r.detector", "r.labels", "coalesce(m.path, '')", "coalesce(m.site, '')"],
            wanted.get("text"),
        )
        return where

    def _interrupted(self, db: duckdb.DuckDBPyConnection | None) -> list[str]:
        # Only rows in state `running`, which are few, need a look at their log's lock.
        running = rows(db, "SELECT run_id FROM runs WHERE state = 'running'")
        return [r["run_id"] for r in running if not is_locked(self.log_folder(r["run_id"]))]

    def _complete(self, db: duckdb.DuckDBPyConnection | None, beginning: str) -> str:
        check_run_id(beginning)
        found = rows(
            db,
            "SELECT run_id FROM runs WHERE ? <> '' AND starts_with(run_id, ?) LIMIT 2",
            [beginning, beginning],
        )
        if len(found) != 1:
            what = "several runs begin with" if found else "no run"
            hint = nearest(db, "runs", "run_id", beginning)
            raise SettingError(f"{what} {beginning!r} in {self.catalog.folder}; {hint}")
        return str(found[0]["run_id"])


def check_run_id(given: Any) -> None:
    """Raises SettingError for what is no text."""
    if not isinstance(given, str):
        raise SettingError(
            f"a run is named by its id or the beginning of it, got {given!r:.80}; runs() lists them"
        )


_PLACE = """WITH alike AS (
        SELECT r.run_id, r.media_id, r.state, r.created_utc, r.run_id = ? AS is_it, m.path
        FROM runs r LEFT JOIN media m USING (media_id)
        WHERE r.protocol_hash = (SELECT protocol_hash FROM runs WHERE run_id = ?)
        AND (r.state <> 'failed' OR r.run_id = ?)),
    clips AS (SELECT * FROM alike QUALIFY row_number() OVER (
        PARTITION BY media_id ORDER BY is_it DESC, created_utc DESC, run_id DESC) = 1),
    placed AS (
        SELECT run_id, row_number() OVER w AS position, count(*) OVER () AS clips,
        lag(run_id) OVER w AS previous_run_id, lead(run_id) OVER w AS next_run_id
        FROM clips WINDOW w AS (ORDER BY path, run_id))
    SELECT position, clips, previous_run_id, next_run_id,
    (SELECT count(DISTINCT media_id) FROM alike WHERE state = 'done') AS finished
    FROM placed WHERE run_id = ?"""
_FROM = "seen r LEFT JOIN media m USING (media_id)"


def _newest(wanted: RunFilter) -> str:
    if not wanted.get("newest_of_clip"):
        return ""
    return (
        " QUALIFY row_number() OVER (PARTITION BY r.media_id "
        "ORDER BY r.created_utc DESC, r.run_id DESC) = 1"
    )


def _parsed(row: Row) -> Row:
    row["recipe"] = json.loads(row["recipe"])
    row["environment"] = json.loads(row["environment"])
    row["effort"] = json.loads(row["effort"]) if row["effort"] else None
    row["labels"] = json.loads(row["labels"])
    return row
