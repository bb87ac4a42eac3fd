"""The steps of the page Measure; the one that is shown is in its address."""

from __future__ import annotations

import streamlit as st

from lab.formats.markdown import plain

GOOD, BETTER, NEXT, PROOF = "good", "rule", "next", "proof"
STEPS = {
    GOOD: "1 · How good?",
    BETTER: "2 · Better rule",
    NEXT: "3 · What next",
    PROOF: "4 · Proof",
}
_PARAMETER, _KEY = "step", "measure_step"


def choose_step() -> str:
    """Show the steps; the one that the address names."""
    asked = st.query_params.get(_PARAMETER, GOOD)
    step = asked if asked in STEPS else GOOD
    if st.session_state.get(_KEY) != step:  # by a link, back or forward
        st.session_state[_KEY] = step
    st.segmented_control(
        "Step",
        list(STEPS),
        format_func=STEPS.__getitem__,
        key=_KEY,
        required=True,
        on_change=_write_address,
        label_visibility="collapsed",
        width="stretch",
    )
    return step


def go_on_button(step: str, text: str) -> None:
    """A button that leads to a step."""
    st.button(
        plain(text),
        key=f"to_{step}",
        icon=":material/arrow_forward:",
        on_click=_go_to,
        args=(step,),
    )


def _write_address() -> None:
    _go_to(st.session_state[_KEY])


def _go_to(step: str) -> None:
    if step == GOOD:
        st.query_params.pop(_PARAMETER, None)
    else:
        st.query_params[_PARAMETER] = step
