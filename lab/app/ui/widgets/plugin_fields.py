"""Fields for the settings of a source or a sink, made from what its class takes."""

from __future__ import annotations

import inspect
import types
import typing
from collections import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from lab.detectors.plugins.secrets import is_secret
from lab.feeds.kept_secrets import SECRET_ADDRESSES
from lab.formats.markdown import plain

Kind = Literal["switch", "whole", "number", "choice", "text", "lines", "pairs"]
Settings = dict[str, Any]

_NOT_SETTINGS = ("self", "stream", "state_folder")
_UNITS = ("s", "px", "bytes", "hours")
_TITLES = {
    "max_height": "Largest height, px",
    "webhook_url": "Address of the webhook",
    "watch_urls": "Where each feed can be watched",
    "key": "Key",
}
_WORDS = {
    "url": "address",
    "urls": "addresses",
    "dir": "folder",
    "fps": "frames a second",
    "rtsp": "RTSP",
    "jpg": "JPEG",
}
_KINDS: dict[Any, Kind] = {bool: "switch", float: "number", int: "whole", str: "text", Path: "text"}


@dataclass(frozen=True)
class Field:
    """A setting of a plugin. default: None where it has none. choices: of a choice."""

    name: str
    kind: Kind
    default: Any
    is_required: bool
    choices: tuple[Any, ...] = ()

    @property
    def title(self) -> str:
        """Its name as a page says it, with its unit behind a comma."""
        if self.name in _TITLES:
            return _TITLES[self.name]
        *words, last = self.name.split("_")
        unit = last if words and last in _UNITS else ""
        text = " ".join(_WORDS.get(word, word) for word in (words if unit else [*words, last]))
        return text[:1].upper() + text[1:] + (f", {unit}" if unit else "")

    @property
    def is_hidden(self) -> bool:
        return is_secret(self.name) or self.name in SECRET_ADDRESSES


@cache
def fields_of(factory: Callable[..., Any]) -> tuple[Field, ...]:
    """What a class takes that a form can give."""
    try:
        hints = typing.get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    except Exception:
        # A plugin's own annotations may name what is not there; its defaults say enough.
        hints = {}
    found = []
    for name, parameter in inspect.signature(factory).parameters.items():
        is_named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if not is_named or name in _NOT_SETTINGS:
            continue
        is_required = parameter.default is parameter.empty
        default = None if is_required else parameter.default
        kind, choices = _kind(hints.get(name, type(default)))
        if kind is not None:
            found.append(Field(name, kind, default, is_required, choices))
    return tuple(found)


def settings_form(
    fields: tuple[Field, ...], given: Mapping[str, Any], key: str, first: tuple[str, ...] = ()
) -> Settings:
    """The settings that differ from their defaults; required ones in any case.

    given: what the fields hold at first. first: beside the required ones, what is not folded away.
    """
    chosen: Settings = {}
    main = [field for field in fields if field.is_required or field.name in first]
    more = [field for field in fields if field not in main]
    for field in main:
        _take(chosen, field, _ask(field, given, key))
    if more:
        with st.expander("More settings"):
            columns = st.columns(2)
            for i, field in enumerate(more):
                with columns[i % 2]:
                    _take(chosen, field, _ask(field, given, key))
    hidden = {name: value for name, value in given.items() if name not in {f.name for f in fields}}
    return {name: value for name, value in hidden.items() if name != "type"} | chosen


def missing(fields: tuple[Field, ...], chosen: Mapping[str, Any]) -> list[str]:
    """The titles of what must be given and is not."""
    return [f.title for f in fields if f.is_required and chosen.get(f.name) in (None, "")]


def _kind(hint: Any) -> tuple[Kind | None, tuple[Any, ...]]:
    """The field for a type, and its choices; None for what no field can give."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        kinds = [_kind(one) for one in inner if one is not type(None)]
        known = [one for one in kinds if one[0] is not None]
        # Text can say all that the others can.
        texts = [one for one in known if one[0] == "text"]
        return next(iter(texts or known), (None, ()))
    if origin is Literal:
        return "choice", inner
    if inner and inner[0] is str and origin in (list, tuple, abc.Sequence):
        return "lines", ()
    if inner == (str, str) and origin in (dict, abc.Mapping):
        return "pairs", ()
    return _KINDS.get(hint), ()


def _ask(field: Field, given: Mapping[str, Any], key: str) -> Any:
    value, own_key, title = given.get(field.name, field.default), f"{key}_{field.name}", field.title
    if field.kind == "switch":
        return st.toggle(plain(title), bool(value), key=own_key)
    if field.kind == "choice":
        at = field.choices.index(value) if value in field.choices else None
        return st.selectbox(plain(title), field.choices, at, key=own_key)
    if field.kind in ("whole", "number"):
        number, step = (int, 1) if field.kind == "whole" else (float, 0.1)
        shown = number(value) if isinstance(value, int | float) else None
        form = "%d" if number is int else "%g"
        return st.number_input(plain(title), value=shown, step=step, key=own_key, format=form)
    if field.kind in ("lines", "pairs"):
        return _ask_for_lines(field, value, own_key)
    help = "Kept apart from the feeds, under a name; no page shows it again."
    text: str = st.text_input(
        plain(title),
        "" if value is None else str(value),
        type="password" if field.is_hidden else "default",
        help=help if field.is_hidden else None,
        key=own_key,
    )
    return text.strip()


def _ask_for_lines(field: Field, value: Any, key: str) -> list[str] | dict[str, str]:
    is_pairs = field.kind == "pairs"
    lines = [f"{k}: {v}" for k, v in (value or {}).items()] if is_pairs else list(value or ())
    help = "One a line, as “name: value”." if is_pairs else "One a line."
    text = st.text_area(plain(field.title), "\n".join(lines), help=help, key=key, height=90)
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not is_pairs:
        return found
    return {k.strip(): v.strip() for k, _, v in (line.partition(": ") for line in found)}


def _take(chosen: Settings, field: Field, value: Any) -> None:
    is_empty = value in (None, "", [], {})
    is_default = value == field.default or str(value) == str(field.default)
    if field.is_required or not (is_empty or is_default):
        chosen[field.name] = value
