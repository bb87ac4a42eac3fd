"""What Home Assistant is told so that it shows feeds by itself: MQTT device discovery."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from lab import __version__

_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_NOT_IN_LEVELS = re.compile(r"[/+#\x00]")
_ORIGIN = "Sighting Lab"


def level(text: str) -> str:
    """A text as one level of a topic."""
    return _NOT_IN_LEVELS.sub("_", text) or "_"


def slug(text: str) -> str:
    """A text as part of an id; different texts stay different."""
    plain = _NOT_IN_IDS.sub("_", text)
    if plain == text and text:
        return plain
    return f"{plain}_{hashlib.blake2b(text.encode(), digest_size=3).hexdigest()}"


def device_id(topics: str, feed: str) -> str:
    """The object id of a feed. topics: what the topics of this lab begin with."""
    return f"{slug(topics)}_{slug(feed)}"


def device(topics: str, feed: str, name: str, labels: Iterable[str]) -> dict[str, Any]:
    """The discovery message of a feed: presence and peak of each label, its events, its state."""
    own = device_id(topics, feed)
    parts: dict[str, dict[str, Any]] = {
        "state": {
            "p": "sensor",
            "name": "State",
            "unique_id": f"{own}_state",
            "state_topic": f"{topics}/{feed}/state",
            "entity_category": "diagnostic",
        },
        "sightings": {
            "p": "event",
            "name": "Sightings",
            "unique_id": f"{own}_sightings",
            "state_topic": f"{topics}/events",
            "event_types": ["opened", "updated", "closed", "alerted"],
            "value_template": _of_feed(feed),
        },
    }
    for label in sorted(set(labels)):
        topic, part = f"{topics}/{feed}/{level(label)}", slug(label)
        parts[f"{part}_presence"] = {
            "p": "binary_sensor",
            "name": label,
            "unique_id": f"{own}_{part}_presence",
            "device_class": "occupancy",
            "state_topic": f"{topic}/presence",
            "payload_on": "ON",
            "payload_off": "OFF",
        }
        parts[f"{part}_peak"] = {
            "p": "image",
            "name": f"{label} peak",
            "unique_id": f"{own}_{part}_peak",
            "image_topic": f"{topic}/peak",
            "content_type": "image/jpeg",
        }
    return {
        "dev": {"ids": [own], "name": name, "mf": _ORIGIN, "mdl": "Feed", "sw": __version__},
        "o": {"name": _ORIGIN, "sw": __version__},
        "avty_t": f"{topics}/available",
        "qos": 1,
        "cmps": parts,
    }


def is_ours(message: bytes, topics: str) -> bool:
    """Whether a discovery message was sent for feeds of this lab."""
    try:
        said = json.loads(message)
        return bool(said["o"]["name"] == _ORIGIN and said["avty_t"] == f"{topics}/available")
    except (ValueError, TypeError, KeyError):
        return False


def _of_feed(feed: str) -> str:
    chosen = "dict(value_json, event_type=value_json.type) | tojson"
    return f"{{% if value_json.feed == '{feed}' %}}{{{{ {chosen} }}}}{{% endif %}}"
