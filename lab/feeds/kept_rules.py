"""The rule that was set for a feed on a page, or by a command, which stays over restarts.

It stands in place of the rule of the feed's file, until it is taken back or the file gives another
rule than it gave then.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lab.atomic_file import write_atomically
from lab.errors import SettingError, StoreError
from lab.feeds.feed import Feed
from lab.rules.rule import Rule

_NAME = "rule.json"


def keep_rule(root: Path, feed: Feed, *, instead_of: Rule) -> None:
    """root: of all feeds. instead_of: the rule of the feed's file. Raises StoreError."""
    kept = {
        "rule": feed.rule.to_dict(),
        "name": feed.rule_name,
        "instead_of": instead_of.rule_hash,
    }
    try:
        (root / feed.feed_id).mkdir(parents=True, exist_ok=True)
        write_atomically(root / feed.feed_id / _NAME, json.dumps(kept, indent=1))
    except OSError as error:
        raise StoreError(f"the rule is used, but cannot be kept: {error.strerror}") from None


def with_kept_rule(root: Path, feed: Feed) -> Feed:
    """The feed as its file gives it, with the rule that was set in place of the file's.

    root: of all feeds.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, SettingError):
        kept = json.loads((root / feed.feed_id / _NAME).read_text(encoding="utf-8"))
        # Earlier versions did not note it: there the file's rule stands.
        if not feed.rule_is_given or kept.get("instead_of") == feed.rule.rule_hash:
            return replace(feed, rule=Rule.from_dict(kept["rule"]), rule_name=kept["name"])
        forget_rule(root, feed.feed_id)
    return feed


def forget_rule(root: Path, feed_id: str) -> None:
    with suppress(OSError):
        (root / feed_id / _NAME).unlink()
