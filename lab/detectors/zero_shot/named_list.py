"""Lists of names with the texts that describe them: checking, files, and rows of a table."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.detectors.zero_shot.list_files import read_list, write_list
from lab.errors import SettingError

MAX_CHARACTERS = 200

Item = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class NamedList:
    """One kind of list, such as brands with their terms: what its items hold, and its limits.

    An item is `{"name": ..., texts: [...]}`. Names are unique, however they are cased. Names and
    texts have 1 to 200 characters and no line breaks.

    item: the word for one item, which is also the name column of its table.
    texts: the key of an item's texts, which is also their column; ";" separates them there.
    max_items, max_texts: of one list, and of one item.
    describe: makes the texts of an item that is given as its bare name; None if each item must
        have its own.
    allows_semicolons: whether a text may hold ";". A list with such a text has no table.
    """

    item: str
    texts: str
    max_items: int
    max_texts: int
    describe: Callable[[str], list[str]] | None = None
    allows_semicolons: bool = False

    @property
    def items(self) -> str:
        """The word for several items."""
        return f"{self.item}s"

    @property
    def text(self) -> str:
        """The word for one text."""
        return self.texts.removesuffix("s")

    def load(self, given: Sequence[Any] | str | os.PathLike[str]) -> list[Item]:
        """A checked list: the one that is given, or the one in a file (YAML or JSON).

        Raises SettingError if the file cannot be read or the list is not valid.
        """
        if isinstance(given, str | os.PathLike):
            path = Path(given).expanduser()
            return self.check(read_list(path, self.items), f" in {path}")
        return self.check(given)

    def check(self, given: Any, where: str = "") -> list[Item]:
        """A copy with spaces trimmed. where: for messages, such as " in brands.yaml".

        Raises SettingError for a list that is not valid.
        """
        if not isinstance(given, list | tuple):
            hint = (
                f"names, or of name and {self.texts}" if self.describe else f"name and {self.texts}"
            )
            raise SettingError(f"{self.items}{where} must be a list of {hint}, got {_kind(given)}")
        if not 1 <= len(given) <= self.max_items:
            raise SettingError(
                f"{self.items}{where} must be 1 to {self.max_items}, got {len(given)}"
            )
        checked = [self._item(one, f"{self.item} {i}{where}") for i, one in enumerate(given, 1)]
        _check_unique([one["name"] for one in checked], f"{self.item}{where}")
        return checked

    def save(self, given: Sequence[Any], path: str | os.PathLike[str]) -> None:
        """Write a checked list as YAML or JSON, by the file's suffix.

        Raises SettingError if the list is not valid or cannot be written; an older file stays.
        """
        write_list(self.check(list(given)), Path(path).expanduser())

    def to_rows(self, items: Sequence[Item]) -> list[dict[str, str]]:
        """Rows of a table, from a checked list. Raises SettingError if a text holds ";"."""
        for one in items:
            if any(";" in text for text in one[self.texts]):
                raise SettingError(
                    f"{self.item} {one['name']!r}: a {self.text} holds ';', which separates "
                    f"{self.texts} in a table; take it out of the file"
                )
        return [{self.item: i["name"], self.texts: "; ".join(i[self.texts])} for i in items]

    def from_rows(self, rows: Iterable[Mapping[str, Any]]) -> list[Item]:
        """The list of an edited table; blank rows are skipped.

        Raises SettingError, which counts the rows from 1.
        """
        items = []
        for number, row in enumerate(rows, 1):
            name, texts = _cell(row, self.item), _cell(row, self.texts)
            if not name and not texts:
                continue
            split = [text.strip() for text in texts.split(";") if text.strip()]
            is_bare = self.describe is not None and not texts
            one = name if is_bare else {"name": name, self.texts: split}
            items.append(self._item(one, f"row {number}"))
        return self.check(items)

    def _item(self, given: Any, what: str) -> Item:
        if self.describe is not None and not isinstance(given, Mapping):
            name = check_text(given, what)
            return {"name": name, self.texts: self.describe(name)}
        if not isinstance(given, Mapping):
            raise SettingError(f"{what} must have a name and {self.texts}, got {_kind(given)}")
        unknown = [key for key in given if key not in ("name", self.texts)]
        if unknown:
            raise SettingError(
                f"{what}: unknown key {str(unknown[0])[:40]!r}; known: name, {self.texts}"
            )
        name = check_text(given.get("name"), f"{what}: the name")
        return {"name": name, self.texts: self._texts(given.get(self.texts), f"{what} ({name!r})")}

    def _texts(self, texts: Any, what: str) -> list[str]:
        if not isinstance(texts, list | tuple) or not texts:
            raise SettingError(
                f"{what} has no list of {self.texts}; give it 1 to {self.max_texts} {self.texts}"
            )
        if len(texts) > self.max_texts:
            raise SettingError(f"{what} has {len(texts)} {self.texts}; at most {self.max_texts}")
        checked = [check_text(text, f"{what}: a {self.text}") for text in texts]
        if not self.allows_semicolons and any(";" in text for text in checked):
            raise SettingError(
                f"{what}: a {self.text} holds ';', which separates {self.texts}; make it two"
            )
        return checked


def check_text(text: Any, what: str) -> str:
    """The text without spaces around it.

    Raises SettingError if it is not text, is blank or too long, or holds a control character.
    """
    if not isinstance(text, str):
        raise SettingError(f"{what} must be text, got {_kind(text)}; in a file, put it in quotes")
    trimmed = text.strip()
    if not 1 <= len(trimmed) <= MAX_CHARACTERS:
        raise SettingError(f"{what} must have 1 to {MAX_CHARACTERS} characters, got {len(trimmed)}")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in trimmed):
        raise SettingError(f"{what} holds a line break or another control character; remove it")
    return trimmed


def _check_unique(names: Sequence[str], what: str) -> None:
    found: set[str] = set()
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in found:
            raise SettingError(f"{what}: the name {name!r} is there twice; names must be unique")
        found.add(folded)


def _cell(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    # An empty cell of a table comes as None or NaN.
    return "" if value is None or value != value else str(value).strip()


def _kind(value: Any) -> str:
    """The type of a value that is not valid; never the value itself, which may be huge."""
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
