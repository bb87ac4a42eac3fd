"""The deployments of a store as tables: what they are, their clips, their effort."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

DEPLOYMENT_COLUMNS = [
    "deployment_id", "site", "location_id", "location_name", "latitude", "longitude", "camera_id",
    "start", "end", "zone", "working_days", "failures", "clips", "without_start", "outside",
    "timestamp_issues", "corrected", "anchors",
]  # fmt: skip
DEPLOYMENT_EFFORT_COLUMNS = [
    "deployment_id", "site", "latitude", "longitude", "camera_id", "start", "end", "days",
    "failed_days", "working_days", "clips", "clips_analysed", "analysed_s",
]  # fmt: skip
_NO_FACTS = {"clips": 0, "without_start": 0, "timestamp_issues": 0, "outside": 0, "corrected": 0}
_DAY_S = 86_400


def deployment_rows(store: Store) -> list[dict[str, Any]]:
    """One row a deployment, by site and start; what `lab deployments --json` prints."""
    facts, anchors = store.deployment_facts(), store.anchors()
    rows = []
    for one in store.deployments():
        has = [
            {"camera": a.camera_local.isoformat(), "true": one.local(a.true_utc)}
            for a in anchors.get(one.deployment_id, [])
        ]
        known = facts.get(one.deployment_id, _NO_FACTS)
        rows.append(one.to_dict() | {n: known[n] for n in _NO_FACTS} | {"anchors": has})
    return rows


def deployments(store: Any = None) -> pd.DataFrame:
    """One row a deployment, by site and start.

    store: a store, what `lab.open_store` gives, or a folder. Columns: deployment_id, site,
    location_id, location_name, latitude, longitude (degrees), camera_id, start and end (ISO 8601 in
    the zone), zone, working_days (without failures, how many of which is `failures`), clips, and
    how many of these have no start (without_start), begin outside of the period (outside), at a
    change of the clock (timestamp_issues), or are corrected by anchors (corrected); anchors.
    """
    import pandas as pd

    rows = [
        row | {"failures": len(row["failures"]), "anchors": len(row["anchors"])}
        for row in deployment_rows(Store.coerce(store))
    ]
    return pd.DataFrame(rows, columns=DEPLOYMENT_COLUMNS)


def deployment_effort_rows(store: Store) -> list[dict[str, Any]]:
    """Camera-days and analysed seconds of each deployment, also of those without clips."""
    facts, effort = store.deployment_facts(), store.deployment_effort()
    rows = []
    for one in store.deployments():
        days = (one.end_utc - one.start_utc).total_seconds() / _DAY_S
        row = one.to_dict() | {
            "days": round(days, 4),
            "failed_days": round(days - one.working_s / _DAY_S, 4),
            "clips": facts[one.deployment_id]["clips"],
            "clips_analysed": 0,
            "analysed_s": 0.0,
        }
        row |= effort.get(one.deployment_id, {})
        rows.append({name: row[name] for name in DEPLOYMENT_EFFORT_COLUMNS})
    return rows
