"""Retention: what of a store may go by age and size, and its removal.

import lab

lab.retention.preview("lab_store", lab.retention.Policy(logs={"older_than_days": 365}))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Loaded when they are used: the command line reads the names of the kinds alone.
_PUBLIC = {
    **dict.fromkeys(("apply", "last_removed"), "removal"),
    "Removed": "tally",
    **dict.fromkeys(("KindPlan", "Plan", "preview"), "plan"),
    **dict.fromkeys(("KindPolicy", "Policy", "read_policy", "write_policy"), "policy"),
    **dict.fromkeys(("Usage", "usage"), "disk_usage"),
}

if TYPE_CHECKING:
    from lab.retention.disk_usage import Usage, usage
    from lab.retention.plan import KindPlan, Plan, preview
    from lab.retention.policy import KindPolicy, Policy, read_policy, write_policy
    from lab.retention.removal import apply, last_removed
    from lab.retention.tally import Removed

__all__ = [
    "KindPlan",
    "KindPolicy",
    "Plan",
    "Policy",
    "Removed",
    "Usage",
    "apply",
    "last_removed",
    "preview",
    "read_policy",
    "usage",
    "write_policy",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'lab.retention' has no attribute {name!r}")
    return getattr(import_module(f"lab.retention.{_PUBLIC[name]}"), name)
