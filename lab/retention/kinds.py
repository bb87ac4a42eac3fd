"""The kinds of files that may go, in words, and why one is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """title, one, many: as people read it. goes: what is lost when one goes, and what stays.
    only: the conditions that a policy may name for it besides age and size.
    """

    title: str
    one: str
    many: str
    goes: str
    only: tuple[str, ...] = ()


# Those that need no space to be removed come first, for a disk may be full.
KINDS: dict[str, Kind] = {
    "leftovers": Kind(
        "Unfinished files",
        "unfinished file",
        "unfinished files",
        "Nothing is lost: nobody will finish or use them.",
    ),
    "pictures": Kind(
        "Pictures",
        "clip's pictures",
        "clips' pictures",
        "They are made again when a page shows the clip.",
        ("unsighted", "reviewed", "unreviewed"),
    ),
    "copies": Kind(
        "Browser copies",
        "browser copy",
        "browser copies",
        "They are made again when the clip is played.",
        ("unsighted", "reviewed", "unreviewed"),
    ),
    "removed": Kind(
        "Files of removed clips",
        "file of a removed clip",
        "files of removed clips",
        "Uploads whose clips were removed from the library; they cannot be put back then.",
    ),
    "clips": Kind(
        "Uploaded clips",
        "uploaded clip",
        "uploaded clips",
        "The video goes, with its browser copy. Runs, scores, sightings and pictures stay. Files "
        "outside the store are never touched.",
        ("unsighted",),
    ),
    "logs": Kind(
        "Score logs",
        "score log",
        "score logs",
        "Scores and boxes go, so that no other rule can be tried. Sightings, effort and facts of "
        "the run stay.",
        ("unsighted",),
    ),
}
ONLY = {
    "unsighted": "in which no rule found anything",
    "reviewed": "of clips that somebody reviewed",
    "unreviewed": "of clips that nobody reviewed",
}
# Why a thing is kept whatever the policy says; read after a colon.
REASONS = {
    "running": "being analysed now",
    "waiting": "waiting to be analysed",
    "unfinished": "the run is not finished and can be gone on with",
    "reviewed": "the clip was annotated, judged or watched",
    "audited": "an audit drew the clip",
    "noted": "a notebook entry names the run",
    "tuned": "a saved or current rule was tuned on the run",
    "lacking": "the current rule was not applied to the run yet",
    "unapplied": "no rule was applied to the run, so nothing that it found would stay",
    "new": "the clip was not analysed yet",
    "only": "the video is not there, so they could not be made again",
    "damaged": "damaged, or without its folder; lab doctor says more",
    "gone": "no longer in the store",
}
