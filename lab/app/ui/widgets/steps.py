"""The steps of the page Measure; the one that is shown is in its address."""

from __future__ import annotations

import streamlit as st

from lab.app.ui.widgets.address_choice import AddressChoice
from lab.formats.markdown import plain

GOOD, BETTER, NEXT, PROOF = "good", "rule", "next", "proof"
STEPS = {
    GOOD: "1 · How good?",
    BETTER: "2 · Better rule",
    NEXT: "3 · What next",
    PROOF: "4 · Proof",
}
_CHOICE = AddressChoice("step", "measure_step", STEPS)


def choose_step() -> str:
    """Show the steps; the one that the address names."""
    return _CHOICE.show("Step", width="stretch")


def go_on_button(step: str, text: str) -> None:
    """A button that leads to a step."""
    st.button(
        plain(text),
        key=f"to_{step}",
        icon=":material/arrow_forward:",
        on_click=_CHOICE.put_in_address,
        args=(step,),
    )
