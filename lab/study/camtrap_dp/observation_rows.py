"""Rows of observations: sightings as they were judged, events, clips without any."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.annotation import Verdict
from lab.deployment import Deployment
from lab.store.taxa import Taxon
from lab.study.camtrap_dp.rows import Row, ceiled, corrected_start, floored


def taxon_columns(label: str, taxa: Mapping[str, Taxon], *tags: str) -> Row:
    """What a label stands for; without a taxon that is unknown. tags: further ones."""
    taxon = taxa.get(label)
    return {
        "observationType": taxon.observation_type if taxon else "unknown",
        "scientificName": taxon.scientific_name if taxon else None,
        "observationTags": " | ".join([_tag("label", label), *tags]),
    }


def _tag(name: str, value: str) -> str:
    return f"{name}:{value.replace('|', '/')}"


def sighting_row(
    one: Mapping[str, Any],
    clip: Mapping[str, Any],
    zone: str,
    event_id: str,
    box: tuple[float, float, float, float] | None,
    taxa: Mapping[str, Taxon],
) -> Row:
    """A sighting as an observation of its clip: what somebody judged to be there, or else what the
    detector found. box: x, y, width, height in fractions.
    """
    start = corrected_start(clip)
    tags = [_tag("machineLabel", one["label"])] if one["judged_label"] != one["label"] else []
    tags += ["verdict:unsure"] if one["verdict"] == "unsure" else []
    return {
        "observationID": one["sighting_id"],
        "deploymentID": clip["deployment_id"],
        "mediaID": one["media_id"],
        "eventID": event_id,
        "eventStart": floored(start + timedelta(microseconds=one["onset_us"]), zone),
        "eventEnd": ceiled(start + timedelta(microseconds=one["offset_us"]), zone),
        "observationLevel": "media",
        "count": one["most_at_once"],
        **dict(zip(("bboxX", "bboxY", "bboxWidth", "bboxHeight"), box or ())),
        **(_by_human(one) if _is_judged(one) else _by_machine(one)),
        **taxon_columns(one["judged_label"], taxa, *tags),
    }


def _is_judged(one: Mapping[str, Any]) -> bool:
    """Whether somebody said what was there."""
    return one["verdict"] in ("accepted", "relabelled")


def _by_human(one: Mapping[str, Any]) -> Row:
    return {
        "classificationMethod": "human",
        "classifiedBy": one["judged_by"],
        "classificationTimestamp": _to_the_second(one["judged_utc"]),
    }


def _by_machine(one: Mapping[str, Any]) -> Row:
    return {
        "classificationMethod": "machine",
        "classifiedBy": classifier(one),
        "classificationTimestamp": _to_the_second(one["saved_utc"]),
        "classificationProbability": _probability(one["peak_confidence"]),
    }


def _to_the_second(utc: datetime) -> str:
    return utc.replace(microsecond=0).isoformat() + "Z"


def classifier(row: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (row["detector"], row["weights"])))


def _probability(value: float) -> float | None:
    # Scores of some detectors are no probabilities.
    return round(value, 6) if 0 <= value <= 1 and math.isfinite(value) else None


def video_row(one: Mapping[str, Any]) -> Row:
    """A sighting's exact times, in seconds of its clip."""
    left, right = one["censored_left"], one["censored_right"]
    kind = {(False, False): "complete", (True, True): "both"}
    return {
        "observationID": one["sighting_id"],
        **{f"{name}_s": one[f"{name}_us"] / 1e6
           for name in ("onset", "offset", "onset_earliest", "offset_latest", "peak")},
        "censored_left": left,
        "censored_right": right,
        "stayingTimeCensoringtype": kind.get((left, right), "left" if left else "right"),
        "recipe_hash": one["recipe_hash"],
        "rule_hash": one["rule_hash"],
        "analysed_s": one["analysed_s"],
    }  # fmt: skip


def event_row(
    event: Mapping[str, Any],
    event_id: str,
    deployment: Deployment,
    sightings: Sequence[Mapping[str, Any]],
    taxa: Mapping[str, Taxon],
) -> Row:
    """An event as an observation; its count is the largest number at one time. It was classified
    by a human where all of its sightings were, by whom the last one was.
    """
    is_judged = all(map(_is_judged, sightings))
    by = max(sightings, key=lambda one: one["judged_utc"]) if is_judged else None
    first, last = (event[n].astimezone(UTC).replace(tzinfo=None) for n in ("first_utc", "last_utc"))
    return {
        "observationID": event_id,
        "deploymentID": deployment.deployment_id,
        "eventID": event_id,
        "eventStart": floored(first, deployment.zone),
        "eventEnd": ceiled(last, deployment.zone),
        "observationLevel": "event",
        "count": event["max_n"],
        **(_by_human(by) if by is not None else {"classificationMethod": "machine"}),
        **taxon_columns(event["label"], taxa),
    }


def blank_row(
    clip: Mapping[str, Any],
    look: Mapping[str, Any] | None,
    zone: str,
    false: Mapping[str, Any] | None = None,
) -> Row:
    """A clip without sightings: blank where a rule has decided on all of it, else unclassified.

    look: as of `Store.looks_at`, None for a clip that was never analysed. false: of its sightings,
    all of which were judged to be false, the one that was judged last.
    """
    start = corrected_start(clip)
    is_blank = look is not None and look["is_whole"] and look["has_rule"]
    row = {
        "observationID": f"{clip['media_id']}-{'blank' if is_blank else 'unclassified'}",
        "deploymentID": clip["deployment_id"],
        "mediaID": clip["media_id"],
        "eventStart": floored(start, zone),
        "eventEnd": ceiled(start + timedelta(seconds=clip["duration_s"]), zone),
        "observationLevel": "media",
        "observationType": "blank" if is_blank else "unclassified",
    }
    if is_blank and look is not None:
        searched = ", ".join(json.loads(look["labels"] or "[]")).replace("|", "/")
        row |= {
            "classificationMethod": "machine",
            "classifiedBy": classifier(look),
            "observationTags": f"searched:{searched}",
            **(_by_human(false) if false is not None else {}),
        }
    return row


def verdict_row(one: Verdict) -> Row:
    """What somebody said of a stretch of a clip, in seconds of the clip."""
    return {
        "verdictID": one.verdict_id,
        "mediaID": one.media_id,
        "label": one.label,
        "start_s": one.start_us / 1e6,
        "end_s": one.end_us / 1e6,
        "verdict": one.verdict,
        "newLabel": one.new_label,
        "judgedBy": one.annotator,
        "judgedAt": one.created_utc.isoformat(timespec="microseconds") + "Z",
        "ruleHash": one.rule_hash,
    }
