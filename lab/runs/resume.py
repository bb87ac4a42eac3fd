"""Continuing a run that stopped, and analysing again what its log has lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lab.detectors.detector import Detector
from lab.detectors.gate import gate_recipe, make_gate
from lab.detectors.make import as_detector, detector_settings
from lab.errors import SettingError
from lab.runs.add_prompts import restore_added
from lab.runs.analyze import check_same_clip, sampling_of
from lab.runs.execute import PlannedRun
from lab.runs.make_detector import make_detector
from lab.runs.progress import Report
from lab.runs.run import Run, lacking_samples
from lab.runs.run_pass import CatalogRegister, run_pass
from lab.score_log.manifest import ADDED, DamagedManifest, check_run, read_manifest
from lab.score_log.parts import added_folders
from lab.score_log.recipe import DECODER_VERSION, make_recipe, recipe_hash
from lab.score_log.score_log import read_log
from lab.score_log.seal import damaged_added, log_state
from lab.store.store import Store
from lab.video.identity import check_identity
from lab.video.registered import open_source


def resume(
    store: Any,
    run_id: str,
    *,
    detector: Detector | None = None,
    progress: bool | Report = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> Run:
    """Continue a cancelled, failed or interrupted run; analyse again what a run has lost.

    A part of its log that is missing, or is not what was written, is taken out of it with all
    after it. What is then missing is analysed, so that the log equals that of an unbroken run.

    store: as `lab.open_store` gives it, or its folder.
    detector: one that is already loaded, and stays so; made as `resume_settings` says.

    Raises SettingError if nothing is missing or its detector has changed, SourceError if the clip
    is missing or has changed, DetectorError if the detector cannot be made or failed on every
    sample.
    """
    store = Store.coerce(store)
    run = Run(store, run_id)
    if _is_own_log_lacking(run):
        _check_decoder(run)
        run = _own_pass(run, detector, progress, cancelled)
    if run.state == "done":
        for folder, labels in _damaged_added(run).items():
            restore_added(run, folder, labels, progress=progress, cancelled=cancelled)
    return run.refresh()


def resume_settings(store: Store, run_id: str) -> dict[str, Any]:
    """The arguments of `make_detector` for the pass that `resume` goes on with."""
    run = Run(store, run_id)
    return detector_settings(_recipe_of_own_log(run), run.environment)


def resume_order(
    store: Store, run_id: str
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What is needed to go on with a run elsewhere: settings of its detector, its sampling and gate
    as a worker takes them, and the recipe that it was begun with.

    Raises SettingError if nothing of its own log is missing, or it was begun by a version that
    sampled differently.
    """
    run = Run(store, run_id)
    if not _is_own_log_lacking(run):
        raise SettingError(f"run {run_id} lacks added labels only; resume it on this machine")
    _check_decoder(run)
    recipe = _recipe_of_own_log(run)
    sampling = sampling_of(recipe)
    asked = {
        "interval_s": sampling.every_s,
        "frame_count": sampling.frame_count,
        "frame_step": sampling.frame_step,
        "gate": recipe.get("gate"),
    }
    return detector_settings(recipe, run.environment), asked, recipe


def _is_own_log_lacking(run: Run) -> bool:
    """Whether there is something to analyse besides added labels.

    Raises SettingError if there is nothing to analyse at all, or the run is being made.
    """
    folder = run.store.log_folder(run.run_id)
    if run.state == "running":
        raise SettingError(f"run {run.run_id} is running; there is nothing to resume")
    damaged = log_state(folder, run.run_id).damaged
    if (
        run.state != "done"
        or run.log_removed_utc is not None
        or any(not name.startswith(f"{ADDED}/") for name in damaged)
        or _lacks_samples(run, folder)
    ):
        return True
    if damaged:
        return False
    if run.log.adding:
        names = ", ".join(map(repr, run.log.adding))
        raise SettingError(
            f"run {run.run_id} is {run.state}, but for {names}: ask for these prompts again"
        )
    raise SettingError(f"run {run.run_id} is {run.state}; there is nothing to resume")


def _damaged_added(run: Run) -> dict[Path, list[str]]:
    """Logs of added labels to be restored, with their labels."""
    folder = run.store.log_folder(run.run_id)
    found = damaged_added(folder)
    if not all(found.values()):
        whole = (one for one in added_folders(folder) if one not in found)
        known = {label for one in (folder, *whole) for label in read_manifest(one)["labels"]}
        known.update(label for labels in found.values() for label in labels)
        unknown = [label for label in run.recipe["labels"] if label not in known]
        found = {one: labels or unknown for one, labels in found.items()}
    return {one: labels for one, labels in found.items() if labels}


def _lacks_samples(run: Run, folder: Path) -> bool:
    try:
        return lacking_samples(run.row, len(read_log(folder).pts_us)) is not None
    except DamagedManifest:
        return True


def _check_decoder(run: Run) -> None:
    if run.recipe.get("decoder_version") != DECODER_VERSION:
        raise SettingError(
            f"run {run.run_id} was started by a version that sampled frames differently "
            f"(decoder_version {run.recipe.get('decoder_version')}, here {DECODER_VERSION}); "
            "start a new run"
        )


def _recipe_of_own_log(run: Run) -> dict[str, Any]:
    """The recipe that a run was begun with, without labels that were added to it."""
    folder, recipe = run.store.log_folder(run.run_id), run.recipe
    try:
        manifest = read_manifest(folder)
        check_run(folder, manifest, run.run_id)
    except DamagedManifest:
        manifest = {}
    if "recipe" in manifest:
        return dict(manifest["recipe"])
    added: set[str] = set()
    for one in added_folders(folder):
        try:
            added.update(read_manifest(one)["labels"])
        except DamagedManifest:
            continue
    recipe["labels"] = [label for label in recipe["labels"] if label not in added]
    if "text_features" in recipe:
        features = recipe["text_features"].items()
        recipe["text_features"] = {label: v for label, v in features if label not in added}
    return recipe


def _own_pass(
    run: Run,
    detector: Detector | None,
    progress: bool | Report,
    cancelled: Callable[[], bool],
) -> Run:
    """Analyse what is missing in a run's own log."""
    recipe = _recipe_of_own_log(run)
    with ExitStack() as stack:
        check_identity(run.media)
        source = stack.enter_context(open_source(run.media["path"]))
        media = check_same_clip(run, source)
        if detector is None:
            settings = detector_settings(recipe, run.environment)
            detector = make_detector(store=run.store, **settings)
            stack.callback(detector.close)
        loaded = as_detector(detector)
        sampling, gate = sampling_of(recipe), make_gate(recipe.get("gate"))
        decoded_on = recipe.get("decoded_on", "cpu")
        if source.decoded_on != decoded_on:
            raise SettingError(
                f"run {run.run_id} was decoded on {decoded_on!r}, and this would be on "
                f"{source.decoded_on!r}; set decoding_device (LAB_DECODING_DEVICE) back"
            )
        now = make_recipe(
            media.media_id,
            loaded.recipe(),
            sampling=sampling,
            gate=gate_recipe(gate),
            decoded_on=decoded_on,
        )
        if recipe_hash(now) != recipe_hash(recipe):
            raise SettingError(f"the detector of run {run.run_id} has changed; start a new run")
        folder = run.store.log_folder(run.run_id)
        plan = PlannedRun(run.run_id, folder, recipe, loaded, sampling, gate)
        register = CatalogRegister(run.store, media)
        (made,) = run_pass(source, [plan], register, progress=progress, cancelled=cancelled)
    return made
