"""A sink that tells people: Slack, e-mail, Telegram and what else Apprise knows."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from lab.errors import LabError, SettingError
from lab.extras import need
from lab.sinks.choices import choice_of, kinds_of, number_of, text_of
from lab.sinks.event import SightingEvent
from lab.sinks.feed_sink import FeedSink, local_time
from lab.sinks.sink import SinkRefused

_TITLE = "{label} at {feed}"
_BODY = "{label} at {feed}: {what}, {date} {time}, confidence {confidence}"
_WHAT = {
    "opened": "has come",
    "updated": "seen better",
    "alerted": "seen",
    "closed": "has gone",
}
_REMEMBERED = 200
_PICTURE_NAMES = {"boxes": "picture_jpeg", "plain": "plain_jpeg"}
_ERROR_CODE = re.compile(r"error[ =]+(\d{3})\b")
_NEVER_TAKEN = (": 400", ": 413", ": 415", ": 422")
_WRONG_USER = {"401", "403", "535"}


class NotifySink(FeedSink):
    """Sends a message with the picture for each alert, or what `events` names.

    urls: addresses of services as Apprise writes them, such as
    `mailto://user:password@example.org` or `tgram://token/chat`; they are secrets, and are named by
    their place in the list. title, body: templates, in which `{label}`, `{feed}`, `{date}`,
    `{time}`, `{duration}`, `{confidence}`, `{what}` (seen, has gone, ...) and `{id}` are filled in.
    picture: `boxes`, `plain` or `none`. timeout_s: for each step of a message.

    Where one of several addresses fails, only that one is tried again. Raises SettingError;
    LabError without the package.
    """

    def __init__(
        self,
        *,
        urls: Sequence[str],
        events: Sequence[str] | None = None,
        title: str = _TITLE,
        body: str = _BODY,
        picture: Literal["boxes", "plain", "none"] = "boxes",
        timeout_s: float = 20.0,
    ) -> None:
        need("sink 'notify'", "live", "apprise", error=LabError)
        self._kinds = kinds_of(events, ("alerted",))
        self._title, self._body = _template("title", title), _template("body", body)
        self._picture = choice_of(picture, "picture", ("boxes", "plain", "none"))
        timeout_s = number_of(timeout_s, "timeout_s", 0.1, 120)
        listed = [urls] if isinstance(urls, str) else urls
        if not isinstance(listed, Sequence) or not listed:
            raise SettingError("urls must be a list of addresses that Apprise knows")
        self._services = [_service(i, url, timeout_s) for i, url in enumerate(listed)]
        self._done: OrderedDict[str, set[int]] = OrderedDict()

    def wants(self, event: SightingEvent) -> bool:
        """See `lab.sinks.sink.Sink`."""
        return event.kind in self._kinds or event.is_test

    def pictures_of(self, event: SightingEvent) -> Sequence[str]:
        """See `lab.sinks.sink.Sink`."""
        name = _PICTURE_NAMES.get(self._picture)
        return () if name is None else (name,)

    def deliver(self, event: SightingEvent) -> None:
        """See `lab.sinks.sink.Sink`."""
        if not self.wants(event):
            return
        done = self._done.setdefault(event.event_id, set())
        while len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        failures: dict[int, str] = {}
        for i, service in enumerate(self._services):
            if i not in done:
                why = self._send(service, event)
                if why is None:
                    done.add(i)
                else:
                    failures[i] = why
        if not failures:
            return
        said = "; ".join(
            f"urls[{i}] ({self._services[i].service_name}) {why}" for i, why in failures.items()
        )
        if all(why.endswith(_NEVER_TAKEN) for why in failures.values()):
            raise SinkRefused(said)
        raise LabError(said)

    def _send(self, service: Any, event: SightingEvent) -> str | None:
        """Why it was not taken; None if it was. Nothing of its address or answer is in it."""
        from apprise import AppriseAttachment, LogCapture
        from apprise.attachment.memory import AttachMemory

        names = self.pictures_of(event)
        jpeg = getattr(event, names[0]) if names else None
        attached = None
        if jpeg is not None:
            name = f"{event.sighting_id}.jpg"
            picture = AttachMemory(content=jpeg, name=name, mimetype="image/jpeg")
            attached = AppriseAttachment(picture)
        values = _values(event)
        with LogCapture(level=logging.WARNING) as log:
            is_taken = service.notify(
                title=_filled(self._title, values),
                body=_filled(self._body, values),
                attach=attached,
            )
            if is_taken:
                return None
            return _reason(log.getvalue())


def _service(place: int, url: Any, timeout_s: float) -> Any:
    from apprise import Apprise, AppriseAsset

    asset = AppriseAsset(app_id="Sighting Lab", app_desc="Sighting Lab", async_mode=False)
    scheme = re.match(r"[a-zA-Z0-9]+(?=://)", text_of(url, f"urls[{place}]").strip())
    with _no_log():
        service = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if service is None:
        begins = f"it begins with {scheme[0]}://" if scheme else "it has no ://"
        raise SettingError(
            f"urls[{place}] is no address that Apprise knows ({begins}); they are listed in "
            "Apprise's documentation, https://appriseit.com/services/"
        )
    service.socket_connect_timeout = service.socket_read_timeout = timeout_s
    return service


@contextmanager
def _no_log() -> Iterator[None]:
    """Apprise logs an address that it does not know as it is; what it has to say is said here."""
    log = logging.getLogger("apprise")
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False


def _template(name: str, value: Any) -> str:
    template = text_of(value, name)
    known = _values(_EXAMPLE)
    for field in re.findall(r"\{([^{}]*)\}", template):
        if field not in known:
            raise SettingError(
                f"{name}: unknown field {{{field:.40}}}; known: "
                + ", ".join(f"{{{one}}}" for one in known)
            )
    return template


def _filled(template: str, values: dict[str, str]) -> str:
    """Only names are filled in: what a label holds is never a template."""
    return re.sub(r"\{([^{}]*)\}", lambda found: values[found[1]], template)


def _values(event: SightingEvent) -> dict[str, str]:
    at = local_time(event.onset_utc)
    return {
        "label": event.label,
        "feed": event.feed_name or event.feed,
        "date": at.strftime("%Y-%m-%d"),
        "time": at.strftime("%H:%M:%S"),
        "duration": f"{event.duration_s:.0f} s",
        "confidence": f"{event.peak_confidence:.2f}",
        "what": "a test, nothing was seen" if event.is_test else _WHAT[event.kind],
        "id": event.sighting_id,
    }


def _reason(log: str) -> str:
    """What Apprise logged, without its words: they may hold parts of the address."""
    if (code := _ERROR_CODE.search(log)) is None:
        return "could not be reached, or refused it"
    if code[1] in _WRONG_USER:
        return f"refused user, password or token: {code[1]}"
    return f"refused it: {code[1]}"


_NEVER = "2000-01-01T00:00:00Z"
_EXAMPLE = SightingEvent(
    event_id="", kind="alerted", sequence=0, sighting_id="", feed="", feed_name="", label="",
    detector="", run_id="", media_id="", rule_hash="", created_utc=_NEVER, onset_s=0,
    onset_earliest_s=0, offset_s=0, offset_latest_s=0, peak_s=0, peak_confidence=0,
    onset_utc=_NEVER, offset_utc=_NEVER, peak_utc=_NEVER,
)  # fmt: skip
