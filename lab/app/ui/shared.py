"""What several pages share: state, assets, waiting for jobs, text formats."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import streamlit as st

from lab.app.server.state import AppState, app_state
from lab.app.ui.widgets.start_analyses import resume_run
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.jobs.job import Job
from lab.retention.sizes import size as size
from lab.runs.run import Run

_WAIT_S = 120.0
COMPONENTS = Path(__file__).parent / "components"
_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[^"]*)";\n', re.M)
_EXPORT = re.compile(r"^export ((?:async function|function|class|const) (\w+))", re.M)


def here() -> AppState:
    """The state of the app; where there is none the page shows why and stops."""
    try:
        return app_state()
    except LabError as error:
        st.error(plain(error))
        st.stop()


def asset(*names: str) -> str:
    """Texts of a component, one after the other."""
    return "\n".join((COMPONENTS / name).read_text() for name in names)


def script(name: str) -> str:
    """A component's module with all that it imports, as one: Streamlit takes a single text.

    Modules import each other as `import { a, b } from "./file.js";`, not in a circle, and export
    with the declaration. Names that are exported differ within a component; others are private.
    """
    texts: dict[Path, str] = {}

    def add(file: Path) -> None:
        if file in texts:
            return
        text = file.read_text()
        for imported in _IMPORT.findall(text):
            add((file.parent / imported).resolve())
        body = _EXPORT.sub(r"\1", _IMPORT.sub("", text))
        names = ", ".join(exported[1] for exported in _EXPORT.findall(text))
        texts[file] = f"const {{ {names} }} = (() => {{\n{body}return {{ {names} }};\n}})();\n"
        if file == entry:
            texts[file] = body

    entry = (COMPONENTS / name).resolve()
    add(entry)
    return "\n".join(texts.values())


def finish(job: Job, text: str, clips: int = 1) -> dict[str, Any] | None:
    """Wait for a short job: its result, or None after the page has shown the error."""
    wait_s = _WAIT_S * clips
    with st.spinner(plain(text)):
        if not job.finished.wait(wait_s):
            st.error(f"{plain(job.title)} takes longer than {wait_s:.0f} s; try again later")
            return None
    if job.state != "done":
        st.error(plain(job.error or f"{job.title} was cancelled"))
        return None
    return job.result


def note_damage(*runs: Run) -> None:
    """Say which runs are damaged, with a button that analyses what is missing again."""
    app_state = here()
    busy = {job.run_id for job in app_state.analyses.live().values()}
    for run in {run.run_id: run for run in runs}.values():
        if run.damage is None:
            continue
        words, act = st.columns([5, 1], vertical_alignment="center")
        words.error(plain(run.damage[:1].upper() + run.damage[1:]))
        is_asked = act.button(
            "Analyse again",
            key=f"again_{run.run_id}",
            disabled=run.run_id in busy,
            width="stretch",
            help="What is missing, in the background; the page Analyse shows how far it is.",
        )
        if is_asked and resume_run(app_state, run.run_id, run.media):
            st.rerun()


def shortened(name: str, most: int = 60) -> str:
    """A clip's name in at most so many characters, with its beginning and its end."""
    return name if len(name) <= most else f"{name[: most - 21]}…{name[-20:]}"


def table_height(rows: int, most: int) -> int:
    """The height of a table in pixels: of its rows, but no more than `most`."""
    return min(most, 38 + 35 * max(rows, 1))


def clock(seconds: float | None) -> str:
    """A duration as text, such as 12.3 s, 4:05 or 1:02:03."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
