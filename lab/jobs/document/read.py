"""Reading a document and checking it whole, before anything runs.

The form is that of `lab.jobs.document.schema.schema()`; see docs/guide/jobs.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.errors import SettingError
from lab.jobs.document.checks import check_document
from lab.jobs.document.document import EVERY_S, JobAnalysis, JobDocument
from lab.jobs.document.schema import check_schema
from lab.jobs.document.text import check_values, plain_values, read_text
from lab.jobs.document.variables import expand as expand_variables


def read_job(path: str | Path, *, expand: bool = False) -> JobDocument:
    """The document in a file, YAML unless its name ends in `.json`.

    expand: put environment variables where it says `${NAME}`; only for a document that the user
        named on the command line, see `lab.jobs.document.variables`.

    Raises SettingError in one line that says where, what was found and what was expected.
    """
    text, format = read_text(path)
    return job_of(plain_values(text, format), folder=Path(path).absolute().parent, expand=expand)


def job_of(
    document: Mapping[str, Any], *, folder: str | Path | None = None, expand: bool = False
) -> JobDocument:
    """The document in a mapping; see `read_job`.

    folder: what its paths are relative to; by default the working folder.
    """
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
