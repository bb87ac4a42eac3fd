"""The sinks that a job document names, and the rows that they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from lab.errors import LabError
from lab.jobs.document.schema import error_context
from lab.registry import in_words
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.sighting import Sighting
from lab.sinks.files import COLUMNS
from lab.sinks.registered import sinks
from lab.sinks.sink import Sink
from lab.store.tables import sighting_rows

Row = dict[str, Any]


def rows_of(
    run: Run, analysis: str, rule: Rule, rule_name: str | None, found: Sequence[Sighting]
) -> list[Row]:
    """The sightings of a run as `lab export sightings` shows them, with their `analysis`."""
    facts = {
        **{
            name: run.media[name]
            for name in ("media_id", "path", "site", "start_utc", "clock_correction_s")
        },
        "run_id": run.run_id,
        "recipe_hash": run.recipe_hash,
        "protocol_hash": run.protocol_hash,
        "rule_hash": rule.rule_hash,
        "rule_name": rule_name,
    }
    rows = sighting_rows(run.store, [{**facts, **asdict(sighting)} for sighting in found])
    return [{name: {**row, "analysis": analysis}.get(name) for name in COLUMNS} for row in rows]


class JobSinks:
    """The sinks of a job but the store, into which each run goes as it ends. A context manager.

    named: as the document has them. console: where a console sink writes.

    Raises SettingError that names the sink which cannot be made.
    """

    def __init__(self, named: Sequence[Mapping[str, Any]], console: TextIO) -> None:
        self._made: list[tuple[str, Sink]] = []
        self._stack = ExitStack()
        for i, one in enumerate(named):
            settings = dict(one)
            kind = settings.pop("type")
            if kind == "store":
                continue
            place = f"sinks[{i}].path" if "path" in one else f"sinks[{i}]"
            with error_context(place):
                if kind == "console":
                    settings["stream"] = console
                made = sinks.make(kind, Sink, **settings)  # type: ignore[type-abstract]
            self._made.append((place, made))

    def __enter__(self) -> JobSinks:
        for _, sink in self._made:
            self._stack.enter_context(sink)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def check(self, clips: Sequence[Path]) -> None:
        """Before anything is analysed. Raises SettingError for a sink that cannot take rows."""
        for place, sink in self._made:
            with error_context(place):
                sink.check(clips)

    def write(self, rows: Sequence[Row]) -> tuple[list[Path], list[str]]:
        """Give all rows to each, and end them; one that fails does not keep the others from theirs.

        Returns the files that were written, and what went wrong, a line a sink.
        """
        written, failures = [], []
        for place, sink in self._made:
            try:
                sink.write(rows)
                path = sink.finish()
            except Exception as error:
                # Whatever a third-party sink raises; the runs and the other sinks stand.
                failures.append(
                    f"{place}: {error if isinstance(error, LabError) else in_words(error)}"
                )
                continue
            if path is not None:
                written.append(path)
        return written, failures
