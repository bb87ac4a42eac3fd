"""`models`: what weights are here, where known ones come from, and whether they are still the same."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from lab.detectors.models_folder import list_models, model_info
from lab.detectors.weights.catalogue import CHECKS, catalogue
from lab.detectors.weights.download import redact_url
from lab.detectors.weights.fetch import fetch, known_sha256, pins, verify
from lab.detectors.weights.files import DEFAULT_NAME, models_folder
from lab.detectors.weights.find import find_weights, in_models_folder
from lab.errors import SettingError

Command = Callable[..., argparse.ArgumentParser]


def _models(args: argparse.Namespace) -> int:
    what: Callable[[argparse.Namespace], int] = {
        "list": _list, "known": _known, "info": _info, "get": _get, "verify": _verify,
    }[args.what]  # fmt: skip
    if args.what in ("info", "get") and not args.names:
        raise SettingError(f"name a model: lab models {args.what} NAME")
    if args.names and args.what in ("list", "known"):
        raise SettingError(
            f"{args.what} takes no names, got {args.names[0]!r}; for one model: lab models info NAME"
        )
    return what(args)


def _list(args: argparse.Namespace) -> int:

    found = list_models()
    if args.json:
        print(json.dumps([info.to_dict() for info in found], indent=1))
        return 0
    for info in found:
        print(f"{info.name:<28} {info.size_bytes / 1e6:>8.1f} MB  ", end="")
        size = f", {info.image_size} px" if info.image_size else ""
        print(
            info.problem
            or f"{info.task}, {len(info.classes)} classes{size}; detector {info.detector}"
        )
    if not found:
        print(
            f"no models in {models_folder()}; put .pt or .onnx files there, or see: lab models known"
        )
    return 0


def _known(args: argparse.Namespace) -> int:

    entries = list(catalogue(models_folder()).values())
    if args.json:
        print(json.dumps([_of_entry(entry) for entry in entries], indent=1))
    else:
        for entry in entries:
            print(f"{entry.name:<28} {entry.task:<8} check: {entry.check:<14} {entry.licence}")
    return 0


def _of_entry(entry: Any) -> dict[str, Any]:
    return {
        "name": entry.name, "url": redact_url(entry.url), "task": entry.task, "licence": entry.licence,
        "size_bytes": entry.size_bytes, "sha256": entry.sha256, "md5": entry.md5, "check": entry.check,
    }  # fmt: skip


def _info(args: argparse.Namespace) -> int:

    rows = []
    for name in args.names:
        entry = catalogue(models_folder()).get(name)
        path = in_models_folder(name)
        if path is None and (entry is None or name == DEFAULT_NAME):
            path = find_weights(name)
        row: dict[str, Any] = model_info(path).to_dict() if path else {"name": name, "path": None}
        row["known"] = _of_entry(entry) if entry else None
        row["expected_sha256"] = known_sha256(path.name if path else name)[0]
        pin = pins().get(path.name if path else name)
        row["check"] = CHECKS[entry.check] if entry else pin["check"] if pin else None
        rows.append(row)
    if args.json:
        print(json.dumps(rows[0] if len(rows) == 1 else rows, indent=1))
        return 0
    for row in rows:
        for key, value in row.items():
            print(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    return 0


def _get(args: argparse.Namespace) -> int:

    rows = []
    for name in args.names:
        path = fetch(name)
        rows.append({"name": name, "path": str(path), "sha256": known_sha256(name)[0]})
        if not args.json:
            print(path)
    if args.json:
        print(json.dumps(rows[0] if len(rows) == 1 else rows, indent=1))
    return 0


def _verify(args: argparse.Namespace) -> int:

    rows = verify(args.names)
    if args.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            why = (
                f", {row['known_from']} has {row['expected']}" if row["state"] == "differs" else ""
            )
            print(f"{row['state']:<8} {row['name']}  sha256 {row['sha256']}{why}")
    return 1 if any(row["state"] == "differs" for row in rows) else 0


def add(command: Command) -> list[argparse.ArgumentParser]:
    m = command("models", _models, "The weights that are here, and known ones to download.",
                "lab models get yolo11s.pt")  # fmt: skip
    m.add_argument("what", choices=["list", "known", "info", "get", "verify"])
    m.add_argument("names", nargs="*", metavar="NAME")
    m.add_argument("--json", action="store_true", help="a result for programs")
    return [m]
