"""Lists of scenes: kinds of places, and the prompts that describe each of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lab.detectors.zero_shot.named_list import Item, NamedList, check_text
from lab.errors import SettingError

MAX_PROMPTS = 20

SCENE_TEMPLATES = ("a photo of {}", "a picture taken at {}", "a video frame that shows {}")
NEUTRAL = ("a photo", "a picture of something", "an unclear picture", "a picture without a subject")

# Each scene by its name, and by what stands in the templates.
_DEFAULT: dict[str, tuple[str, ...]] = {
    "street": ("a street", "a city street with buildings"),
    "empty road": ("an empty road", "a road without cars"),
    "traffic": ("a road full of cars", "heavy traffic"),
    "car park": ("a car park", "parked cars"),
    "railway": ("a railway station", "railway tracks"),
    "forest": ("a forest", "trees in a wood"),
    "field": ("a field", "a meadow"),
    "river": ("a river", "the bank of a stream"),
    "sea": ("the sea", "a beach"),
    "mountains": ("mountains", "a mountain landscape"),
    "garden": ("a garden", "a backyard"),
    "indoor room": ("a room inside a house", "a living room"),
    "kitchen": ("a kitchen",),
    "office": ("an office", "desks with computers"),
    "laboratory": ("a laboratory", "a laboratory bench with instruments"),
    "shop floor": ("the inside of a shop", "shelves of a supermarket"),
    "factory": ("a factory hall", "a production line"),
    "sports ground": ("a sports field", "a stadium"),
    "crowd": ("a crowd of people", "many people close together"),
    "night": ("a dark place at night", "a night scene with lamps"),
    "snow": ("a snow-covered landscape", "falling snow"),
    "fog": ("a foggy landscape", "thick fog"),
    "rain": ("rain", "a wet street in the rain"),
}


def _in_templates(name: str) -> list[str]:
    return [template.format(_with_article(name)) for template in SCENE_TEMPLATES]


def _with_article(name: str) -> str:
    first = name.split()[0].lower()
    if first in ("a", "an", "the", "some", "many"):
        return name
    return f"{'an' if first[0] in 'aeiou' else 'a'} {name}"


SCENES = NamedList(
    item="scene",
    texts="prompts",
    max_items=200,
    max_texts=MAX_PROMPTS,
    describe=_in_templates,
    allows_semicolons=True,
)


def load_scenes(scenes: Sequence[Any] | str | os.PathLike[str] | None = None) -> list[Item]:
    """Checked scenes as `{"name", "prompts"}`; None is the built-in list.

    scenes: a list of names ("river" becomes the prompts "a photo of a river" and the like), or
        of `{"name", "prompts"}` with whole prompts, which are used as they are; or the path of
        such a list (YAML or JSON). A list has 1 to 200 scenes of 1 to 20 prompts each.

    Raises SettingError if the file cannot be read or the list is not valid.
    """
    if scenes is None:
        return [
            {"name": n, "prompts": [t.format(p) for p in ps for t in SCENE_TEMPLATES]}
            for n, ps in _DEFAULT.items()
        ]
    return SCENES.load(scenes)


def check_prompts(prompts: Any, what: str) -> list[str]:
    """A list of 1 to 20 whole prompts. Raises SettingError if it is not valid."""
    if not isinstance(prompts, list | tuple) or not 1 <= len(prompts) <= MAX_PROMPTS:
        raise SettingError(f"{what} must be a list of 1 to {MAX_PROMPTS} prompts")
    return [check_text(prompt, f"{what}: a prompt") for prompt in prompts]
