"""The `control` of a feed in a feeds file: a clip with known answers that is played into it."""

from __future__ import annotations

from pathlib import Path

from lab.errors import SettingError
from lab.feeds.block import Block
from lab.feeds.control_settings import (
    DELIVER_WITHIN_S,
    EVERY_S,
    MIN_RECALL,
    ControlSettings,
    interval_s,
)

CONTROL_KEYS = ("clip", "labels", "every", "min_recall", "deliver_within_s")


def control_settings(feed: Block, folder: Path) -> ControlSettings | None:
    """None where the feed has none. folder: what paths are relative to."""
    if "control" not in feed:
        return None
    block = feed.block("control")
    block.check_keys(CONTROL_KEYS)
    every = block.text("every")
    try:
        every_s = EVERY_S if every is None else interval_s(every)
    except SettingError as error:
        raise block.error("every", str(error)) from None
    min_recall = block.number("min_recall", MIN_RECALL, is_above=True)
    if min_recall > 1:
        raise block.error("min_recall", f"expected a share of at most 1, got {min_recall:g}")
    return ControlSettings(
        clip=_path(block, "clip", folder),
        labels=_path(block, "labels", folder),
        every_s=every_s,
        min_recall=min_recall,
        deliver_within_s=block.number("deliver_within_s", DELIVER_WITHIN_S, is_above=True),
    )


def _path(block: Block, key: str, folder: Path) -> Path:
    return folder / Path(str(block.text(key, is_required=True))).expanduser()
