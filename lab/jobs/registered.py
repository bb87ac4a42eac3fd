"""Where a batch runs: the engines by name, and the registry that also finds those of plugins."""

from __future__ import annotations

from lab.registry import Registry

# Each factory takes `workers`, None for as many as pay, and settings of its own; it gives an
# `EngineGroup`.
engines = Registry(
    "engine",
    "lab.engines",
    {
        "local": "lab.jobs.batch.engine_group:LocalEngines",
        "ray": "lab.jobs.cluster.ray_engines:RayEngines",
    },
)
