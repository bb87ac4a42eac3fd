"""How much a server of the lab takes: settings with defaults that one machine carries."""

from __future__ import annotations

from dataclasses import dataclass, field, fields


def _limit(default: int, meaning: str) -> int:
    made: int = field(default=default, metadata={"meaning": meaning})
    return made


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Each is a setting of `lab.toml` of that name, and `LAB_` with its name in capitals.

    Beyond one a request is refused: with status 413 where it is too large, 408 where nothing comes,
    429 where one token asks for too much at once, and 503 where all of them together do.
    """

    max_body_bytes: int = _limit(4 << 20, "the largest JSON body of a request")
    max_message_bytes: int = _limit(1 << 20, "the largest message of a client on a WebSocket")
    max_uploads: int = _limit(16, "uploads that are open at once")
    max_uploads_per_token: int = _limit(8, "uploads that one token has open at once")
    max_clients: int = _limit(
        500,
        "WebSockets that are open at once; as many answers that tell of an upload as it goes on",
    )
    max_clients_per_token: int = _limit(
        200, "WebSockets that one token has open at once, and such answers"
    )
    max_followed: int = _limit(200, "feeds and runs that are followed at once on `/ws/live`")
    max_subscriptions: int = _limit(32, "feeds and runs that one WebSocket follows at once")
    max_jobs_per_token: int = _limit(
        1000, "jobs of one token that wait or run, and as many uploads whose analysis does"
    )
    worker_silence_s: int = _limit(
        30,
        "seconds in which nothing is heard of a worker that has a clip of the queue until "
        "another gets it",
    )
    worker_stuck_s: int = _limit(
        600,
        "seconds in which a worker that has a clip of the queue says that it is there and gets "
        "nothing done until another gets it",
    )
    silence_s: int = _limit(60, "seconds in which nothing of a body comes before it is given up")

    @classmethod
    def names(cls) -> list[str]:
        return [one.name for one in fields(cls)]
