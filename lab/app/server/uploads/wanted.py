"""What a request says of the analysis of an upload: the parameters of an address, or of tus."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from lab.app.server.body import check_name
from lab.app.server.uploads.service import Wanted
from lab.detectors.registered import detectors
from lab.detectors.trust import check_allowed, named_by_path
from lab.errors import SettingError, closest
from lab.jobs.document.checks import check_labels
from lab.jobs.document.rules import rule_of
from lab.jobs.upload_rules import CURRENT, AskedRules
from lab.video.sampling import Sampling

# The parameters that are about an analysis.
ASKING = ("labels", "every_s", "detector", "debounce", "analyses", "analyse")
_MOST_LABELS, _MOST_ANALYSES, _MOST_BYTES = 1000, 8, 64 << 10


def wanted_of(given: Mapping[str, str], services: Any) -> Wanted | None:
    """labels: separated by commas. every_s: seconds. detector: its name. debounce: settings of the
    rule, as JSON. analyses: several, as JSON, each as a job's document writes them, in the place of
    the others. analyse: `true` for all by default. None if no parameter asks for an analysis.

    services: those that the settings of the lab allow. Raises SettingError.
    """
    asked = {name: given[name] for name in ASKING if name in given}
    if not asked or asked.get("analyse", "true").lower() in ("0", "false", "no"):
        return None
    if any(len(text.encode()) > _MOST_BYTES for text in asked.values()):
        raise SettingError(f"each parameter may have {_MOST_BYTES} bytes")
    if "analyses" in asked:
        found = [_analysis(one) for one in _list(asked["analyses"])]
    else:
        detector: dict[str, Any] = {"name": asked.get("detector") or "yolo"}
        if labels := [one.strip() for one in asked.get("labels", "").split(",") if one.strip()]:
            detector["labels"] = labels
        rules = {"default": {"debounce": _object(asked.get("debounce", "{}"), "debounce")}}
        one: dict[str, Any] = {
            "detector": detector,
            "interval_s": _number(asked.get("every_s", "0.2")),
        }
        found = [_analysis(one | ({"rules": rules} if "debounce" in asked else {}))]
    for asked_for, _ in found:
        check_allowed(asked_for["detector"], services)
        if key := named_by_path(asked_for["detector"]):
            raise SettingError(f"{key} is the name of a file in the models folder, not a path")
    return Wanted([made for made, _ in found], [rule for _, rule in found])


def asks_anything(given: Mapping[str, str]) -> bool:
    """Whether a parameter is there that is about an analysis."""
    return any(name in given for name in ASKING)


def of_metadata(text: str) -> dict[str, str]:
    """The `Upload-Metadata` of tus: keys with values in base64. Raises SettingError."""
    found = {}
    for pair in filter(None, (one.strip() for one in text.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise SettingError(f"Upload-Metadata: the value of {key[:40]!r} is no base64") from None
    return found


def _analysis(given: Any) -> tuple[dict[str, Any], AskedRules]:
    if not isinstance(given, dict):
        raise SettingError(f"an analysis is an object, got {given!r:.40}")
    known = {"name", "detector", "interval_s", "frame_count", "frame_step", "gate", "rules"}
    if unknown := set(given) - known:
        raise SettingError(f"an analysis has no {sorted(unknown)[0]!r}; it has {sorted(known)}")
    one = dict(given)
    rules = one.pop("rules", None)
    detector = one.get("detector")
    if not isinstance(detector, dict) or not isinstance(detector.get("name"), str):
        raise SettingError("the detector of an analysis is an object with a name")
    if detector["name"] not in detectors:
        near = closest(detector["name"], detectors.names())
        raise SettingError(f"unknown detector {detector['name'][:40]!r}; {near}")
    labels = detector.get("labels")
    if labels is not None:
        if not isinstance(labels, list) or not all(isinstance(x, str) for x in labels):
            raise SettingError("labels are texts")
        if len(labels) > _MOST_LABELS:
            raise SettingError(f"at most {_MOST_LABELS} labels, got {len(labels)}")
        for label in labels:
            check_name(label, "label")
        if detector["name"] != "python" and detectors.package(detector["name"]) is None:
            check_labels(detector["name"], labels, "labels")
    Sampling(
        every_s=one.get("interval_s", 0.2),
        frame_count=one.get("frame_count", 1),
        frame_step=one.get("frame_step", 1),
    )
    if rules is None or rules == CURRENT:
        return one, rules
    if not isinstance(rules, dict):
        raise SettingError(f"rules are an object or {CURRENT!r}, got {rules!r:.40}")
    rule_of(rules, 0.5)
    return one, rules


def _list(text: str) -> list[Any]:
    found = _json(text, "analyses")
    if not isinstance(found, list) or not 1 <= len(found) <= _MOST_ANALYSES:
        raise SettingError(f"analyses is a list of 1 to {_MOST_ANALYSES}")
    return found


def _object(text: str, name: str) -> dict[str, Any]:
    found = _json(text, name)
    if not isinstance(found, dict):
        raise SettingError(f"{name} is an object, got {text[:40]!r}")
    return found


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise SettingError(f"{name} is not JSON: {text[:40]!r}") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingError(f"every_s must be a number of seconds, got {text[:40]!r}") from None
