"""A page that fills the window and does not scroll: one line of controls, and a component below."""

from __future__ import annotations

import streamlit as st

# The component takes what is left, and no less than it needs: in a lower window the page scrolls.
# Messages come up below, where they cover no button of the line.
_STYLE = """
<style>
header.stAppHeader { height: 56px; min-height: 56px; }
.stMainBlockContainer { padding: 60px 16px 8px; height: 100dvh; max-width: none; }
.stMainBlockContainer > .stVerticalBlock { height: 100%; gap: 8px; flex-wrap: nowrap; }
.stMainBlockContainer > .stVerticalBlock > * { flex-shrink: 0; }
.stMainBlockContainer > .stVerticalBlock > .st-key-player {
  flex: 1 1 0; min-height: 440px; height: auto;
}
.st-key-player, .st-key-player [data-testid="stBidiComponentRegular"],
.st-key-player [data-testid="stBidiComponentIsolated"] { height: 100%; }
.st-key-context { flex-wrap: nowrap; gap: 8px; min-width: 0; }
.st-key-context > * { min-width: 0; }
.st-key-context button { white-space: nowrap; }
[data-testid="stPopoverBody"] { min-width: min(560px, 92vw); }
[data-testid="stToastContainer"] { top: auto; bottom: 56px; }
@media (max-width: 900px) {
  .st-key-context { flex-wrap: wrap; }
  .st-key-context > :first-child { flex-basis: 100%; }
}
@media (max-width: 760px) {
  .stMainBlockContainer > .stVerticalBlock > .st-key-player { min-height: 520px; }
}
@media (max-width: 560px) {
  .stMainBlockContainer > .stVerticalBlock > .st-key-player { min-height: 680px; }
}
@media (max-height: 800px) {
  header.stAppHeader { height: 48px; min-height: 48px; }
  .stMainBlockContainer { padding: 48px 16px 4px; }
  .stMainBlockContainer > .stVerticalBlock { gap: 4px; }
}
</style>
"""


def one_screen() -> None:
    """Let the component with the key `player` fill the window below the container `context`."""
    st.html(_STYLE)
