"""Lists of scenes: a name, and the prompts that describe it; also as files, and as rows of a table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.detectors.zero_shot.brand_lists import cell, check_text, check_unique
from lab.detectors.zero_shot.list_files import SUFFIXES, read_list, write_list
from lab.errors import SettingError

MAX_SCENES = 200
MAX_PROMPTS = 20

SCENE_TEMPLATES = ("a photo of {}", "a picture taken at {}", "a video frame that shows {}")
NEUTRAL = ("a photo", "a picture of something", "an unclear picture", "a picture without a subject")

# Names that stand in a sentence by themselves are names only; others say how.
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


Scene = dict[str, Any]


def load_scenes(scenes: Sequence[Any] | str | os.PathLike[str] | None = None) -> list[Scene]:
    """Checked scenes as `{"name", "prompts"}`; None is the built-in list.

    scenes: names ("river" is looked for as "a photo of a river" and the like), or
        `{"name", "prompts"}` with whole prompts, taken as they are; or the path of such a list
        (YAML or JSON). 1 to 200 scenes with unique names, 1 to 20 prompts each.

    Raises SettingError.
    """
    if scenes is None:
        return [
            {"name": n, "prompts": [t.format(p) for p in ps for t in SCENE_TEMPLATES]}
            for n, ps in _DEFAULT.items()
        ]
    if isinstance(scenes, str | os.PathLike) and Path(scenes).suffix.lower() in SUFFIXES:
        path = Path(scenes).expanduser()
        scenes, where = read_list(path, "scenes"), f" in {path}"
    else:
        where = ""
    if not isinstance(scenes, list | tuple) or not 1 <= len(scenes) <= MAX_SCENES:
        raise SettingError(
            f"scenes{where} must be a list of 1 to {MAX_SCENES} names, or of name and prompts"
        )
    checked = [_scene(scene, f"scene {i}{where}") for i, scene in enumerate(scenes, 1)]
    check_unique([scene["name"] for scene in checked], f"scene{where}")
    return checked


def save_scenes(scenes: Sequence[Any], path: str | os.PathLike[str]) -> None:
    """Write a checked list as YAML or JSON, by the ending; an older file stays if that fails."""
    write_list(load_scenes(list(scenes)), Path(path).expanduser())


def to_rows(scenes: Sequence[Scene]) -> list[dict[str, str]]:
    """Rows of a table with the columns `scene` and `prompts` (separated by "; ").

    Raises SettingError if a prompt holds ";".
    """
    for scene in scenes:
        if any(";" in prompt for prompt in scene["prompts"]):
            raise SettingError(
                f"scene {scene['name']!r}: a prompt holds ';', which separates prompts in a table; "
                "take it out of the file"
            )
    return [{"scene": s["name"], "prompts": "; ".join(s["prompts"])} for s in scenes]


def from_rows(rows: Iterable[Mapping[str, Any]]) -> list[Scene]:
    """The scenes of an edited table; blank rows are skipped, a name alone is looked for by itself.

    Raises SettingError, which counts the rows from 1.
    """
    scenes = []
    for number, row in enumerate(rows, 1):
        name, prompts = cell(row, "scene"), cell(row, "prompts")
        if not name and not prompts:
            continue
        split = [prompt.strip() for prompt in prompts.split(";") if prompt.strip()]
        scenes.append(
            _scene({"name": name, "prompts": split} if prompts else name, f"row {number}")
        )
    return load_scenes(scenes)


def check_prompts(prompts: Any, what: str) -> list[str]:
    """A list of 1 to 20 whole prompts. Raises SettingError."""
    if not isinstance(prompts, list | tuple) or not 1 <= len(prompts) <= MAX_PROMPTS:
        raise SettingError(f"{what} must be a list of 1 to {MAX_PROMPTS} prompts")
    return [check_text(prompt, f"a prompt of {what}") for prompt in prompts]


def _scene(scene: Any, what: str) -> dict[str, Any]:
    if isinstance(scene, Mapping):
        unknown = [key for key in scene if key not in ("name", "prompts")]
        if unknown:
            raise SettingError(
                f"{what}: unknown key {str(unknown[0])[:40]!r}; known: name, prompts"
            )
        name = check_text(scene.get("name"), f"{what}: the name")
        return {"name": name, "prompts": check_prompts(scene.get("prompts"), f"{what} ({name!r})")}
    name = check_text(scene, what)
    return {
        "name": name,
        "prompts": [template.format(_with_article(name)) for template in SCENE_TEMPLATES],
    }


def _with_article(name: str) -> str:
    first = name.split()[0].lower()
    if first in ("a", "an", "the", "some", "many"):
        return name
    return f"{'an' if first[0] in 'aeiou' else 'a'} {name}"
