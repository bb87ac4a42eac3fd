"""From a methods bundle to the same sightings, and to the same scores of a few frames."""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lab.detectors.make import detector_settings
from lab.detectors.registered import detectors
from lab.detectors.trust import in_one_line, outside_effects, quoted
from lab.errors import LabError, SettingError, StoreError
from lab.rules.replay import replay
from lab.rules.rule import Rule
from lab.rules.series import ScoreSeries
from lab.score_log.score_log import ScoreLog, read_log
from lab.video.media import sha256
from lab.video.sources.file import FileSource

SHARE = 0.01
_MIN = 5
_FACTS = ("title", "rule", "rule_hash", "protocol_hash", "recipe", "media", "state")
_MAX_BYTES = 4 << 30
_LOG_FILE = re.compile(r"log/(added/\d+/)?[\w-]+\.(json|parquet)")


def reproduce(
    bundle: str | Path,
    *,
    videos: str | Path | None = None,
    weights: str | Path | None = None,
    share: float = SHARE,
    seed: int = 0,
    trust: bool = False,
) -> dict[str, Any]:
    """Re-derive the sightings of a bundle, and infer a share of its samples again.

    videos: a folder with the clip, if it was moved; weights: their path, if they were moved.
    share: of the samples, at least 5; 0 for none. seed: of the draw of samples.
    trust: whether the bundle may name detectors that run other code than the lab's own, or send
        pictures to an address.

    Returns `sightings` (count, identical, differences), `inference` (samples, largest_difference,
    flips: samples that would fall on the other side of a threshold, sightings_changed), or why
    there is none. Raises SettingError if the file is not a whole bundle, or needs `trust`.
    """
    if not 0 <= share <= 1:
        raise SettingError(f"share must be in [0, 1], got {share}")
    with tempfile.TemporaryDirectory() as folder:
        facts, stored = _unpack(Path(bundle), Path(folder))
        if share > 0 and not trust:
            _check_effects(bundle, facts, weights)
        try:
            log = read_log(Path(folder) / "log")
        except (StoreError, KeyError) as error:
            raise SettingError(
                f"{bundle} is not a whole methods bundle: its log cannot be read; export it again"
            ) from error
    if log.damaged:
        raise SettingError(f"{bundle} is damaged: {log.damaged[0][:120]}; export it again")
    if len(log.pts_us) == 0:
        raise SettingError(
            f"the log of {bundle} has no sample, so there is nothing to derive again; "
            "export a run that analysed something"
        )
    derived = _sightings(facts, log, {})
    changed = sum(a != b for a, b in zip(derived, stored, strict=False))
    row: dict[str, Any] = {
        "title": facts["title"],
        "rule_hash": facts["rule_hash"],
        "protocol_hash": facts["protocol_hash"],
        "sightings": {
            "count": len(derived),
            "stored": len(stored),
            "identical": derived == stored,
            "differences": changed + abs(len(derived) - len(stored)),
        },
    }
    if share == 0:
        row["inference"] = {"skipped": "not requested"}
        return row
    try:
        row["inference"] = _infer(facts, log, derived, videos, weights, share, seed)
    except LabError as error:
        row["inference"] = {"skipped": str(error)}
    return row


def _check_effects(bundle: str | Path, facts: Mapping[str, Any], weights: Any) -> None:
    """Raises SettingError that names what the bundle's detector would run or call."""
    effects = outside_effects(_settings(facts, weights))
    if effects:
        raise SettingError(
            f"nothing was run: to infer again, {bundle} would {in_one_line(effects)}; "
            "if you trust its author with that, give --trust (trust=True in Python); "
            "--share 0 derives its sightings alone"
        )


def _settings(facts: Mapping[str, Any], weights: str | Path | None) -> dict[str, Any]:
    """The arguments of `make_detector`. Raises SettingError if facts contradict it."""
    recipe = facts["recipe"]
    try:
        settings = detector_settings(recipe, facts, str(weights) if weights else None)
    except (KeyError, TypeError, ValueError):
        raise SettingError("its recipe does not say with what detector it was made") from None
    if settings.get("name") != recipe["detector"]:
        raise SettingError(
            f"its recipe is of the detector {quoted(recipe['detector'])}, its settings of "
            f"{quoted(settings.get('name'))}; export it again"
        )
    return settings


def _unpack(path: Path, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Facts and stored sightings; the log's files go into `folder`."""
    try:
        with zipfile.ZipFile(path) as bundle:
            names = bundle.namelist()
            if sum(i.file_size for i in bundle.infolist()) > _MAX_BYTES:
                raise SettingError(
                    f"{path} unpacks to more than 4 GiB; it is not a bundle of the lab"
                )
            facts = json.loads(bundle.read("bundle.json"))
            stored = json.loads(bundle.read("sightings.json"))
            (folder / "log").mkdir()
            for name in names:
                # Only files of the log, by their plain names: a zip may name any path.
                if _LOG_FILE.fullmatch(name):
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(bundle.read(name))
        if (
            not isinstance(facts, dict)
            or not isinstance(stored, list)
            or not {"format", *_FACTS} <= set(facts)
        ):
            raise SettingError(
                f"{path} is not a whole methods bundle: bundle.json lacks facts; export it again"
            )
        media, recipe = facts["media"], facts["recipe"]
        if (
            not isinstance(recipe, dict)
            or not isinstance(recipe.get("detector"), str)
            or not (isinstance(media, list) and media and _is_clip(media[0]))
        ):
            raise SettingError(
                f"{path} is not a whole methods bundle: its recipe or its clip is missing; "
                "export it again"
            )
        if facts["format"] != 1:
            raise SettingError(f"{path} has format {facts['format']}, this version knows 1; update")
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror or error}") from None
    except (
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        TypeError,
        NotImplementedError,
        RecursionError,
    ) as error:
        if isinstance(error, SettingError):
            raise
        raise SettingError(
            f"{path} is not a whole methods bundle ({error}); export it again"
        ) from None
    return facts, stored


def _is_clip(media: Any) -> bool:
    """Whether these are the facts of a clip, as far as scores and boxes need them."""
    names = ("first_pts_us", "end_us", "width_px", "height_px")
    return isinstance(media, dict) and all(type(media.get(name)) is int for name in names)


def _series(facts: Mapping[str, Any], log: ScoreLog, label: str) -> ScoreSeries:
    """As `Run.series` makes it, from a bundle."""
    return ScoreSeries.from_log(
        log,
        label,
        Rule.from_dict(facts["rule"]).of(label).box_filter,
        recipe=facts["recipe"],
        media=facts["media"][0],
        state=facts["state"],
    )


def _sightings(
    facts: Mapping[str, Any], log: ScoreLog, changed: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    """As `Run.find` does, from a bundle. changed: scores to take instead, by label."""
    rule = Rule.from_dict(facts["rule"])
    out = []
    for label in rule.wanted(log.labels):
        series = _series(facts, log, label)
        if label in changed:
            series = series.with_scores(changed[label])
        out += [s.to_dict() for s in replay(series, rule.of(label).debounce)]
    return out


def _infer(
    facts: Mapping[str, Any],
    log: ScoreLog,
    derived: list[dict[str, Any]],
    videos: str | Path | None,
    weights: str | Path | None,
    share: float,
    seed: int,
) -> dict[str, Any]:
    """Infer some samples again: how far their scores moved, and what that would change."""
    from lab.runs.make_detector import make_detector

    media, recipe = facts["media"][0], facts["recipe"]
    if recipe["detector"] not in detectors:
        raise SettingError(
            "its detections were made elsewhere and imported: there is no detector to infer with"
        )
    path = _clip(media, videos)
    if not media.get("sha256"):
        raise SettingError(
            "its clip could not be read when it was exported, so no file can be known to be it"
        )
    if sha256(path) != media["sha256"]:
        raise SettingError(f"{path} is not the clip of the bundle: its sha256 differs")
    settings = _settings(facts, weights)
    if weights is None:
        _check_weights_path(settings.get("weights"))
    detector = make_detector(**settings)
    try:
        if detector.is_stateful:
            raise SettingError(
                "its scores depend on all earlier frames, so a share of them cannot be inferred "
                "again; give --share 0"
            )
        now = detector.recipe()
        moved = [k for k in now if k in recipe and now[k] != recipe[k]]
        if moved:
            raise SettingError(
                f"the detector here is another: {', '.join(moved)} differ; give --weights"
            )
        pts = log.analysed_pts_us
        n = min(len(pts), max(_MIN, round(share * len(pts))))
        chosen = np.sort(np.random.default_rng(seed).choice(len(pts), n, replace=False))
        frames = [
            f for f in FileSource(path).frames_at(pts[chosen].tolist()) if f.image_bgr is not None
        ]
        results = {
            f.pts_us: d
            for batch in _batches(frames, detector.batch_size)
            for f, d in zip(batch, detector.detect(batch), strict=True)
        }
    finally:
        detector.close()
    return _differences(facts, log, derived, chosen, results)


def _batches(frames: list[Any], size: int) -> list[list[Any]]:
    return [frames[i : i + size] for i in range(0, len(frames), size)]


def _check_weights_path(weights: Any) -> None:
    """Of a path in a bundle only an absolute one or a bare name means the same here."""
    if (
        isinstance(weights, str)
        and not Path(weights).is_absolute()
        and Path(weights).name != weights
    ):
        raise SettingError(
            f"its weights are at the relative path {quoted(weights)}, which is not followed; "
            "give them with --weights"
        )


def _clip(media: Mapping[str, Any], videos: str | Path | None) -> Path:
    name, relative = str(media.get("name")), media.get("relative_path")
    if videos is None:
        places = [Path(str(media.get("path")))]
    else:
        folder = Path(videos)
        places = [
            place
            for place in (folder / str(relative or name), folder / name)
            if place.resolve().is_relative_to(folder.resolve())
        ]
    for path in places:
        if path.is_file():
            return path
    where = f" at {quoted(str(places[0]))}" if places else f" in {videos}"
    raise SettingError(f"the clip {quoted(name)} is not{where}; give its folder with --videos")


def _differences(
    facts: Mapping[str, Any],
    log: ScoreLog,
    derived: list[dict[str, Any]],
    chosen: np.ndarray,
    results: Mapping[int, Any],
) -> dict[str, Any]:
    rule, size = (
        Rule.from_dict(facts["rule"]),
        (facts["media"][0]["width_px"], facts["media"][0]["height_px"]),
    )
    chosen_us, largest, flips, compared = log.analysed_pts_us[chosen].tolist(), 0.0, 0, 0
    changed: dict[str, np.ndarray] = {}
    for label in rule.wanted(log.labels):
        one = rule.of(label)
        series = _series(facts, log, label)
        before = series.scores
        after = before.copy()
        position = {t: i for i, t in enumerate(series.pts_us.tolist())}
        for pts_us in chosen_us:
            found, i = results.get(pts_us), position.get(pts_us)
            if found is None or found.error is not None or i is None:
                continue
            keep = np.array([x == label for x in found.labels], bool)
            boxes, confidence = found.box_xyxy_px[keep], found.confidence[keep]
            mask = one.box_filter.mask(boxes, *size) if len(boxes) else np.zeros(0, bool)
            after[i] = confidence[mask].max(initial=0)
            compared += 1
        moved = np.abs(after.astype(np.float64) - before)
        largest = max(largest, float(moved.max(initial=0)))
        d = one.debounce
        for threshold in (d.enter_threshold, d.exit_threshold):
            flips += int(
                (
                    (after.astype(np.float64) >= threshold)
                    != (before.astype(np.float64) >= threshold)
                ).sum()
            )
        if moved.any():
            changed[label] = after
    same = _sightings(facts, log, changed) if changed else derived
    edges = [(s["label"], s["onset_s"], s["offset_s"]) for s in derived]
    now = [(s["label"], s["onset_s"], s["offset_s"]) for s in same]
    inferred = [t for t in chosen_us if t in results and results[t].error is None]
    if not inferred:
        reasons = [d.error for d in results.values() if d.error is not None]
        why = quoted(reasons[0]) if reasons else "no frame of them could be decoded"
        raise SettingError(f"the detector answered on none of {len(chosen)} samples: {why}")
    return {
        "samples": len(inferred),
        "asked": len(chosen),
        "compared": compared,
        "largest_difference": largest,
        "flips": flips,
        "sightings_changed": len(set(edges) ^ set(now)),
    }
