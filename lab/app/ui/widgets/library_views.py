"""The views of the page Library; the one that is shown is in its address."""

from __future__ import annotations

from lab.app.ui.widgets.address_choice import AddressChoice

CLIPS, SITES, STORAGE = "clips", "sites", "storage"
_VIEWS = {CLIPS: "Clips", SITES: "Sites", STORAGE: "Storage"}
_CHOICE = AddressChoice("view", "library_part", _VIEWS)


def choose_view() -> str:
    """Show the views; the one that the address names."""
    return _CHOICE.show("View of the library")
