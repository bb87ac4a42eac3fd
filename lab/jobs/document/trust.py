"""What a document would do beyond the lab's own detectors and its own folder.

A document is code to whoever runs it: it may name detectors and sinks that run anything, send
pictures and secrets to an address, and write files. Who runs one from somebody else is told so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.detectors.trust import in_one_line, outside_effects, quoted
from lab.errors import SettingError
from lab.jobs.document.document import JobDocument
from lab.sinks.registered import sinks

# Built-in sinks that tell nobody else.
_SINKS_HERE = ("store", "console", "csv", "json", "jsonl")


def effects_of(job: JobDocument, *, store_given: bool = False) -> list[str]:
    """What running it would do that needs trust, with its places; empty for an ordinary document.

    store_given: whether somebody else than the document names the store.
    """
    found = []
    for i, one in enumerate(job.analyses):
        settings = {**one.settings, "name": one.detector}
        found += [f"{effect} (analyses[{i}])" for effect in outside_effects(settings)]
    if job.secrets:
        names = ", ".join(sorted(job.secrets))
        found.append(f"give plugins the values of the environment variables {names}")
    for i, sink in enumerate(job.sinks):
        if (package := sinks.package(sink["type"])) is not None:
            words = f"{package['name']} {package['version']}"
            kind = quoted(sink["type"])
            found.append(f"run the code of {quoted(words)} (plugin {kind}, sinks[{i}])")
        elif sink["type"] not in _SINKS_HERE:
            found.append(f"send sightings elsewhere ({quoted(sink['type'])}, sinks[{i}])")
        if "path" in sink and _is_outside(sink["path"], job.folder):
            found.append(f"write {quoted(sink['path'])}, outside of its folder (sinks[{i}])")
    if job.store is not None and not store_given and _is_outside(job.store, job.folder):
        found.append(f"write {quoted(str(job.store))}, outside of its folder (store)")
    return found


def check_trust(job: JobDocument, *, store_given: bool = False) -> None:
    """Raises SettingError that names everything that it would run, call or write."""
    if effects := effects_of(job, store_given=store_given):
        raise needs_trust(effects)


def needs_trust(effects: Sequence[str]) -> SettingError:
    return SettingError(
        f"nothing was run: the document would {in_one_line(effects)}; "
        "if you know and trust it, give --trust (trust=True in Python)"
    )


def _is_outside(path: str | Path, folder: Path) -> bool:
    """Also by a link: what counts is where the path leads."""
    return not Path(path).resolve().is_relative_to(folder.resolve())
