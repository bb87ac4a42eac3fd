"""`RemoteStore`: what runs, rules and sightings need of a store, asked of the lab that has it."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from lab.annotation import Annotation, Coverage, Verdict
from lab.errors import NotFoundError, SettingError, StoreError, closest
from lab.remote_store.client import PAGE, Client, part
from lab.remote_store.no_catalog import NoCatalog
from lab.remote_store.rows import clip_row, current_rule, record_of, with_times
from lab.rules.rule import Rule
from lab.sighting import Sighting
from lab.store.current_rules import CurrentRule
from lab.store.query import Wanted, page_of
from lab.store.run_queries import RunFilter, check_run_id, checked_runs
from lab.store.sighting_filter import checked
from lab.store.sighting_query import chooses_none, to_query
from lab.store.sightings import SightingFilter
from lab.store.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
_ARROW = "application/vnd.apache.arrow.stream"
_ORDERS = ("newest", "oldest")
_RUN_FILTERS = (
    "run_id", "media_id", "protocol_hash", "recipe_hash", "state", "detector", "label", "text",
    "of_feed",
)  # fmt: skip
_BLOCK = 1 << 20


class RemoteStore(Store):
    """A store elsewhere. What it cannot do raises StoreError; logs are kept in a folder of its own
    until `close`, and asked for again only where they have changed.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._cache = tempfile.TemporaryDirectory(prefix="lab-remote-")
        self._tags: dict[str, str] = {}
        super().__init__(self._cache.name)
        self.catalog = NoCatalog(client.url, self.folder)

    def close(self) -> None:
        self.client.close()
        self._cache.cleanup()

    # Runs and clips

    def runs(
        self,
        *,
        order: str = "newest",
        limit: int | None = None,
        offset: int = 0,
        **wanted: Unpack[RunFilter],
    ) -> list[Row]:
        if order not in _ORDERS:
            raise SettingError(f"no order {order!r:.80} over the API; {closest('', [*_ORDERS])}")
        if unknown := set(wanted) - set(_RUN_FILTERS):
            raise SettingError(
                f"runs of a lab elsewhere are not listed by {', '.join(sorted(unknown))}; give any "
                f"of {', '.join(_RUN_FILTERS)}"
            )
        wanted = checked_runs(wanted)
        page_of(limit, offset)
        if chooses_none(wanted):
            return []
        end = None if limit is None else offset + limit
        few = {} if not end else {"limit": min(end, PAGE)}
        found = self.client.pages("/runs", {**wanted, "order": order, **few})
        return [with_times(row) for row in islice(found, offset, end)]

    def runs_named(self, run_ids: Sequence[str]) -> list[Row]:
        return [self._run_named(name) for name in run_ids]

    def runs_with_media(self, run_ids: Sequence[str]) -> list[tuple[Row, Row]]:
        found = self.runs_named(run_ids)
        media = {one: self.media(one) for one in dict.fromkeys(row["media_id"] for row in found)}
        return [(row, media[row["media_id"]]) for row in found]

    def _run_named(self, name: str) -> Row:
        check_run_id(name)
        try:
            return with_times(self.client.get(f"/runs/{part(name)}"))
        except NotFoundError:
            known = self.client.pages("/runs", {"text": name})
            found = [row for row in known if name and row["run_id"].startswith(name)]
        if len(found) != 1:
            what = "several runs begin with" if found else "no run"
            raise SettingError(f"{what} {name!r} in {self.client.url}")
        return with_times(found[0])

    def media(self, media_id: str) -> Row:
        return clip_row(self.client.get(f"/media/{part(media_id)}"))

    def log_folder(self, run_id: str) -> Path:
        """A copy of the log as it is now."""
        folder = super().log_folder(run_id)
        known = self._tags.get(run_id)
        headers = {"If-None-Match": known} if known else {}
        with self.client.stream(f"/runs/{part(run_id)}/log.tar", headers=headers) as answer:
            if answer.status_code != 304:
                self._take(folder, answer.iter_content(_BLOCK))
                self._tags[run_id] = answer.headers.get("ETag", "")
        return folder

    def _take(self, folder: Path, content: Iterable[bytes]) -> None:
        """In the place of an older copy, once it is whole."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                for block in content:
                    file.write(block)
                file.seek(0)
                try:
                    with tarfile.open(fileobj=file) as archive:
                        archive.extractall(Path(place) / "log", filter="data")
                except tarfile.TarError as error:
                    raise StoreError(f"the log did not come whole: {error}; try again") from None
            shutil.rmtree(folder, ignore_errors=True)
            (Path(place) / "log").rename(folder)

    # Sightings and rules

    def sighting_batches(self, **wanted: Unpack[SightingFilter]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        wanted = checked(wanted)
        if chooses_none(wanted):
            return
        with self.client.stream("/sightings", to_query(wanted), {"Accept": _ARROW}) as answer:
            answer.raw.decode_content = True
            try:
                with pa.ipc.open_stream(answer.raw) as batches:
                    yield from batches
            except (pa.ArrowException, OSError) as error:
                raise StoreError(f"the sightings did not come whole: {error}; try again") from None

    def sighting_counts(
        self,
        by: str = "run_id",
        *,
        containing: str = "",
        limit: int | None = None,
        **wanted: Unpack[SightingFilter],
    ) -> dict[str, int]:
        """By `label`, those of the current rules."""
        if by != "label" or wanted != {"current": True}:
            raise SettingError(
                f"sightings of {self.client.url} are counted by their labels alone, those of the "
                "current rules: give by='label', current=True"
            )
        page_of(limit, 0)
        found = self.client.pages("/labels", {"text": containing or None})
        return {row["label"]: row["sightings"] for row in islice(found, limit)}

    def save_sightings(
        self, run_id: str, rule: Rule, sightings: Iterable[Sighting], rule_name: str | None = None
    ) -> int:
        """They are found there once more. Raises StoreError if these are others."""
        given = {(one.label, one.onset_us, one.offset_us) for one in sightings}
        body = {"rule": rule.to_dict(), "name": rule_name}
        place = f"/runs/{part(run_id)}/sightings"
        there = self.client.ask("POST", place, body=body)["items"]
        if given != {(x["label"], _us(x["onset_s"]), _us(x["offset_s"])) for x in there}:
            raise StoreError("the lab there finds other sightings; read the run again (refresh)")
        kept = self.client.ask("POST", place, query={"store": "true"}, body=body)
        return len(kept["items"])

    def rules(self) -> list[Row]:
        found = self.client.get("/rules")["items"]
        return [with_times({**row, "rule": Rule.from_dict(row["rule"])}) for row in found]

    def save_rule(self, name: str, rule: Rule, run_id: str | None = None) -> None:
        if not name.strip():
            raise SettingError("a rule needs a name, got an empty one")
        if any(c in "/\\" or not c.isprintable() for c in name) or name.strip() in (".", ".."):
            raise SettingError(f"a rule of a lab elsewhere has a name without /, got {name!r:.80}")
        body = {"rule": rule.to_dict(), "run_id": run_id}
        self.client.ask("PUT", f"/rules/{part(name.strip())}", body=body)

    def current_rules(self, protocol_hash: Wanted = None) -> dict[str, CurrentRule]:
        if chooses_none({"protocol_hash": protocol_hash}):
            return {}
        found = self.client.get("/current_rules", {"protocol_hash": protocol_hash})["items"]
        return {row["protocol_hash"]: current_rule(row) for row in found}

    def undo_current_rule(self, protocol_hash: str) -> CurrentRule | None:
        found = self.client.ask("DELETE", f"/current_rules/{part(protocol_hash)}")["items"]
        return current_rule(found[0]) if found else None

    # What people marked

    def all_records(
        self, media_id: Wanted = None
    ) -> tuple[list[Annotation], list[Coverage], list[Verdict]]:
        found: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        if chooses_none({"media_id": media_id}):
            return found
        for row in self.client.pages("/annotations", {"media_id": media_id}):
            record = record_of(row)
            found[(Annotation, Coverage, Verdict).index(type(record))].append(record)
        return found

    def annotations(self, media_id: str | None = None) -> list[Annotation]:
        return self.all_records(media_id)[0]

    def coverage(self, media_id: str | None = None) -> list[Coverage]:
        return self.all_records(media_id)[1]

    def verdicts(self, media_id: str | None = None) -> list[Verdict]:
        return self.all_records(media_id)[2]


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
