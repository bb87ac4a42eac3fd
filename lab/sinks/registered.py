"""The sinks that are built in, and the registry that also finds those of plugins."""

from __future__ import annotations

from lab.registry import Registry

sinks = Registry(
    "sink",
    "lab.sinks",
    {
        "console": "lab.sinks.console:ConsoleSink",
        "csv": "lab.sinks.files:CsvSink",
        "json": "lab.sinks.files:JsonSink",
    },
)
