"""Detectors made by name and settings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lab.detectors.detector import Detector
from lab.detectors.open_vocabulary.text_store import TextStore
from lab.detectors.plugins.calls import third_party_call
from lab.detectors.plugins.detstream import DetstreamDetector
from lab.detectors.plugins.loading import arguments, call_factory, named_parameters
from lab.detectors.plugins.ready_made import ReadyMadeDetector
from lab.detectors.plugins.wrapper import complete
from lab.detectors.registered import detectors
from lab.detectors.weights.loaded import noting_files
from lab.errors import DetectorError, SettingError


def make_detector(
    name: str = "yolo", *, store: TextStore | None = None, **settings: Any
) -> Detector:
    """A registered detector, built in or from a plugin; see `lab.detectors.make.make`.

    store: where detectors that keep what they computed (text embeddings) look and put it; None
        keeps nothing. `lab.make_detector` takes a folder as well, or the default store.

    Raises DetectorError, too, for a file that changed while it was being loaded: the hash in the
    recipe is that of what was loaded.
    """
    given = dict(settings)
    is_built_in = detectors.package(name) is None and name != "python"
    if is_built_in and detectors.get(name).uses_store:
        given["store"] = store
    with noting_files() as files:
        made = make(name, given)
    made.loaded_files = files
    try:
        files.check()
    except DetectorError:
        made.close()
        raise
    if is_built_in:
        # A plugin's settings may hold secrets; its recipe says which may be kept.
        plain = {k: str(v) if isinstance(v, Path) else v for k, v in settings.items()}
        made.made_from = {"name": name, **plain}
    return made


def as_detector(made: Any) -> Detector:
    """A detector with every member of the contract, from an object that has some of them.

    made: a `Detector`, given back as it is; or an object with `detect(frames)`. With `recipe()`
    it keeps its recipe and its results are taken as they are; without one it is completed as a
    plugin is, and its results are checked.

    Raises SettingError if it has no `detect`, DetectorError if one of its members is not valid.
    """
    if isinstance(made, Detector):
        return made
    if isinstance(made, type) or not callable(getattr(made, "detect", None)):
        raise SettingError(
            f"detector must be a registered name or an object with detect(frames), got {made!r:.80}"
        )
    if isinstance(made, DetstreamDetector):  # its recipe says only how it adapts
        return complete(made.adapted_name, made, {})
    if callable(getattr(made, "recipe", None)):
        return ReadyMadeDetector(made)
    return complete(type(made).__name__, made, {})


def detector_settings(
    recipe: Mapping[str, Any], environment: Mapping[str, Any], weights: str | None = None
) -> dict[str, Any]:
    """The arguments of `make_detector` that gave this recipe.

    environment: what was recorded beside it: settings, and where the weights lay; a file that
    has changed shows in its hash. weights: where they lie now.
    """
    if "plugin" in recipe:
        return {"name": recipe["detector"], **recipe["settings"]}
    names = ("weights", "runtime", "labels", "image_size", "score_floor", "nms_iou", "most_boxes")
    known = {n: recipe[n] for n in names if n in recipe}
    settings = dict(environment.get("detector_settings") or {"name": recipe["detector"], **known})
    place = weights or environment.get("weights_path")
    if place is not None:
        settings["weights"] = place
    if "prompt_mode" in recipe:
        settings["prompt_mode"] = recipe["prompt_mode"]
    if settings.get("labels") is not None:  # some may have been added since
        settings["labels"] = list(recipe["labels"])
    return settings


def make(name: str, settings: Mapping[str, Any]) -> Detector:
    """A registered detector, built in or from a plugin.

    Raises SettingError for an unknown name or setting, LabError for a plugin that cannot be
    loaded, DetectorError for one that cannot be made.
    """
    with third_party_call():
        factory = detectors.get(name)
    package = detectors.package(name)
    if package is None:
        if name != "python" and (
            unknown := [k for k in settings if k not in named_parameters(factory)]
        ):
            takes = ", ".join(sorted(n for n in named_parameters(factory) if n != "store"))
            raise SettingError(
                f"detector {name!r} does not take {', '.join(map(repr, unknown))}; "
                f"it takes: {takes}"
            )
        try:
            built_in: Detector = factory(**settings)
        except TypeError as error:
            raise SettingError(f"detector {name!r} does not take these settings: {error}") from None
        return built_in
    what = f"plugin {name!r}"
    given = arguments(what, factory, settings)
    make_again = partial(call_factory, what, factory, given, settings)
    return complete(name, make_again(), settings, package, make_again=make_again)
