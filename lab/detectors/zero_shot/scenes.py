"""Detector `scenes`: the kind of place that a whole picture shows, classified by CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.detectors.zero_shot.classifier import PromptClassifier
from lab.detectors.zero_shot.encoder import TextCache
from lab.detectors.zero_shot.scene_lists import NEUTRAL, check_prompts, load_scenes


class Scenes(PromptClassifier):
    """What kind of scene a picture shows, among a list of scenes.

    scenes: a list of names, or of `{"name", "prompts"}` with whole prompts; the path of such a
        list (YAML or JSON); or None for a built-in list. The scores of a picture sum to 1 over
        the whole list and a neutral class.
    negative: whole prompts of the neutral class.
    labels: the scenes that are reported; see `Logos`, also for the other settings.

    Raises SettingError for a setting or list that is not valid, DetectorError for weights that
    cannot be used.
    """

    def __init__(
        self,
        *,
        scenes: Sequence[Any] | str | None = None,
        negative: Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        top: int = 5,
        score_floor: float | None = None,
        model: str = "ViT-B-32",
        weights: str | None = None,
        text_cache: TextCache | None = None,
    ) -> None:
        checked = load_scenes(scenes)
        neutral = check_prompts(NEUTRAL if negative is None else negative, "negative")
        super().__init__(
            prompts={s["name"]: s["prompts"] for s in checked},
            negative=neutral,
            labels=labels,
            top=top,
            score_floor=score_floor,
            model=model,
            weights=weights,
            text_cache=text_cache,
        )
        self._recipe |= {
            "detector": "scenes",
            "scenes": checked,
            "negative": neutral,
            "whole_frame": True,
        }
