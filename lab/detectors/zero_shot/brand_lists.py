"""Lists of brands: reading, checking, saving, and as rows of a table.

A brand is `{"name": "Nike", "terms": ["Nike", "Nike swoosh"]}`; a list file is YAML or JSON.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.detectors.zero_shot.list_files import read_list, write_list
from lab.errors import SettingError

MAX_BRANDS = 500
MAX_TERMS = 20
MAX_CHARACTERS = 200
BUILT_IN = Path(__file__).with_name("brands.yaml")

Brand = dict[str, Any]


def load_brands(brands: Sequence[Any] | str | os.PathLike[str] | None = None) -> list[Brand]:
    """A checked list of brands: given, in a file, or (None) the built-in one.

    Raises SettingError if the file cannot be read or the list breaks a rule of `check_brands`.
    """
    if brands is None:
        brands = BUILT_IN
    if isinstance(brands, str | os.PathLike):
        path = Path(brands).expanduser()
        return check_brands(read_list(path, "brands"), f" in {path}")
    return check_brands(brands)


def check_brands(brands: Any, where: str = "") -> list[Brand]:
    """A copy with spaces trimmed. where: words for messages, like " in brands.yaml".

    1 to 500 brands; names are unique, however they are cased; 1 to 20 terms each; texts of 1 to
    200 characters without line breaks, terms without ";" (it separates them in tables). Raises
    SettingError.
    """
    if not isinstance(brands, list | tuple):
        raise SettingError(f"brands{where} must be a list of name and terms, got {_kind(brands)}")
    if not 1 <= len(brands) <= MAX_BRANDS:
        raise SettingError(f"brands{where} must be 1 to {MAX_BRANDS}, got {len(brands)}")
    checked = [_brand(brand, f"brand {i}{where}") for i, brand in enumerate(brands, 1)]
    check_unique([brand["name"] for brand in checked], f"brand{where}")
    return checked


def save_brands(brands: Sequence[Any], path: str | os.PathLike[str]) -> None:
    """Write a checked list as YAML or JSON, by the ending; an older file stays if that fails."""
    checked, target = check_brands(list(brands)), Path(path).expanduser()
    write_list(checked, target)


def to_rows(brands: Sequence[Brand]) -> list[dict[str, str]]:
    """Rows of a table with the columns `brand` and `terms` (separated by "; ")."""
    return [{"brand": b["name"], "terms": "; ".join(b["terms"])} for b in brands]


def from_rows(rows: Iterable[Mapping[str, Any]]) -> list[Brand]:
    """The brands of an edited table; rows with neither brand nor terms are skipped.

    Raises SettingError, which counts the rows from 1.
    """
    brands = []
    for number, row in enumerate(rows, 1):
        name, terms = cell(row, "brand"), cell(row, "terms")
        if not name and not terms:
            continue
        split = [term.strip() for term in terms.split(";") if term.strip()]
        brands.append(_brand({"name": name, "terms": split}, f"row {number}"))
    return check_brands(brands)


def check_text(text: Any, what: str) -> str:
    """The text without spaces around it. Raises SettingError if it is blank, long or no text."""
    if not isinstance(text, str):
        raise SettingError(f"{what} must be text, got {_kind(text)}; in a file, put it in quotes")
    trimmed = text.strip()
    if not 1 <= len(trimmed) <= MAX_CHARACTERS:
        raise SettingError(f"{what} must have 1 to {MAX_CHARACTERS} characters, got {len(trimmed)}")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in trimmed):
        raise SettingError(f"{what} holds a line break or another control character; take it out")
    return trimmed


def check_unique(names: Sequence[str], what: str) -> None:
    """Raises SettingError if two names are the same but for case."""
    seen: set[str] = set()
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            raise SettingError(f"{what}: the name {name!r} is there twice; names must be unique")
        seen.add(folded)


def _brand(brand: Any, what: str) -> Brand:
    if not isinstance(brand, Mapping):
        raise SettingError(f"{what} must have a name and terms, got {_kind(brand)}")
    unknown = [key for key in brand if key not in ("name", "terms")]
    if unknown:
        raise SettingError(f"{what}: unknown key {str(unknown[0])[:40]!r}; known: name, terms")
    name = check_text(brand.get("name"), f"{what}: the name")
    terms = brand.get("terms")
    if not isinstance(terms, list | tuple) or not terms:
        raise SettingError(
            f"{what} ({name!r}) has no list of terms; give it one or more, such as {name!r}"
        )
    if len(terms) > MAX_TERMS:
        raise SettingError(f"{what} ({name!r}) has {len(terms)} terms; at most {MAX_TERMS}")
    checked = [check_text(term, f"{what} ({name!r}): a term") for term in terms]
    if any(";" in term for term in checked):
        raise SettingError(
            f"{what} ({name!r}): a term holds ';', which separates terms; make it two"
        )
    return {"name": name, "terms": checked}


def cell(row: Mapping[str, Any], column: str) -> str:
    """The text of a table's cell, without spaces around it."""
    value = row.get(column)
    # An empty cell of a table comes as None or NaN.
    return "" if value is None or value != value else str(value).strip()


def _kind(value: Any) -> str:
    """Words for a wrong value; never the value, which may be huge."""
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
