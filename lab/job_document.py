"""A whole analysis as one document: what to look at, with which detectors, rules and sinks.

`read_job` (a file) or `job_of` (a mapping) check it whole, `run_job` does it, `document_of` writes
one for runs that are there. The form is that of `schema()`; see docs/guide/jobs.md.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.analysis import find_clips
from lab.documents.checks import check_document
from lab.documents.export import document_of, text_of
from lab.documents.running import JobResult, run_job
from lab.documents.text import check_values, plain_values, read_text
from lab.documents.variables import expand as expand_variables
from lab.documents.words import check_schema, schema
from lab.errors import SettingError, SourceError
from lab.registry import detectors

__all__ = [
    "JobAnalysis", "JobDocument", "JobResult", "document_of", "job_of", "read_job", "run_job",
    "schema", "text_of",
]  # fmt: skip
EVERY_S = 0.2


@dataclass(frozen=True, kw_only=True)
class JobAnalysis:
    """One of a document's analyses. rules: as the document writes them."""

    name: str
    detector: str
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    interval_s: float = EVERY_S
    frame_count: int = 1
    frame_step: int = 1
    gate: str | Mapping[str, Any] | None = None
    rules: Mapping[str, Any] | None = None

    @property
    def is_plugin(self) -> bool:
        """Whether its settings go to somebody else's code."""
        return self.detector == "python" or detectors.package(self.detector) is not None


@dataclass(frozen=True, kw_only=True)
class JobDocument:
    """A document that was checked.

    document: as it was written, its variables by name. folder: what its paths are relative to.
    store: None if it names none. secrets: variables that were expanded in keys of plugins.
    """

    document: Mapping[str, Any]
    folder: Path
    paths: Sequence[str]
    analyses: Sequence[JobAnalysis]
    sinks: Sequence[Mapping[str, Any]]
    store: Path | None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def clips(self) -> list[Path]:
        """The clips of its source, each once.

        Raises SourceError for a pattern that matches nothing or a folder without videos; a file
        that is not there is found out when it is opened.
        """
        found: list[Path] = []
        for given in self.paths:
            path = self.folder / given
            if not path.exists() and glob.has_magic(given):
                matches = sorted(glob.glob(given, root_dir=self.folder, recursive=True))
                if not matches:
                    raise SourceError(f"no file matches {path}")
                found += find_clips([self.folder / match for match in matches])
            else:
                found += find_clips([path])
        return list({os.path.realpath(clip): clip for clip in found}.values())


def read_job(path: str | Path, *, expand: bool = False) -> JobDocument:
    """The document in a file, YAML unless its name ends in `.json`.

    expand: put environment variables where it says `${NAME}`; only for a document that the user
        named on the command line, see `lab.documents.variables`.

    Raises SettingError in one line that says where, what was found and what was expected.
    """
    text, format = read_text(path)
    return job_of(plain_values(text, format), folder=Path(path).absolute().parent, expand=expand)


def job_of(
    document: Mapping[str, Any], *, folder: str | Path | None = None, expand: bool = False
) -> JobDocument:
    """The same for a mapping. folder: what its paths are relative to; the working folder, else."""
    if not isinstance(document, Mapping):
        raise SettingError(f"the document must be a mapping, got {type(document).__name__}")
    check_values(document)
    check_schema(document)
    whole, secrets = expand_variables(document, os.environ) if expand else (dict(document), {})
    base = Path(folder).absolute() if folder is not None else Path.cwd()
    source = whole["source"]
    every_s = whole.get("sampling", {}).get("every_s", EVERY_S)
    job = JobDocument(
        document=dict(document),
        folder=base,
        paths=[
            _home(path) for path in (source["paths"] if "paths" in source else [source["path"]])
        ],
        analyses=[_analysis(row, every_s, base) for row in whole["analyses"]],
        sinks=[
            {**row, "path": str(base / _home(row["path"]))} if "path" in row else row
            for row in whole.get("sinks", [])
        ],
        store=base / _home(whole["store"]) if "store" in whole else None,
        secrets=secrets,
    )
    check_document(job)
    return job


def _home(path: str) -> str:
    return os.path.expanduser(path)


def _analysis(row: Mapping[str, Any], every_s: float, folder: Path) -> JobAnalysis:
    settings = dict(row.get("settings", {}))
    weights = settings.get("weights")
    if isinstance(weights, str) and len(Path(weights).parts) > 1:
        settings["weights"] = str(
            folder / _home(weights)
        )  # a bare name is one of the models folder
    given = {"name": row["detector"], "interval_s": every_s, **row, "settings": settings}
    return JobAnalysis(**given)
