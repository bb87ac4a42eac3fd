"""A connection to an MQTT broker that comes back by itself, with what the broker has to keep."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.errors import LabError, SettingError

Payload = str | bytes | Mapping[str, Any] | list[Any]
_RETRY_S = (1, 30)
_KEEPALIVE_S = 30


@dataclass(frozen=True, kw_only=True)
class Broker:
    """Where a broker is, and how to come in. password: shown nowhere."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    has_tls: bool = False
    ca_certs: Path | None = None
    timeout_s: float = 10.0

    def tls(self) -> ssl.SSLContext | None:
        """Raises SettingError for certificates that cannot be read."""
        if not self.has_tls:
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_certs)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror or error
            raise SettingError(f"ca_certs: {self.ca_certs} cannot be read: {why}") from None


class BrokerConnection:
    """One client with its last will: the topic says `online` as long as it is connected.

    on_online: called with each connection, in a thread of its own, when the broker has been given
    what it keeps. Raises SettingError.
    """

    def __init__(
        self,
        broker: Broker,
        available: str,
        on_online: Callable[[], None] | None = None,
    ) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self._broker, self._available = broker, available
        self._on_online = on_online
        self._kept: dict[str, bytes] = {}
        self._saying = threading.Lock()  # so that nothing older is said after what is newer
        self._handlers: dict[str, Callable[[str, bytes], None]] = {}
        self._is_connected = threading.Event()
        self._is_started = False
        self._refusal: str | None = None
        self._client = client = Client(CallbackAPIVersion.VERSION2)
        client.connect_timeout = broker.timeout_s
        client.reconnect_delay_set(*_RETRY_S)
        client.will_set(available, "offline", qos=1, retain=True)
        if broker.user is not None:
            client.username_pw_set(broker.user, broker.password)
        if (context := broker.tls()) is not None:
            client.tls_set_context(context)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._message

    def start(self) -> None:
        """Begin to connect, without waiting for it."""
        if not self._is_started:
            self._is_started = True
            self._client.connect_async(self._broker.host, self._broker.port, _KEEPALIVE_S)
            self._client.loop_start()

    def publish(self, *messages: tuple[str, Payload, bool]) -> None:
        """Topic, what is said, whether it is kept; until the broker has taken all (QoS 1).

        Raises LabError if it did not, in time.
        """
        self.start()
        ends_at = time.monotonic() + self._broker.timeout_s
        is_connected = self._is_connected.wait(self._broker.timeout_s)
        with self._saying:
            # Said with the next connection, whatever becomes of this one.
            self._kept |= {topic: _bytes_of(said) for topic, said, is_kept in messages if is_kept}
            if not is_connected:
                raise LabError(f"{self._where()} cannot be reached: {self._why()}")
            sent = [
                self._client.publish(topic, _bytes_of(said), qos=1, retain=is_kept)
                for topic, said, is_kept in messages
            ]
        for one in sent:
            try:
                one.wait_for_publish(max(0.1, ends_at - time.monotonic()))
            except (ValueError, RuntimeError):
                raise LabError(f"{self._where()} went away") from None
            if not one.is_published():
                raise LabError(f"{self._where()} did not take it in {self._broker.timeout_s:g} s")

    def forget(self, topic: str) -> None:
        """Have the broker delete what it keeps of a topic. It may be called by a handler."""
        with self._saying:
            self._kept.pop(topic, None)
            self._client.publish(topic, b"", qos=1, retain=True)

    def listen(self, topic: str, handler: Callable[[str, bytes], None]) -> None:
        """Have each message of a topic given to a handler, in a thread of its own."""
        self._handlers[topic] = handler
        if self._is_connected.is_set():
            self._client.subscribe(topic, 1)

    def repeat(self) -> None:
        """Say again all that is kept, as somebody asked for it; without waiting."""
        for topic in list(self._kept):
            with self._saying:
                if topic in self._kept:  # else it was forgotten meanwhile
                    self._client.publish(topic, self._kept[topic], qos=1, retain=True)

    def close(self, last_word: str = "offline") -> None:
        """Say that it is over, and disconnect; calling it twice is fine."""
        if not self._is_started:
            return
        self._is_started = False
        if self._is_connected.is_set():
            said = self._client.publish(self._available, last_word, qos=1, retain=True)
            try:
                said.wait_for_publish(2.0)
            except (ValueError, RuntimeError):
                pass  # the will says it
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: Any, _data: Any, _flags: Any, code: Any, _props: Any) -> None:
        if code.is_failure:
            self._refusal = str(code)
            return
        self._refusal = None
        client.publish(self._available, "online", qos=1, retain=True)
        self.repeat()
        for topic in self._handlers:
            client.subscribe(topic, 1)
        self._is_connected.set()
        if self._on_online is not None:
            self._on_online()

    def _disconnected(self, *_: Any) -> None:
        self._is_connected.clear()

    def _message(self, _client: Any, _data: Any, message: Any) -> None:
        for topic, handler in self._handlers.items():
            if message.topic == topic or ("+" in topic and _matches(topic, message.topic)):
                handler(message.topic, message.payload)

    def _where(self) -> str:
        return f"the MQTT broker at {self._broker.host}:{self._broker.port}"

    def _why(self) -> str:
        """What the client does not tell: it only goes on trying."""
        if self._refusal is not None:
            return f"it says {self._refusal!r}; check user and password"
        try:
            with socket.create_connection((self._broker.host, self._broker.port), 2.0) as probe:
                context = self._broker.tls()
                if context is not None:
                    context.wrap_socket(probe, server_hostname=self._broker.host).close()
        except OSError as error:
            return error.strerror or str(error)
        return "it takes connections, but does not answer as a broker does"


def _bytes_of(said: Payload) -> bytes:
    if isinstance(said, bytes):
        return said
    return (said if isinstance(said, str) else json.dumps(said)).encode()


def _matches(wanted: str, topic: str) -> bool:
    from paho.mqtt.client import topic_matches_sub

    return bool(topic_matches_sub(wanted, topic))
