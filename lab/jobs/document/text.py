"""The text of a document, JSON or YAML, as plain values: bounded, and each key once."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, Literal

import yaml

from lab.errors import SettingError

Format = Literal["yaml", "json"]
MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 100_000


def read_text(path: str | Path) -> tuple[str, Format]:
    """The text of a file, and its format: JSON if its name ends so, else YAML.

    Raises SettingError if it cannot be read, is larger than 1 MiB, or is not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SettingError(f"the document {path} cannot be read: {why}") from None
    _check_size(len(raw))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingError(
            f"the document {path} is not UTF-8: {error.reason} at byte {error.start}"
        ) from None
    return text, "json" if Path(path).suffix.lower() == ".json" else "yaml"


def plain_values(text: str, format: Format = "yaml") -> dict[str, Any]:
    """What the text says, as JSON values.

    Raises SettingError for text that is neither, a key that is there twice, more than 32 levels,
    more than 100,000 values once every alias is written out, or a value that JSON does not have.
    """
    _check_size(len(text.encode("utf-8", "surrogatepass")))
    try:
        values = _of_json(text) if format == "json" else _of_yaml(text)
    except RecursionError:
        raise _too_deep() from None
    check_values(values)
    if not isinstance(values, dict):
        raise SettingError(f"the document must be a mapping, got a {type(values).__name__}")
    return values


def check_values(document: Any) -> None:
    """Raises SettingError for anything that is not a JSON value, or for more than 32 levels."""
    try:
        _check_values(document)
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> SettingError:
    return SettingError(f"the document has more than {MAX_DEPTH} levels")


def json_path(parts: Any) -> str:
    """A place in the document, such as `analyses[1].interval_s`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the document"


def _check_size(size_bytes: int) -> None:
    if size_bytes > MAX_BYTES:
        raise SettingError(
            f"the document has more than {MAX_BYTES >> 20} MiB; split it into several documents"
        )


def _of_json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise SettingError(f"the key {key!r} is there twice in one mapping")
            found[key] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except SettingError:
        raise
    except ValueError as error:
        raise SettingError(f"the document is not JSON: {error}") from None


def _of_yaml(text: str) -> Any:
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise SettingError("the document is empty")
            _values_of(node, {}, set(), 1)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        where = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise SettingError(
            f"the document is not YAML: {error.problem or error.context}{where}"
        ) from None
    except SettingError:
        raise
    except (
        yaml.YAMLError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        OverflowError,
    ) as error:
        # Beside its own errors PyYAML raises what its converters of tagged values raise.
        raise SettingError(
            f"the document is not YAML: {' '.join(str(error).split())[:200]}"
        ) from None


class _Loader(yaml.SafeLoader):
    """The safe loader, with a limit to its levels."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise RecursionError
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


# YAML 1.1 takes 1e-3, without a dot, for text; YAML 1.2 and JSON take it for a number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _values_of(node: yaml.Node, known: dict[int, int], within: set[int], depth: int) -> int:
    """How many values the node stands for, once aliases are written out; each key once.

    known: what was counted already, so that a bomb of aliases is counted, not walked.
    """
    if id(node) in within:
        raise SettingError("the document contains itself by an alias")
    if depth > MAX_DEPTH:
        raise RecursionError
    if id(node) in known:
        return known[id(node)]
    count = 1
    within.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise SettingError(f"line {key.start_mark.line + 1}: a key must be text")
            if (key.tag, key.value) in keys:
                raise SettingError(
                    f"line {key.start_mark.line + 1}: the key {key.value!r} is there twice"
                )
            keys.add((key.tag, key.value))
            count += _values_of(value, known, within, depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        count += sum(_values_of(item, known, within, depth + 1) for item in node.value)
    within.discard(id(node))
    if count > MAX_VALUES:
        raise SettingError(
            f"the document has more than {MAX_VALUES} values, its aliases written out"
        )
    known[id(node)] = count
    return count


def _check_values(value: Any, place: tuple[Any, ...] = ()) -> None:
    if len(place) > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise SettingError(
                    f"{json_path(place)}: a key must be text, got {key!r}; put it in quotes"
                )
            _check_values(inner, (*place, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            _check_values(inner, (*place, i))
    elif isinstance(value, float) and not math.isfinite(value):
        raise SettingError(f"{json_path(place)}: expected a finite number, got {value}")
    elif value is not None and not isinstance(value, bool | int | float | str):
        raise SettingError(
            f"{json_path(place)}: expected text or a number, got a {type(value).__name__}; "
            "put it in quotes"
        )
