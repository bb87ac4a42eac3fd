"""What to look for, and the detector that can look for it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from lab.app.ui.widgets.prompts import KEY, checked, prompt_chips
from lab.counted import counted
from lab.formats.markdown import plain

AUTOMATIC = "automatic"
DETECTOR = "keep_detector"
LABEL = "What to look for"
# Detectors that look for words.
BY_WORDS = ("yolo", "yolo-world", "yoloe", "ocr", "text", "remote")
_BY_PHRASES = ("yolo-world", "yoloe", "ocr", "text")


@dataclass(frozen=True)
class Decision:
    """A detector, and why it is that one, in words."""

    detector: str
    why: str


def wanted_words() -> list[str]:
    """The chips of what to look for.

    Labels are not offered: Enter would take the first that resembles what was typed.
    """
    return prompt_chips(LABEL, KEY)


def looking_for() -> None:
    """The chips on a page before the analysis; the words win over a detector chosen earlier."""
    prompts = wanted_words()
    if not prompts or checked(prompts) is None:
        return
    if st.session_state.get(DETECTOR) not in (None, AUTOMATIC, *_BY_PHRASES):
        st.session_state[DETECTOR] = AUTOMATIC
    st.caption("The page Analyse starts with " + ("this." if len(prompts) == 1 else "these."))


def decide(words: list[str], known: list[str] | None) -> Decision:
    """The detector for these words.

    known: labels of the default weights of `yolo`, None if they cannot be used.
    """
    if not words:
        count = "" if known is None else f" ({counted(len(known), 'label')})"
        return Decision("yolo", f"Everything that yolo knows{count}.")
    if known is None:
        return Decision("yolo-world", "yolo-world looks for any words.")
    strange = unknown(words, known)
    if not strange:
        return Decision("yolo", f"yolo knows {'this' if len(words) == 1 else 'all of these'}.")
    few = ", ".join(map(repr, strange[:3])) + (" and others" if len(strange) > 3 else "")
    return Decision("yolo-world", f"yolo does not know {few}; yolo-world looks for any words.")


def unknown(words: list[str], known: list[str]) -> list[str]:
    """The words that are no labels, in whatever case."""
    labels = {label.casefold() for label in known}
    return [word for word in words if word.casefold() not in labels]


def as_labels(words: list[str], known: list[str]) -> list[str]:
    """Words as the model writes them, each once."""
    labels = {label.casefold(): label for label in known}
    return list(dict.fromkeys(labels[word.casefold()] for word in words))


def say_unused(name: str, words: list[str]) -> None:
    """Where a detector takes no words, and there are some."""
    if words and name not in BY_WORDS:
        st.info(f"{plain(name)} is not told what to look for: the words above are not used.")
