"""Where a batch runs: the engines by name, and the registry that also finds those of plugins."""

from __future__ import annotations

from lab.registry import Registry

# Each factory takes `workers`, None for as many as pay, and settings of its own; it gives `Lanes`.
engines = Registry(
    "engine",
    "lab.engines",
    {
        "local": "lab.jobs.batch.lanes:LocalLanes",
        "ray": "lab.jobs.cluster.lanes:RayLanes",
    },
)
