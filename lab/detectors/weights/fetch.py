"""Fetching weights, and checking that they are still those that are known by their name."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.detectors.weights.catalogue import Entry, catalogue
from lab.detectors.weights.download import Progress, download, redact_url
from lab.detectors.weights.files import (
    DEFAULT_NAME,
    PINS_FILE,
    folder_entries,
    is_model,
    models_folder,
    no_such_weights,
    read_json,
    weights_sha256,
    write_json,
)
from lab.errors import DetectorError


def pins() -> dict[str, dict[str, Any]]:
    """What was downloaded here, by name: `sha256`, `url` and the kind of `check` it had."""
    path = models_folder() / PINS_FILE
    kept = read_json(path)
    if path.is_file() and not kept:
        raise DetectorError(
            f"{path} cannot be read; it remembers what was downloaded: put it back, or delete it"
        )
    return {k: v for k, v in kept.items() if isinstance(v, dict)}


def check_known(path: Path) -> Path:
    """The path, if the file is the one that is known by its name, or none is.

    Raises DetectorError if it is another than what was downloaded, or is published.
    """
    if path.is_file():
        compare_with_known(path, None)
    return path


def compare_with_known(path: Path, sha256: str | None) -> None:
    """Check a file against the hash that is known by its name, if any is.

    sha256: of the file, if it was computed already. Raises DetectorError if they differ.
    """
    expected, source = known_sha256(path.name)
    if expected is None:
        return
    got = sha256 or weights_sha256(path)
    if got != expected:
        raise DetectorError(
            f"{path} has sha256 {got[:12]}..., {source} has {expected[:12]}...; "
            "rename it if it is your own, or delete it and download it again"
        )


def known_sha256(name: str) -> tuple[str | None, str]:
    """The hash that a file of that name must have, and where it comes from, for messages.

    (None, "") if none is known.
    """
    entry = catalogue(models_folder()).get(name)
    if entry and entry.sha256:
        return entry.sha256, "the published file"
    pin = pins().get(name)
    return (
        (str(pin["sha256"]), "the one downloaded first") if pin and "sha256" in pin else (None, "")
    )


def verify(names: list[str]) -> list[dict[str, Any]]:
    """Each model (all, if no name is given) against what is known of it.

    `state` is `ok`, `differs`, or `unknown` where nothing is known to compare with.
    """
    folder = models_folder()
    paths = [p for p in folder_entries(folder) if is_model(p)]
    if missing := sorted(set(names) - {p.name for p in paths}):
        raise no_such_weights(missing[0], [p.name for p in paths])
    rows = []
    for path in paths:
        if names and path.name not in names:
            continue
        expected, source = known_sha256(path.name)
        got = weights_sha256(path)
        state = "unknown" if expected is None else "ok" if got == expected else "differs"
        rows.append(
            {
                "name": path.name,
                "state": state,
                "sha256": got,
                "expected": expected,
                "known_from": source or None,
            }
        )
    return rows


def fetch(name: str, progress: Progress | None = None) -> Path:
    """A file of the catalogue, downloaded into the models folder and checked.

    Without progress, a bar is drawn on a terminal. Raises DetectorError if the name is not known,
    or the file cannot be downloaded or is not the expected one.
    """
    folder = models_folder()
    known = catalogue(folder)
    entry = known.get(name)
    if entry is None:
        here = [p.name for p in folder_entries(folder) if is_model(p)]
        raise no_such_weights(name, [*here, *known, DEFAULT_NAME])
    return fetch_entry(entry, progress)


def fetch_entry(entry: Entry, progress: Progress | None = None) -> Path:
    """As `fetch`, for a file that need not be in the catalogue."""
    folder, name = models_folder(), entry.name
    expected = entry.sha256 or known_sha256(name)[0]
    if expected and (folder / name).is_file() and weights_sha256(folder / name) == expected:
        return folder / name
    with _bar(name, progress) as report:
        digest = download(
            entry.url, folder / name, sha256=expected, md5=entry.md5,
            size_bytes=entry.size_bytes, progress=report,
        )  # fmt: skip
    _pin(entry, digest)
    return folder / name


def _pin(entry: Entry, digest: str) -> None:
    import filelock

    path = models_folder() / PINS_FILE
    try:
        with filelock.FileLock(path.with_suffix(".lock")):
            kept = pins()
            if entry.name not in kept:
                kept[entry.name] = {
                    "sha256": digest,
                    "url": redact_url(entry.url),
                    "check": entry.check,
                }
                write_json(path, kept)
    except OSError as error:
        raise DetectorError(f"{path} cannot be written ({error.strerror})") from None


@contextlib.contextmanager
def _bar(name: str, progress: Progress | None) -> Iterator[Progress | None]:
    if progress is not None or not sys.stderr.isatty():
        yield progress
        return
    from tqdm import tqdm

    with tqdm(desc=name, unit="B", unit_scale=True, file=sys.stderr) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
