"""Notes of measures, charts and files, which the command line and notebooks tell too, in a page."""

from __future__ import annotations

# What the command line calls by its commands has another place here.
_PLACES = {
    "see: lab starts": "see Library, Sites, Starts",
    "see: lab apply": "see “Apply to all clips” in Review",
    " (lab analyze --resume RUN)": "",
}


def sentence(text: str) -> str:
    """A note as a sentence: it begins with a capital, and names what is to be used in pages."""
    for command, place in _PLACES.items():
        text = text.replace(command, place)
    end = "" if text.endswith((".", "!", "?", "…")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}"
