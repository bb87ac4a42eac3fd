"""Which stored sightings: conditions, as SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypedDict, cast, get_args

from lab.annotation import Answer
from lab.errors import SettingError, closest
from lab.store import condition_values as values_of
from lab.store.current_rules import CURRENT_RULES
from lab.store.local_time import CLOCKS, by_clock
from lab.store.query import Wanted, Where, check_conditions

SIGHTINGS = "sightings s LEFT JOIN media m USING (media_id) LEFT JOIN runs r USING (run_id)"
ONSET_UTC = """m.start_utc + to_microseconds(
    s.onset_us + round(1e6 * coalesce(m.clock_correction_s, 0))::BIGINT)"""
IS_CURRENT = f"""coalesce(s.rule_hash = (SELECT c.rule_hash FROM ({CURRENT_RULES}) c
    WHERE c.protocol_hash = r.protocol_hash), true)"""
VERDICTS: tuple[str, ...] = (*get_args(Answer), "relabelled")
_KEY = "(s.media_id, s.label, s.onset_us, s.offset_us)"
_OF_STRETCH = "(media_id, label, start_us, end_us)"
_DAY_US = 86_400_000_000
_VERDICT = """CASE WHEN verdict = 'rejected' AND new_label IS NOT NULL THEN 'relabelled'
    ELSE verdict END"""
# By time, and always in the same order where that is the same; the maximum of a number takes half
# as long as that of a row of values.
_SAID_AT = "(epoch_us(created_utc)::HUGEINT << 64) + hash(verdict_id)"


class SightingFilter(TypedDict, total=False):
    """Which sightings: each condition that is given must hold.

    sighting_id, run_id, media_id, rule_hash, label, site: one, or any of several. name: of the
    clip's file, so too. text: words that the clip's path, the label, the site, the rule's name or
    the note must contain; note: words that the note must contain.

    from_utc, to_utc: of the onset, for clips whose start is known; from_local, to_local: the same
    by the time of the place, without a zone; a day alone is where it begins, and of to_ where it
    ends. hours: from and to, of the day at the place, 0 to 24, to excluded; one
    that ends before it begins goes over midnight. weekday: any of 1 (Monday) to 7. from_us, to_us:
    of the onset, in media time. during_us: from and to; some of it lies between these, of which
    None is open.

    min_confidence, max_confidence: of the peak. min_duration_s, max_duration_s: offset - onset.
    tag: any of these. reviewed: whether anybody gave a verdict. verdict: the last one is any of
    `VERDICTS`. as_judged: the label is the one that was given last, and those that were judged to
    be false are left out. current: only those of the current rule of their run's protocol; where a
    protocol has none, all that were saved.
    """

    sighting_id: Wanted
    run_id: Wanted
    media_id: Wanted
    rule_hash: Wanted
    label: Wanted
    site: Wanted
    name: Wanted
    text: str | None
    note: str | None
    from_utc: datetime | None
    to_utc: datetime | None
    from_local: datetime | None
    to_local: datetime | None
    hours: tuple[float, float] | None
    weekday: Sequence[int] | None
    from_us: int | None
    to_us: int | None
    during_us: tuple[int | None, int | None] | None
    min_confidence: float | None
    max_confidence: float | None
    min_duration_s: float | None
    max_duration_s: float | None
    tag: Wanted
    reviewed: bool | None
    verdict: Wanted
    as_judged: bool | None
    current: bool


def last_verdicts(where: str = "") -> str:
    """The last verdict on each stretch and label, as a table: media_id, label, start_us, end_us,
    verdict (any of `VERDICTS`), new_label, annotator and created_utc. where: which rows of
    `verdicts` count.
    """
    return f"""(SELECT media_id, label, start_us, end_us,
        arg_max({_VERDICT}, {_SAID_AT}) AS verdict,
        nullif(arg_max(coalesce(new_label, ''), {_SAID_AT}), '') AS new_label,
        nullif(arg_max(coalesce(annotator, ''), {_SAID_AT}), '') AS annotator,
        max(created_utc) AS created_utc
        FROM verdicts {where} GROUP BY media_id, label, start_us, end_us)"""


# With the last verdict on each, as `v`.
JUDGED_SIGHTINGS = f"""{SIGHTINGS} LEFT JOIN {last_verdicts()} v ON v.media_id = s.media_id
    AND v.label = s.label AND v.start_us = s.onset_us AND v.end_us = s.offset_us"""


_VALUES: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(
        ("sighting_id", "run_id", "media_id", "rule_hash", "label", "site", "name", "tag",
         "verdict"), values_of.names,
    ),
    **dict.fromkeys(("text", "note"), values_of.text),
    **dict.fromkeys(("from_utc", "to_utc", "from_local", "to_local"), values_of.moment),
    "hours": values_of.hours,
    "weekday": values_of.weekdays,
    **dict.fromkeys(("from_us", "to_us"), values_of.onset_us),
    "during_us": values_of.stretch_us,
    **dict.fromkeys(("min_confidence", "max_confidence"), values_of.score),
    **dict.fromkeys(("min_duration_s", "max_duration_s"), values_of.seconds),
    **dict.fromkeys(("reviewed", "as_judged", "current"), values_of.yes_or_no),
}  # fmt: skip


def checked(wanted: SightingFilter) -> SightingFilter:
    """The conditions that are given, their values as the catalog takes them. Raises SettingError
    for a condition that there is none of, and for a value that is not valid.
    """
    check_conditions(wanted, SightingFilter)
    given = {
        name: _VALUES[name](name, value) for name, value in wanted.items() if value is not None
    }
    for one in given.get("verdict", ()):
        if one not in VERDICTS:
            raise SettingError(f"no verdict {one!r:.80}; {closest(one, list(VERDICTS))}")
    return cast(SightingFilter, given)


def sightings_where(wanted: SightingFilter) -> Where:
    """The conditions over `SIGHTINGS`. Raises SettingError for one that is not valid."""
    wanted = checked(wanted)
    where = Where()
    for name in ("sighting_id", "run_id", "media_id", "rule_hash"):
        where.equal(f"s.{name}", wanted.get(name))  # type: ignore[arg-type]
    _add_labels(where, wanted)
    where.equal("m.site", wanted.get("site"))
    where.equal("m.name", wanted.get("name"))
    _add_words(where, wanted)
    _add_times(where, wanted)
    where.between("s.peak_confidence", wanted.get("min_confidence"), wanted.get("max_confidence"))
    low, high = wanted.get("min_duration_s"), wanted.get("max_duration_s")
    where.between(
        "s.offset_us - s.onset_us",
        None if low is None else round(low * 1e6),
        None if high is None else round(high * 1e6),
    )
    _add_reviews(where, wanted)
    if wanted.get("current"):
        where.add(IS_CURRENT)
    return where


def _add_labels(where: Where, wanted: SightingFilter) -> None:
    label = wanted.get("label")
    if not wanted.get("as_judged"):
        where.equal("s.label", label)
        return
    judged = f"(SELECT {_OF_STRETCH} FROM {last_verdicts()} WHERE "
    where.add(f"{_KEY} NOT IN {judged} verdict = 'rejected')")
    if label is not None:
        among = "IN (SELECT unnest(?::VARCHAR[]))"
        where.add(
            f"(s.label {among} AND {_KEY} NOT IN {judged} new_label IS NOT NULL) "
            f"OR {_KEY} IN {judged} new_label {among}))",
            label,
            label,
        )


def _add_words(where: Where, wanted: SightingFilter) -> None:
    text, note = wanted.get("text"), wanted.get("note")
    columns = ["coalesce(m.path, '')", "s.label", "coalesce(m.site, '')"]
    columns += ["coalesce(s.rule_name, '')"]
    for word in (text or "").lower().split():
        found = " OR ".join(f"contains(lower({column}), ?)" for column in columns)
        where.add(f"({found} OR {_noted('?')})", *[word] * (len(columns) + 1))
    for word in (note or "").lower().split():
        where.add(_noted("?"), word)


def _noted(word: str) -> str:
    return (
        f"{_KEY} IN (SELECT {_OF_STRETCH} FROM sighting_marks WHERE contains(lower(note), {word}))"
    )


def _add_times(where: Where, wanted: SightingFilter) -> None:
    where.between(ONSET_UTC, wanted.get("from_utc"), wanted.get("to_utc"))
    by_local = _by_local_time(wanted)
    if by_local.sql:
        where.add(
            f"""s.rowid IN (SELECT of FROM (
                SELECT s.rowid AS of, {by_clock("c.begin_utc", "s.onset_us", "c")} AS onset_local
                FROM sightings s JOIN {CLOCKS} c USING (media_id)){by_local.sql})""",
            *by_local.values,
        )
    where.between("s.onset_us", wanted.get("from_us"), wanted.get("to_us"))
    during_us = wanted.get("during_us")
    if during_us is not None:
        begin_us, end_us = during_us
        if begin_us is not None and end_us is not None and begin_us > end_us:
            raise SettingError(f"during_us must not end before it begins, got {during_us!r}")
        where.between("s.offset_us", begin_us, None)
        where.between("s.onset_us", None, end_us)


def _by_local_time(wanted: SightingFilter) -> Where:
    """The conditions on `onset_local`."""
    where = Where()
    where.between("onset_local", wanted.get("from_local"), wanted.get("to_local"))
    hours, weekday = wanted.get("hours"), wanted.get("weekday")
    if hours is not None:
        _add_hours(where, *hours)
    if weekday is not None:
        where.add("isodow(onset_local) IN (SELECT unnest(?::INTEGER[]))", weekday)
    return where


def _add_hours(where: Where, begin_h: float, end_h: float) -> None:
    of_day_us = f"((epoch_us(onset_local) % {_DAY_US} + {_DAY_US}) % {_DAY_US})"
    both = "AND" if begin_h <= end_h else "OR"
    where.add(
        f"({of_day_us} >= ? {both} {of_day_us} < ?)",
        round(begin_h * 3_600_000_000),
        round(end_h * 3_600_000_000),
    )


def _add_reviews(where: Where, wanted: SightingFilter) -> None:
    tag, reviewed, verdict = wanted.get("tag"), wanted.get("reviewed"), wanted.get("verdict")
    if tag is not None:
        where.add(
            f"{_KEY} IN (SELECT {_OF_STRETCH} FROM sighting_marks WHERE list_has_any(tags, ?))",
            tag,
        )
    if reviewed is not None:
        within = "IN" if reviewed else "NOT IN"
        where.add(f"{_KEY} {within} (SELECT {_OF_STRETCH} FROM verdicts)")
    if verdict is not None:
        where.add(
            f"{_KEY} IN (SELECT {_OF_STRETCH} FROM {last_verdicts()} "
            "WHERE verdict IN (SELECT unnest(?::VARCHAR[])))",
            verdict,
        )
