"""How much room the store takes, and what of it may go: policy, preview, and the removal."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import size
from lab.app.ui.widgets.dialogs import close_dialog, is_open, open_dialog
from lab.counted import counted
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.retention.disk_usage import usage
from lab.retention.kinds import KINDS, ONLY, REASONS
from lab.retention.plan import KindPlan, Plan, preview
from lab.retention.policy import KindPolicy, Policy, read_policy, write_policy
from lab.retention.removal import apply, last_removed
from lab.retention.tally import Removed

_GIB = 2**30
_DIALOG = "remove_files"
_PLAN, _SAID = "storage_plan", "storage_said"
_OTHERS = {"feeds": "Recordings of feeds", "backups": "Copies of the catalog",
           "catalog": "Catalog", "other": "Other files"}  # fmt: skip
_WIDTHS = [3, 2, 2, 3]
_NO_CONDITION = "all of them"
# Columns have heads; where the window is so narrow that they lie below each other, each field has
# its own, which is there for screen readers in any window.
_HEADS = """<style>
@media (max-width: 640px) { .st-key-storage_heads { display: none; } }
@media (min-width: 640.02px) {
  :is([class*="st-key-storage_days_"], [class*="st-key-storage_gib_"],
      [class*="st-key-storage_only_"]) [data-testid="stWidgetLabel"] {
    position: absolute; width: 1px; height: 1px; min-height: 0; overflow: hidden;
    clip-path: inset(50%);
  }
}
</style>"""


def storage_view(app_state: AppState) -> None:
    """The whole view: bytes by kind, the policy, what would go, and what went last."""
    _show_usage(app_state)
    try:
        policy = read_policy(app_state.store)
    except LabError as error:
        st.error(plain(error))
        return
    _policy_form(app_state, policy)
    _show_preview(app_state)
    if is_open(_DIALOG) and _PLAN in st.session_state:
        _confirm(app_state, st.session_state[_PLAN])
    _show_last(app_state)


def _show_usage(app_state: AppState) -> None:
    st.subheader("Storage")
    try:
        found = usage(app_state.store)
    except OSError as error:
        st.error(plain(f"The store cannot be looked at: {error.strerror or error}"))
        return
    st.markdown(f"**{size(found.total)}** in {plain(app_state.store.folder)}")
    names = {**{kind: one.title for kind, one in KINDS.items()}, **_OTHERS}
    rows = sorted(found.by_kind.items(), key=lambda one: -one[1])
    st.dataframe(
        [
            {
                "Kind": names[kind],
                "Size": size(size_bytes),
                "Share": size_bytes / found.total if found.total else 0.0,
            }
            for kind, size_bytes in rows
            if size_bytes
        ],
        hide_index=True,
        width="stretch",
        column_config={
            "Share": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
        },
        placeholder="",
    )


def _policy_form(app_state: AppState, policy: Policy) -> None:
    st.subheader("What may go")
    st.caption(
        "Nothing goes by itself. What is older than the age, and the oldest of what is more than "
        "the size, goes when you say so below. Both fields empty: all stay. Files outside the "
        "store are never touched, and score logs and clips that somebody reviewed are kept."
    )
    with st.form("storage_policy", border=False):
        st.html(_HEADS)
        heads = st.container(key="storage_heads").columns(_WIDTHS)
        for place, text in zip(
            heads, ("", "Older than, days", "More than, GiB", "Which"), strict=True
        ):
            place.caption(plain(text))
        given = {kind: _kind_fields(kind, policy.of(kind)) for kind in KINDS}
        is_kept = st.form_submit_button("Save, and show what would go", type="primary")
    if not is_kept:
        return
    st.session_state.pop(_SAID, None)
    try:
        write_policy(app_state.store, Policy(**given))
        with st.spinner("Looking at what would go"):
            st.session_state[_PLAN] = preview(app_state.store)
    except LabError as error:
        st.session_state.pop(_PLAN, None)
        st.error(plain(error))


def _kind_fields(kind: str, policy: KindPolicy) -> KindPolicy:
    about = KINDS[kind]
    name, age, most, which = st.columns(_WIDTHS, vertical_alignment="center")
    name.markdown(f"**{plain(about.title)}**", help=plain(about.goes))
    days = age.number_input(
        f"{plain(about.title)}: older than, days",
        min_value=0.0,
        value=policy.older_than_days,
        step=1.0,
        format="%g",
        placeholder="days",
        key=f"storage_days_{kind}",
    )
    limit = policy.larger_than_bytes
    gib = most.number_input(
        f"{plain(about.title)}: more than, GiB",
        min_value=0.0,
        value=None if limit is None else limit / _GIB,
        step=1.0,
        format="%g",
        placeholder="GiB",
        key=f"storage_gib_{kind}",
    )
    only = None
    if about.only:
        choices: dict[str | None, str] = {None: _NO_CONDITION}
        choices |= {one: f"only {ONLY[one]}" for one in about.only}
        only = which.selectbox(
            f"{plain(about.title)}: which",
            list(choices),
            index=list(choices).index(policy.only),
            format_func=choices.__getitem__,
            key=f"storage_only_{kind}",
        )
    unapplied = kind == "logs" and which.checkbox(
        "Also where no rule was applied",
        value=policy.unapplied,
        key="storage_unapplied",
        help="Of these runs nothing that was found would stay, only how much was analysed.",
    )
    return KindPolicy(
        older_than_days=days,
        larger_than_bytes=None if gib is None else round(gib * _GIB),
        only=only,
        unapplied=unapplied,
    )


def _show_preview(app_state: AppState) -> None:
    plan: Plan | None = st.session_state.get(_PLAN)
    if plan is None or plan.folder != str(app_state.store.folder):
        return
    st.subheader("What would go")
    for kind, one in plan.kinds.items():
        _show_kind(kind, one)
    if not plan.count:
        st.info("Nothing would go.")
        return
    st.button(
        f"Remove {counted(plan.count, 'item')}, {size(plan.size_bytes)}",
        icon=":material/delete:",
        on_click=open_dialog,
        args=(_DIALOG,),
    )


def _show_kind(kind: str, one: KindPlan) -> None:
    about = KINDS[kind]
    if not one.going and not one.kept:
        return
    if one.going:
        what = counted(len(one.going), about.one, about.many)
        st.markdown(f"**{what}, {size(one.going_bytes)}**, would go. {plain(about.goes)}")
        shown = [
            {
                "Name": item.name,
                "Size": size(item.size_bytes),
                "Since": item.since_utc.date(),
                "Sightings": item.sightings,
            }
            for item in one.going[:5]
        ]
        st.dataframe(shown, hide_index=True, width="stretch", placeholder="")
        if len(one.going) > len(shown):
            st.caption(f"The oldest; {len(one.going) - len(shown):,} more.")
        _say_made_again(one)
    for why, kept in one.kept.items():
        what = counted(kept.count, about.one, about.many)
        few = ", ".join(kept.examples[:2]) + (", …" if kept.count > 2 else "")
        st.caption(f"Kept: {what} ({size(kept.size_bytes)}): {REASONS[why]}; such as {plain(few)}")
    if one.over_bytes:
        st.caption(f"What is kept is {size(one.over_bytes)} more than the size that was given.")


def _say_made_again(one: KindPlan) -> None:
    if one.made_again:
        (st.warning if one.for_good else st.caption)(plain(one.made_again))


@st.dialog("Remove files", on_dismiss=close_dialog)
def _confirm(app_state: AppState, plan: Plan) -> None:
    going = {kind: one for kind, one in plan.kinds.items() if one.going}
    for kind, one in going.items():
        about = KINDS[kind]
        what = counted(len(one.going), about.one, about.many)
        st.markdown(f"**{what}**, {size(one.going_bytes)}. {plain(about.goes)}")
        _say_made_again(one)
    st.markdown("This cannot be undone.")
    if not st.button(f"Remove {size(plan.size_bytes)}", type="primary"):
        return
    bar = st.progress(0.0)

    def report(done: int, total: int) -> None:
        bar.progress(min(1.0, done / total))

    try:
        done = apply(app_state.store, plan, progress=report)
    except LabError as error:
        st.error(plain(error))
        return
    st.session_state[_SAID] = _said(done)
    st.session_state.pop(_PLAN, None)
    close_dialog()
    st.rerun()


def _said(done: Removed) -> list[str]:
    return [
        f"Removed {counted(done.count, 'item')}, {size(done.total_bytes)}.",
        *(
            f"Kept after all: {counted(n, KINDS[kind].one, KINDS[kind].many)}: {REASONS[why]}."
            for kind, found in done.kept.items()
            for why, n in found.items()
        ),
        *done.problems[:10],
    ]


def _show_last(app_state: AppState) -> None:
    for i, line in enumerate(st.session_state.get(_SAID, [])):
        (st.warning if i else st.success)(plain(line))
    last: dict[str, Any] | None = last_removed(app_state.store)
    if last is None:
        return
    try:
        parts = [
            f"{counted(n, KINDS[kind].one, KINDS[kind].many)} ({size(last['bytes'][kind])})"
            for kind, n in last["counts"].items()
        ]
        when = str(last["at_utc"])[:16].replace("T", " ")
    except (KeyError, TypeError, AttributeError):
        return
    st.caption(f"The last removal, {plain(when)} UTC: {', '.join(parts) or 'nothing went'}.")
