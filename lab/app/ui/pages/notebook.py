"""The page Notebook: the lab notebook."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import clock, here, note_damage
from lab.app.ui.widgets.choices import offered
from lab.app.ui.widgets.pager import pager
from lab.app.ui.widgets.rule_state import go_to_moment
from lab.app.ui.widgets.selection import protocol_name
from lab.errors import LabError
from lab.experiments.bundle import bundle_of
from lab.experiments.entry import Experiment, changes
from lab.experiments.notebook import notebook_of
from lab.experiments.report import report_of, score_chart
from lab.formats.markdown import code, plain, prose
from lab.store.experiments import EntryFilter
from lab.store.store import Store

_PAGE = 20
_MAX_PICTURES = 8


def notebook() -> None:
    """The whole page below its title."""
    app_state = here()
    store = app_state.store
    total = store.count_entries()
    if not total:
        st.info("The notebook is empty. Each run and each rule that you save becomes an entry.")
        st.page_link("pages/library.py", label="Go to Library", icon=":material/arrow_back:")
        return
    wanted = _filters(store)
    count = store.count_entries(**wanted)
    st.caption(f"{count:,} of {total:,} entries, newest first.")
    first = pager("entries", count, _PAGE, of=wanted)
    entries = store.entries(limit=_PAGE, offset=first, **wanted)
    runs = {r["run_id"]: r for r in store.runs(run_id=[row["run_id"] for row in entries])}
    names = store.names_of_media({run["media_id"] for run in runs.values()})
    opened = st.session_state.get("entry_open")
    for row in entries:
        if (run := runs.get(row["run_id"])) is not None:
            name = names.get(run["media_id"], "?")
            _card(app_state, row, run, name, row["entry_id"] == opened)


def _filters(store: Store) -> EntryFilter:
    first, second, third = st.columns([2, 2, 2], vertical_alignment="bottom")
    text = first.text_input("Search", placeholder="in titles, notes, conclusions, tags")
    tags = second.multiselect("Tags", store.entry_tags(), placeholder="All")
    with third:
        kinds = st.pills(
            "Show", ["starred", "archived"], selection_mode="multi", label_visibility="collapsed"
        )
    return {
        "text": text,
        "tags": tags,
        "starred": True if "starred" in kinds else None,
        "archived": "archived" in kinds,
    }


def _card(
    app_state: AppState,
    row: dict[str, Any],
    run: dict[str, Any],
    name: str,
    is_open: bool,
) -> None:
    star = "★ " if row["starred"] else ""
    tags = " ".join(f":gray-badge[{plain(t)}]" for t in row["tags"])
    kind = {"run": "Run", "rule": "Rule"}[row["kind"]]
    with st.container(border=True):
        left, right = st.columns([5, 1], vertical_alignment="center")
        made_of = protocol_name(run) if name == row["title"] else f"{name} · {protocol_name(run)}"
        left.markdown(
            f"**{star}{plain(row['title'])}** · {plain(kind)} · "
            f"{row['created_utc']:%Y-%m-%d %H:%M} · {plain(made_of)} {tags}"
        )
        if row["conclusion"]:
            left.caption(f"Conclusion: {plain(row['conclusion'][:200])}")
        if right.button(
            "Close entry" if is_open else "Open entry",
            key=f"open_{row['entry_id']}",
            width="stretch",
        ):
            st.session_state.entry_open = None if is_open else row["entry_id"]
            st.rerun()
        if is_open:
            try:
                _opened(app_state, row)
            except LabError as error:
                st.error(plain(error))


def _opened(app_state: AppState, row: dict[str, Any]) -> None:
    experiment = Experiment(app_state.store, row)
    run, rule = experiment.run, experiment.rule
    note_damage(run)
    _figures(experiment, row)
    st.plotly_chart(score_chart(experiment), key=f"chart_{row['entry_id']}")
    _pictures(app_state, experiment)
    left, right = st.columns(2)
    with left:
        st.markdown("**Protocol**")
        st.dataframe(
            [{"setting": k, "value": _brief(v)} for k, v in experiment.protocol.items()],
            hide_index=True,
            height=180,
        )
    with right:
        st.markdown(
            "**Rule** " + (f"{code(rule.rule_hash)}" if row["rule"] else "(the run's default)")
        )
        st.dataframe(
            [
                {"setting": k, "value": str(v)}
                for k, v in (changes(rule, run) or rule.default.debounce.to_dict()).items()
            ],
            hide_index=True,
            height=180,
        )
    _writing(app_state, row)
    first, second, third, fourth = st.columns(4)
    if first.button("Continue tuning", key=f"tune_{row['entry_id']}", width="stretch"):
        go_to_moment(run.run_id, rule, None)
    name = f"{run.run_id}-{rule.rule_hash[:6]}"
    _download(
        second,
        "Notebook",
        notebook_of(experiment).encode(),
        f"{name}.ipynb",
        "application/x-ipynb+json",
        row,
    )
    _download(
        third,
        "HTML report",
        lambda: report_of(experiment).encode(),
        f"{name}.html",
        "text/html",
        row,
    )
    _download(
        fourth,
        "Methods bundle",
        lambda: bundle_of(experiment),
        f"{name}.zip",
        "application/zip",
        row,
    )


def _download(
    place: Any,
    text: str,
    content: bytes | Callable[[], bytes],
    name: str,
    mime: str,
    row: dict[str, Any],
) -> None:
    """A button for bytes, or for a function that makes them on a click: hashing takes a moment."""
    place.download_button(
        plain(text),
        content,
        name,
        mime,
        width="stretch",
        key=f"{text}_{row['entry_id']}",
        on_click="ignore",
    )


def _figures(experiment: Experiment, row: dict[str, Any]) -> None:
    found, then = experiment.evaluation, (row["figures"] or {}).get("overall")
    columns = st.columns(5)
    effort = experiment.run.effort()
    columns[0].metric("Sightings", len(experiment.run.find(experiment.rule)))
    columns[1].metric("Analysed", clock(effort.analysed_s))
    for column, (name, text) in zip(
        columns[2:], [("precision", "Precision"), ("recall", "Recall"), ("f1", "F1")], strict=True
    ):
        now = getattr(found.overall, name) if found is not None else None
        before = then.get(name) if then else None
        column.metric(
            text,
            "–" if now is None else f"{now:.3f}",
            None
            if now is None or before is None or now == before
            else f"{now - before:+.3f} since it was saved",
        )


def _pictures(app_state: AppState, experiment: Experiment) -> None:
    """Pictures of the first peaks; a worker makes those that are missing."""
    media = experiment.run.media
    folder = app_state.store.pictures_folder(media["media_id"])
    peaks = [s.peak_us for s in experiment.run.find(experiment.rule)][:_MAX_PICTURES]
    if not peaks:
        return
    missing = [t for t in peaks if not (folder / f"{t}.jpg").exists()]
    problem = app_state.checked_media(media["media_id"])[1]
    if missing and problem is not None:
        st.caption(plain(f"No more pictures: {problem}"))
    elif missing:
        app_state.want_pictures(media["media_id"], media["path"], missing)
    ready = [folder / f"{t}.jpg" for t in peaks if t not in missing]
    if ready:
        addresses = [
            "data:image/jpeg;base64," + base64.b64encode(f.read_bytes()).decode() for f in ready
        ]
        st.image(addresses, width=140)
    if missing and any(j.is_active and j.kind == "pictures" for j in app_state.engine.jobs()):
        st.fragment(_look_again, run_every=1.0)(app_state)


def _look_again(app_state: AppState) -> None:
    if not any(j.is_active and j.kind == "pictures" for j in app_state.engine.jobs()):
        st.rerun()


def _writing(app_state: AppState, row: dict[str, Any]) -> None:
    entry_id = row["entry_id"]
    if row["notes"]:
        with st.container(border=True):
            st.markdown(prose(row["notes"]))
    others = _others(app_state.store, row)
    with st.form(f"write_{entry_id}"):
        title = st.text_input("Title", row["title"] or "")
        notes = st.text_area("Notes (Markdown)", row["notes"] or "", height=120)
        conclusion = st.text_area("Conclusion", row["conclusion"] or "", height=80)
        first, second = st.columns(2)
        tags = first.text_input("Tags, separated by commas", ", ".join(row["tags"]))
        parents = second.multiselect(
            "Follows from",
            list(others),
            [p for p in row["parents"] if p in others],
            format_func=others.__getitem__,
        )
        starred, archived = st.columns(2)
        star = starred.checkbox("Starred", bool(row["starred"]))
        archive = archived.checkbox("Archived", bool(row["archived"]))
        if st.form_submit_button("Save entry", type="primary"):
            app_state.store.write_entry(
                entry_id,
                title=title.strip() or None,
                notes=notes,
                conclusion=conclusion,
                starred=star,
                archived=archive,
                tags=list(dict.fromkeys(t.strip() for t in tags.split(",") if t.strip())),
                parents=parents,
            )
            st.toast("Entry saved.")
            st.rerun()


def _others(store: Store, row: dict[str, Any]) -> dict[str, str]:
    """What an entry may follow from, with its title: all of a few, or those that fit a text."""
    kept = store.entry_titles(entry_id=row["parents"]) if row["parents"] else {}
    # A form takes no box that changes what another one in it offers, so this one is above it.
    found, _ = offered(
        st,
        "entries that it follows from",
        lambda text, limit: store.entry_titles(text=text, limit=limit),
        f"parents_{row['entry_id']}",
        "Words of a title, tag or id",
    )
    return {k: v for k, v in {**kept, **found}.items() if k != row["entry_id"]}


def _brief(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 120 else text[:117] + "…"
