"""Lists of brands.

A brand is `{"name": "Nike", "terms": ["Nike", "Nike swoosh"]}`. A list has 1 to 500 brands of 1
to 20 terms each; `lab.detectors.zero_shot.named_list` says what else is valid.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.detectors.zero_shot.named_list import Item, NamedList

BUILT_IN = Path(__file__).with_name("brands.yaml")
BRANDS = NamedList(item="brand", texts="terms", max_items=500, max_texts=20)


def load_brands(brands: Sequence[Any] | str | os.PathLike[str] | None = None) -> list[Item]:
    """A checked list of brands: the one given, the one in a file, or (None) the built-in one.

    Raises SettingError if the file cannot be read or the list is not valid.
    """
    return BRANDS.load(BUILT_IN if brands is None else brands)
