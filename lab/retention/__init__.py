"""Retention: what of a store may go by age and size, and its removal.

import lab

lab.retention.preview("lab_store", lab.retention.Policy(logs={"older_than_days": 365}))
"""

from lab.retention.apply import Removed, apply, last_removed
from lab.retention.plan import KindPlan, Plan, preview
from lab.retention.policy import KindPolicy, Policy, read_policy, write_policy
from lab.retention.usage import Usage, usage

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
