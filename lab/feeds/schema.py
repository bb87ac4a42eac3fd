"""The JSON Schema of feeds files, for editors; reading one says more precisely what is wrong."""

from __future__ import annotations

from typing import Any

from lab.detectors.registered import detectors
from lab.feeds.entry_control import CONTROL_KEYS
from lab.feeds.entry_detector import OF_DETSTREAM
from lab.feeds.entry_rule import RATES
from lab.feeds.entry_sinks import ALWAYS_ON, sink_settings
from lab.feeds.entry_source import source_settings
from lab.feeds.feed import FEED_ID
from lab.feeds.feeds_file import FEED_KEYS
from lab.jobs.document.schema import schema as job_schema
from lab.sinks.registered import sinks
from lab.video.live.make import live_kinds

_VARIABLE = {"type": "string", "pattern": r"\$\{\w+\}"}
_NUMBER = {"anyOf": [{"type": "number", "minimum": 0}, _VARIABLE]}
_TEXT = {"type": ["string", "number"]}


def feeds_schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12) of a feeds file, also of one of detstream 0.3.

    Sources, sinks and settings of rules are put in from where they are declared.
    """
    definitions = job_schema()["$defs"]
    debounce = definitions["debounce"]
    debounce["properties"] |= dict.fromkeys(RATES, _NUMBER)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Feeds of Sighting Lab",
        "type": "object",
        "required": ["feeds"],
        "additionalProperties": False,
        "properties": {
            "feeds": {"type": "array", "items": _feed()},
            "sinks": {
                "type": ["object", "null"],
                "properties": {kind: _sink(kind) for kind in sinks.names()},
                "additionalProperties": {"type": "object", "required": ["type"]},
            },
        },
        "$defs": definitions,
    }


def _feed() -> dict[str, Any]:
    of_a_kind: dict[str, Any] = {
        "id": {"type": ["string", "integer"], "pattern": f"^{FEED_ID.pattern}$"},
        "source": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"anyOf": [{"enum": live_kinds()}, {"type": "string"}]}},
            "allOf": [_source(kind) for kind in live_kinds() if kind != "file"],
        },
        "detector": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"enum": sorted({*detectors.names(), *OF_DETSTREAM})}},
        },
        "debounce": {"anyOf": [{"$ref": "#/$defs/debounce"}, {"type": "null"}]},
        "rule": {"anyOf": [{"$ref": "#/$defs/rule"}, {"type": "string"}]},
        "sinks": {"type": ["array", "null"], "items": {"type": "string"}, "uniqueItems": True},
        "start": {"anyOf": [{"type": "boolean"}, _VARIABLE]},
        "control": {
            "type": ["object", "null"],
            "required": ["clip", "labels"],
            "additionalProperties": False,
            "properties": dict.fromkeys(CONTROL_KEYS, _TEXT),
        },
        **dict.fromkeys(("name", "site"), _TEXT),
    }
    return {
        "type": "object",
        "required": ["id", "source", "detector"],
        "additionalProperties": False,
        "properties": {key: of_a_kind.get(key, _NUMBER) for key in FEED_KEYS},
    }


def _source(kind: str) -> dict[str, Any]:
    """What a source of that type takes; `interval_s`, `loop` and `max_height` are detstream's."""
    takes = source_settings(kind)
    if takes is None:
        return {}
    known = dict.fromkeys(("type", "interval_s", "loop", "max_height", *takes), True)
    return {
        "if": {"properties": {"type": {"const": kind}}},
        "then": {
            "properties": known,
            "required": [key for key, is_required in takes.items() if is_required],
            "additionalProperties": False,
        },
    }


def _sink(kind: str) -> dict[str, Any]:
    takes = sink_settings(kind)
    found: dict[str, Any] = {"type": ["object", "null"]}
    if takes is not None and kind != ALWAYS_ON:
        found["properties"] = dict.fromkeys(("type", *takes), True)
    return found
