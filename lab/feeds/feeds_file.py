"""A feeds file: YAML or JSON with feeds and the sinks that they share, also one of detstream 0.3.

docs/guide/live.md lists its keys.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import SettingError, check_line
from lab.feeds.block import Block
from lab.feeds.dot_env import load_dot_env, with_dot_env
from lab.feeds.entry_control import control_settings
from lab.feeds.entry_detector import detector_of
from lab.feeds.entry_rule import every_s_of, feed_rule, gives_rule
from lab.feeds.entry_sinks import ALWAYS_ON, check_variables, named_sinks, shared_sink
from lab.feeds.entry_source import source_of
from lab.feeds.feed import Feed
from lab.feeds.variables import Variables
from lab.jobs.document.schema import error_context
from lab.jobs.document.text import check_values, json_path, plain_values, read_text

if TYPE_CHECKING:
    from lab.store.store import Store

FEED_KEYS = (
    "id", "name", "source", "detector", "every_s", "debounce", "rule", "sinks", "site", "start",
    "keep_hours", "keep_gb", "silent_s", "frozen_s", "control",
)  # fmt: skip
_ELSEWHERE = {
    "sample_interval_s": "use every_s, or debounce.sample_interval_s as in detstream",
    "interval_s": "use every_s",
    "fps": "use every_s, the seconds between two samples",
    "url": "it belongs in source",
    "path": "it belongs in source",
    "rules": "use rule",
    "labels": "it belongs in detector",
    "confidence_threshold": "it belongs in detector or debounce",
    "feed_id": "use id",
    "keep_s": "use keep_hours",
    "keep_bytes": "use keep_gb",
    **dict.fromkeys(
        ("enter_threshold", "exit_threshold", "enter_frames", "exit_frames", "enter_s", "exit_s",
         "cooldown_s", "cooldown_from", "merge_gap_s", "min_duration_s", "gap_policy"),
        "it belongs in debounce",
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FeedsFile:
    """What a feeds file says.

    sinks: those of feeds by name, the settings of each with its `type`; unused_sinks: those of
    none. notes: what has no effect, a line each.
    rows, sink_rows: as they are written, with `${VAR}`; what `write_feeds` takes.
    """

    feeds: list[Feed]
    sinks: dict[str, dict[str, Any]]
    path: Path
    unused_sinks: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    sink_rows: dict[str, Any] = field(default_factory=dict)


def read_feeds_file(
    path: str | Path, *, environ: Mapping[str, str] | None = None, store: Store | None = None
) -> FeedsFile:
    """The feeds in a file, YAML unless its name ends in `.json`.

    `${VAR}` is expanded, from the environment and from `.env` beside the file.
    environ: by default that of this process, which then takes what `.env` has and it has not: sinks
    look for their keys there. store: whose saved rules may be named.

    Raises SettingError in one line that says where, what was found and what was expected.
    """
    path = Path(path)
    folder = path.absolute().parent
    text, format = read_text(path)
    if environ is None:
        load_dot_env(folder)
        environ = os.environ
    with error_context(str(path)):
        document = plain_values(text, format)
        return feeds_in(document, folder, environ, store, path=path)


def feed_of(
    row: Mapping[str, Any],
    *,
    folder: Path,
    environ: Mapping[str, str],
    store: Store | None = None,
    place: tuple[str | int, ...] = (),
    notes: list[str] | None = None,
) -> Feed:
    """A feed from its row in a feeds file; see `read_feeds_file`.

    folder: what its paths are relative to, and where `.env` is.
    """
    variables = Variables(environ := with_dot_env(environ, folder))
    notes = [] if notes is None else notes
    block = Block(variables.expand(dict(row), place), place, variables)
    return _feed(block, folder, dict(environ), store, notes)


def feeds_in(
    document: Mapping[str, Any],
    folder: Path,
    environ: Mapping[str, str],
    store: Store | None = None,
    *,
    path: Path | None = None,
) -> FeedsFile:
    """What a document says; see `read_feeds_file`.

    folder: what its paths are relative to, and where `.env` is. path: of its file.
    """
    check_values(document)
    variables = Variables(environ := with_dot_env(environ, folder))
    whole = Block(variables.expand(dict(document)), (), variables)
    whole.check_keys(("feeds", "sinks"))
    rows = whole.values.get("feeds")
    if rows is None:
        raise SettingError("the key 'feeds' is missing, a list of feeds")
    if not isinstance(rows, list):
        raise whole.error("feeds", f"expected a list of feeds, got a {type(rows).__name__}")
    feeds: list[Feed] = []
    notes: list[str] = []
    places: dict[str, int] = {}
    for i, row in enumerate(rows):
        own: list[str] = []
        feed = _feed(Block(row, ("feeds", i), variables), folder, dict(environ), store, own)
        if (first := places.setdefault(feed.feed_id, i)) != i:
            raise SettingError(
                f"feeds[{i}].id: {feed.feed_id!r} is also the id of feeds[{first}]; "
                "each needs one of its own"
            )
        feeds.append(feed)
        notes += [f"feeds[{i}]: {note}" for note in own]
    shared = whole.block("sinks")
    used = dict.fromkeys(name for feed in feeds for name in feed.sinks)
    sinks = {
        name: shared_sink(shared, name, folder)
        for name in dict.fromkeys((*shared.values, *used))
        if name != ALWAYS_ON
    }
    for name in used:
        check_variables(shared, name)
    return FeedsFile(
        feeds=feeds,
        sinks={name: sinks[name] for name in used},
        unused_sinks={name: one for name, one in sinks.items() if name not in used},
        path=folder if path is None else path,
        notes=notes,
        rows=[dict(row) for row in document["feeds"]],
        sink_rows=dict(document.get("sinks") or {}),
    )


def _feed(
    block: Block, folder: Path, environ: dict[str, str], store: Store | None, notes: list[str]
) -> Feed:
    block.check_keys(FEED_KEYS, _ELSEWHERE)
    feed_id = str(block.text("id", is_required=True))
    for key in ("source", "detector"):
        if key not in block:
            raise block.error(None, f"the key {key!r} is missing")
    detector, settings, threshold = detector_of(block.block("detector"), folder, environ)
    debounce = block.block("debounce")
    every_s = every_s_of(block, debounce, notes)
    rule, rule_name = feed_rule(block, debounce, threshold, folder, store)
    source = source_of(block.block("source"), folder, notes)
    numbers = _numbers(block)
    sinks, site = named_sinks(block), (block.text("site") or "").strip() or None
    control = control_settings(block, folder)
    floor = settings.get("score_floor")
    with error_context(json_path(block.place)):
        check_line("site", site)
        if isinstance(floor, int | float):
            rule.check_floor(floor)
        return Feed(
            feed_id=feed_id,
            name=block.text("name") or "",
            source=source,
            detector=detector,
            detector_settings=settings,
            every_s=every_s,
            rule=rule,
            rule_is_given="rule" in block or gives_rule(debounce),
            rule_name=rule_name,
            sinks=sinks,
            site=site,
            control=control,
            **numbers,
        )


def _numbers(block: Block) -> dict[str, Any]:
    return {
        "silent_s": block.number("silent_s", Feed.silent_s, is_above=True),
        "frozen_s": block.number("frozen_s", Feed.frozen_s),
        "keep_s": block.number("keep_hours", Feed.keep_s / 3600) * 3600,
        "keep_bytes": int(block.number("keep_gb", Feed.keep_bytes / 2**30) * 2**30),
        "is_started": block.flag("start", True),
    }
