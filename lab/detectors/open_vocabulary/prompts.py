"""Prompts of open-vocabulary detectors, and the mode in which they are run."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from lab.errors import SettingError, closest

MODES = ("independent", "joint")
INDEPENDENT_UP_TO = 8
_MAX = {"independent": 100, "joint": 1000}
_MAX_CHARACTERS = 200


def tidy(text: str) -> str:
    """A prompt or name as it is used: normalised (NFC), with single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def check_prompts(labels: Sequence[str] | None) -> tuple[str, ...]:
    """The prompts as they are used: normalised (NFC), single spaces, in their order.

    Raises SettingError if there is none, or one is empty, too long, given twice or not text.
    """
    if labels is None or isinstance(labels, str) or not all(isinstance(x, str) for x in labels):
        got = "none" if labels is None else repr(labels)[:80]
        raise SettingError(
            f"prompts must be a list of words or phrases, got {got}; "
            'for example --labels "car,person on a bicycle"'
        )
    prompts = [tidy(label) for label in labels]
    if not prompts:
        raise SettingError("no prompt given; name one or more words or phrases")
    if len(prompts) > _MAX["joint"]:
        raise SettingError(
            f"{len(prompts)} prompts are given, at most {_MAX['joint']}; "
            "split them into several runs"
        )
    for prompt in prompts:
        shown = repr(prompt if len(prompt) <= 40 else prompt[:40] + "…")
        if not prompt:
            raise SettingError("a prompt is empty; write a word or phrase, or leave it out")
        if len(prompt) > _MAX_CHARACTERS:
            raise SettingError(
                f"the prompt {shown} has {len(prompt)} characters, at most {_MAX_CHARACTERS}; "
                "describe what can be seen in a few words"
            )
        if any(unicodedata.category(c) in ("Cc", "Cs") for c in prompt):
            raise SettingError(f"the prompt {shown} has control characters; type it again")
        if prompts.count(prompt) > 1:
            raise SettingError(f"the prompt {shown} is given twice; give it once")
    return tuple(prompts)


def choose_mode(mode: str | None, count: int) -> str:
    """The mode that is given; else `independent` up to eight prompts and `joint` above.

    independent: each prompt by itself, so that its scores do not depend on the others and a
    prompt can be added to a finished run. joint: one pass for all, which influence each other.
    Raises SettingError for another mode, or too many prompts for it.
    """
    if mode is None:
        return "independent" if count <= INDEPENDENT_UP_TO else "joint"
    if mode not in MODES:
        raise SettingError(f"unknown prompt_mode {mode!r}; {closest(mode, list(MODES))}")
    if count > _MAX[mode]:
        raise SettingError(
            f"{count} prompts in mode {mode} would be {count} passes over every frame, at most "
            f"{_MAX[mode]}; use prompt_mode joint"
        )
    return mode
