"""Views of the page Sightings that were saved: opened by a link, kept under a name."""

from __future__ import annotations

import streamlit as st

from lab.app.ui.widgets.sighting_address import Shown
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.store.saved_views import MAX_NAME_CHARS
from lab.store.store import Store

_PAGE = "pages/sightings.py"


def saved_views(store: Store, shown: Shown) -> None:
    """A popover with those that there are, and a field to save this one."""
    views = store.saved_views()
    with st.popover("Views", icon=":material/bookmark:"):
        if not views:
            st.caption("No view is saved yet. Filters, sort, group and the kind of view are kept.")
        for view in views:
            link, delete = st.columns([5, 2], vertical_alignment="center")
            link.page_link(_PAGE, label=plain(view.name), query_params={"saved": view.view_id})
            link.code(link_of(view.view_id), language=None)
            if delete.button(
                "Delete",
                key=f"view_{view.view_id}",
                type="tertiary",
                help=f"Delete the view {plain(view.name)}",
            ):
                store.delete_view(view.view_id)
                st.rerun()
        with st.form("save_view", border=False):
            name = st.text_input("Name of this view", max_chars=MAX_NAME_CHARS)
            if st.form_submit_button("Save this view") and _save(store, name, shown):
                st.rerun()


def _save(store: Store, name: str, shown: Shown) -> bool:
    try:
        store.save_view(name, shown.query())
    except LabError as error:
        st.error(plain(error))
        return False
    st.toast(f"Saved as {plain(name)}.")
    return True


def link_of(view_id: str) -> str:
    """The whole address of a saved view."""
    base = (st.context.url or "").partition("?")[0].rstrip("/")
    return f"{base}?saved={view_id}"
