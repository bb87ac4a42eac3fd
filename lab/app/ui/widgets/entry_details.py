"""An entry of the notebook that is open: figures, curve, protocol, what one writes, exports."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import clock, note_damage
from lab.app.ui.widgets.choices import offered
from lab.app.ui.widgets.clip_card import picture_of
from lab.evaluation.figures import NO_COVERAGE
from lab.experiments.bundle import bundle_of
from lab.experiments.entry import Experiment
from lab.experiments.notebook import notebook_of
from lab.experiments.report import report_of, score_chart
from lab.formats.markdown import code, plain, prose
from lab.rules.rule import Rule
from lab.rules.wording import rule_in_words
from lab.store.store import Store

_MAX_PICTURES = 8
_PICTURES = "display:flex;flex-wrap:wrap;gap:8px"
_PICTURE = "width:140px;aspect-ratio:16/9;object-fit:cover;border-radius:6px;background:#8883"


def show_details(app_state: AppState, row: dict[str, Any]) -> None:
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
            placeholder="",
        )
    with right:
        _rule(rule, is_default=row["rule"] is None)
    _writing(app_state, row)
    first, second, third = st.columns(3)
    name = f"{run.run_id}-{rule.rule_hash[:6]}"
    _download(
        first,
        "Notebook",
        notebook_of(experiment).encode(),
        f"{name}.ipynb",
        "application/x-ipynb+json",
        row,
    )
    _download(
        second,
        "HTML report",
        lambda: report_of(experiment).encode(),
        f"{name}.html",
        "text/html",
        row,
    )
    _download(
        third,
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
    refused: dict[str, bool] = {}
    columns[0].metric("Sightings", len(experiment.run.find(experiment.rule)))
    columns[1].metric("Analysed", clock(effort.analysed_s))
    for column, (name, text) in zip(
        columns[2:], [("precision", "Precision"), ("recall", "Recall"), ("f1", "F1")], strict=True
    ):
        figures = None if found is None else found.overall
        now = None if figures is None else getattr(figures, name)
        limits = None if figures is None else getattr(figures, f"{name}_interval")
        before = then.get(name) if then else None
        column.metric(
            text,
            "–" if now is None else f"{now:.2f}",
            None
            if now is None or before is None or now == before
            else f"{now - before:+.2f} since it was saved",
        )
        if limits is not None:
            column.caption(f"95 % interval {limits[0]:.2f} to {limits[1]:.2f}")
        if now is None:
            refused[NO_COVERAGE if figures is None else figures.refused[name]] = True
    for why in refused:
        st.caption(plain(why[:1].upper() + why[1:]))


def _rule(rule: Rule, *, is_default: bool) -> None:
    """Its settings as the sliders of Review name them."""
    name = "(the run's default)" if is_default else code(rule.rule_hash)
    st.markdown(f"**Rule** {name}")
    st.markdown(plain(rule_in_words(rule.default)))
    for label in sorted(rule.labels):
        own = rule_in_words(rule.labels[label], rule.default) or "the same"
        st.markdown(f"**{plain(label)}**: {plain(own)}")
    if rule.only is not None:
        st.markdown(f"Only {plain(', '.join(rule.only) or 'no label')}")


def _pictures(app_state: AppState, experiment: Experiment) -> None:
    """Pictures of the first peaks; the browser asks for them, and a worker makes those missing."""
    media = experiment.run.media
    images = []
    for s in experiment.run.find(experiment.rule)[:_MAX_PICTURES]:
        address, problem = picture_of(app_state, media, s.peak_us)
        if address is None:
            st.caption(f"No more pictures: {plain(problem)}")
            break
        alt = f"{s.label} at {s.peak_us / 1e6:.1f} s"
        images.append(
            f'<img src="{html.escape(address)}" alt="{html.escape(alt)}" title="{html.escape(alt)}"'
            f' loading="lazy" style="{_PICTURE}">'
        )
    if images:
        st.html(f'<div style="{_PICTURES}">{"".join(images)}</div>')


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
