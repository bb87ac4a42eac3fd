"""The JSON Schema of job documents, and what it finds wrong in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

from lab.errors import LabError, SettingError, closest
from lab.jobs.document.text import place_of
from lab.rules.box_filter import BoxFilter
from lab.rules.debounce import Debounce
from lab.rules.parameters import parameters_of
from lab.sinks.registered import sinks

_KINDS = {
    "object": "a mapping", "array": "a list", "string": "text", "number": "a number",
    "integer": "a whole number", "boolean": "true or false", "null": "null",
}  # fmt: skip
_BOUNDS = {
    "minimum": "a number of {} or more", "maximum": "a number of {} or less",
    "exclusiveMinimum": "a number above {}", "minItems": "{} or more items",
    "maxItems": "{} items or fewer", "minLength": "text of {} or more characters",
    "maxLength": "text of {} characters or fewer",
}  # fmt: skip


def schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12) of a job document.

    The settings of rules are put in from where they are declared, and the types of sinks from
    their registry.
    """
    found: dict[str, Any] = json.loads(
        files("lab.jobs.document").joinpath("job.schema.json").read_text("utf-8")
    )
    for name, cls in (("debounce", Debounce), ("box_filter", BoxFilter)):
        properties = found["$defs"][name]["properties"]
        properties |= {n: p.json_schema() for n, p in parameters_of(cls).items()}
    found["$defs"]["sink"]["properties"]["type"]["enum"] = ["store", *sinks.names()]
    return found


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema())


def check_schema(document: Mapping[str, Any]) -> None:
    """Raises SettingError that says in one line where, what was found and what was expected."""
    from jsonschema.exceptions import best_match

    errors = list(_validator().iter_errors(document))
    if not errors:
        return
    of_version = [e for e in errors if list(e.absolute_path) == ["version"]]
    error = of_version[0] if of_version else best_match(errors)
    raise SettingError(f"{place_of(error.absolute_path)}: {_words(error)}")


def _words(error: Any) -> str:
    kind, wanted, got = error.validator, error.validator_value, error.instance
    if kind == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(key for key in got if key not in known)
        return f"unknown key {unknown!r}; {closest(unknown, known)}"
    if kind == "required":
        missing = next(key for key in wanted if key not in got)
        return f"the key {missing!r} is missing"
    if kind == "oneOf" and list(error.absolute_path) == ["source"]:
        return "expected one of path and paths, got " + ("both" if "path" in got else "neither")
    if list(error.absolute_path) == ["source", "type"]:
        return f"only sources of type 'file' exist so far, got {shown(got)}"
    if kind == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        return f"expected {' or '.join(_KINDS[k] for k in kinds)}, got {shown(got)}"
    if kind == "enum":
        names = [str(name) for name in wanted if name is not None]
        near = f"; {closest(got, names)}" if isinstance(got, str) and len(names) > 1 else ""
        return f"expected {' or '.join(map(shown, wanted))}, got {shown(got)}{near}"
    if kind == "const":
        return f"expected {shown(wanted)}, got {shown(got)}"
    if kind in _BOUNDS:
        return f"expected {_BOUNDS[kind].format(wanted)}, got {shown(got)}"
    if kind == "pattern":
        return f"expected text that is not blank, got {shown(got)}"
    return str(error.message)[:200]


def shown(value: Any) -> str:
    """A value in an error, short, as JSON."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


@contextmanager
def at(place: str) -> Iterator[None]:
    """Say in an error where in the document its cause is."""
    try:
        yield
    except LabError as error:
        raise type(error)(f"{place}: {error}") from None
