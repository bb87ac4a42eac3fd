"""The sinks that are built in, and the registry that also finds those of plugins."""

from __future__ import annotations

from lab.registry import Registry

sinks = Registry(
    "sink",
    "lab.sinks",
    {
        "clips": "lab.sinks.clips:ClipsSink",
        "comment": "lab.sinks.comment:CommentSink",
        "console": "lab.sinks.console:ConsoleSink",
        "csv": "lab.sinks.files:CsvSink",
        "dataset": "lab.sinks.dataset:DatasetSink",
        "discord": "lab.sinks.discord:DiscordSink",
        "json": "lab.sinks.files:JsonSink",
        "jsonl": "lab.sinks.files:JsonlSink",
        "mqtt": "lab.sinks.mqtt:MqttSink",
        "notify": "lab.sinks.notify:NotifySink",
        "redis": "lab.sinks.redis_server:RedisSink",
        "rest": "lab.sinks.rest:RestSink",
        "supabase": "lab.sinks.supabase:SupabaseSink",
        "webhook": "lab.sinks.webhook:WebhookSink",
    },
)
