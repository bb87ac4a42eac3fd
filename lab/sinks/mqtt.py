"""A sink that publishes over MQTT, for Home Assistant and whatever else listens."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from lab.errors import LabError, SettingError
from lab.extras import need
from lab.sinks.broker import Broker, BrokerConnection, Payload
from lab.sinks.choices import number_of, text_of, whole_of
from lab.sinks.event import SightingEvent
from lab.sinks.feed_sink import FeedSink, message_of
from lab.sinks.frigate_topics import FrigateTopics
from lab.sinks.home_assistant import device, device_id, is_ours, level

_MOST_LABELS = 20  # of a feed that Home Assistant is told of before they are seen


class MqttSink(FeedSink):
    """Publishes below `topic`, with QoS 1:

    `available` online or offline (also when this program is killed); `<feed>/state`;
    `<feed>/<label>/presence` ON or OFF; `<feed>/<label>/peak`, a JPEG, all of them kept by the
    broker; and `events`, a JSON object for each event.

    host, port, user, password, tls, ca_certs: of the broker; its port is 1883, with TLS 8883.
    ca_certs: a file with the certificates to trust, instead of the system's. discovery: whether
    Home Assistant is told of each feed below `discovery_prefix`. frigate_topics: whether the
    same is said below `frigate_prefix` as Frigate says it. timeout_s: for one event.

    A broker that refuses the user is tried again like one that is away: users are changed without
    this program. Raises SettingError; LabError without the package.
    """

    in_order = True  # who is there is what was said last

    def __init__(
        self,
        *,
        host: str,
        port: int | None = None,
        user: str | None = None,
        password: str | None = None,
        tls: bool = False,
        ca_certs: str | Path | None = None,
        topic: str = "sighting-lab",
        discovery: bool = True,
        discovery_prefix: str = "homeassistant",
        frigate_topics: bool = False,
        frigate_prefix: str = "frigate",
        timeout_s: float = 10.0,
    ) -> None:
        need("sink 'mqtt'", "live", "paho", error=LabError)
        if "://" in text_of(host, "host") or "/" in host or "@" in host:
            raise SettingError("host must be a name or an IP address; give port, user, tls apart")
        if password is not None and user is None:
            raise SettingError("password is given without user; give both, or none")
        broker = Broker(
            host=host,
            port=whole_of(port, "port", 1, 65_535) if port is not None else 8883 if tls else 1883,
            user=None if user is None else text_of(user, "user"),
            password=password,
            has_tls=bool(tls) or ca_certs is not None,
            ca_certs=None if ca_certs is None else Path(ca_certs),
            timeout_s=number_of(timeout_s, "timeout_s", 0.1, 120),
        )
        self._topic = _prefix("topic", topic)
        self._discovery = _prefix("discovery_prefix", discovery_prefix) if discovery else None
        self._connection = BrokerConnection(broker, f"{self._topic}/available")
        self._frigate: FrigateTopics | None = None
        if frigate_topics:
            self._frigate = FrigateTopics(broker, _prefix("frigate_prefix", frigate_prefix))
        self._labels: dict[str, set[str]] = {}
        self._names: dict[str, str] = {}
        self._said: dict[str, Payload] = {}
        self._feeds: set[str] | None = None
        self._found: set[str] = set()
        if self._discovery is not None:
            self._connection.listen(f"{self._discovery}/status", self._home_assistant_said)
            self._connection.listen(f"{self._discovery}/device/+/config", self._found_device)

    def __enter__(self) -> Self:
        self._connection.start()
        return self

    def beat(self) -> None:
        """Say that it is there, before anything is seen."""
        self._connection.start()

    def pictures_of(self, event: SightingEvent) -> Collection[str]:
        """See `lab.sinks.sink.Sink`."""
        return () if event.is_test else ("picture_jpeg",)

    def deliver(self, event: SightingEvent) -> None:
        """See `lab.sinks.sink.Sink`."""
        messages: list[tuple[str, Payload, bool]] = []
        if not event.is_test:
            below = f"{self._topic}/{event.feed}/{level(event.label)}"
            messages += self._discovered(event.feed, event.feed_name, {event.label})
            if event.kind in ("opened", "closed"):
                messages.append((f"{below}/presence", "OFF" if event.is_over else "ON", True))
            if event.picture_jpeg is not None:
                messages.append((f"{below}/peak", event.picture_jpeg, True))
        messages.append((f"{self._topic}/events", message_of(event), False))
        self._connection.publish(*messages)
        if self._frigate is not None and not event.is_test:
            self._frigate.tell(event)

    def watched(self, feeds: Mapping[str, Mapping[str, Any]]) -> None:
        """See `lab.sinks.sink.Sink`. A feed that is gone is deleted in Home Assistant, too."""
        messages: list[tuple[str, Payload, bool]] = []
        for feed, is_ in feeds.items():
            labels = list(is_.get("labels") or ())
            known = set(labels) if len(labels) <= _MOST_LABELS else set()
            messages += self._discovered(feed, str(is_.get("name") or feed), known)
            messages.append((f"{self._topic}/{feed}/state", str(is_["state"]), True))
            for label in known:
                topic = f"{self._topic}/{feed}/{level(label)}/presence"
                if topic not in self._said:
                    is_there = label in (is_.get("present") or ())
                    messages.append((topic, "ON" if is_there else "OFF", True))
        new = [one for one in messages if self._said.get(one[0]) != one[1]]
        gone = (self._feeds or set(self._labels)) - set(feeds)
        self._feeds = set(feeds)
        self._connection.publish(*new)
        self._said.update({topic: said for topic, said, _ in new})
        for feed in gone:
            self._remove(feed)
        self._remove_strangers(feeds)
        if self._frigate is not None:
            self._frigate.watched(feeds)

    def close(self) -> None:
        """Say `offline`, and disconnect."""
        self._connection.close()
        if self._frigate is not None:
            self._frigate.close()

    def _discovered(
        self, feed: str, name: str, labels: set[str]
    ) -> list[tuple[str, Payload, bool]]:
        """What Home Assistant is to be told, if that is new."""
        known = self._labels.setdefault(feed, set())
        is_new = not labels <= known or self._names.get(feed) != name
        known |= labels
        self._names[feed] = name
        if self._discovery is None or not is_new:
            return []
        return [(self._config(feed), device(self._topic, feed, name, known), True)]

    def _config(self, feed: str) -> str:
        return f"{self._discovery}/device/{device_id(self._topic, feed)}/config"

    def _remove(self, feed: str) -> None:
        if self._discovery is not None:
            self._connection.forget(self._config(feed))
        below = f"{self._topic}/{feed}"
        for label in self._labels.pop(feed, set()):
            for what in ("presence", "peak"):
                self._connection.forget(f"{below}/{level(label)}/{what}")
        self._connection.forget(f"{below}/state")
        self._names.pop(feed, None)
        for topic in [one for one in self._said if one.startswith(f"{below}/")]:
            del self._said[topic]
        self._said.pop(self._config(feed), None)

    def _home_assistant_said(self, _topic: str, said: bytes) -> None:
        if said == b"online":
            self._connection.repeat()

    def _found_device(self, topic: str, said: bytes) -> None:
        """A device that the broker keeps, perhaps of an earlier run, whose feed may be gone."""
        if is_ours(said, self._topic):
            self._found.add(topic)
            if self._feeds is not None:
                self._remove_strangers(self._feeds)

    def _remove_strangers(self, feeds: Iterable[str]) -> None:
        for topic in list(self._found - {self._config(feed) for feed in feeds}):
            self._found.discard(topic)
            self._connection.forget(topic)


def _prefix(name: str, value: Any) -> str:
    prefix = text_of(value, name).strip("/")
    if not prefix or any(sign in prefix for sign in "+#\x00"):
        raise SettingError(f"{name} must be the beginning of a topic, without + and #")
    return prefix
