"""Every built-in sink, as the contract suite makes it."""

import io

from tests.contracts.sink_case import SinkCase
from tests.contracts.sinks_of_peers import SINKS_OF_PEERS
from tests.peers.supabase import KEY, Supabase
from tests.peers.web import serving

WEBHOOK_SECRET = "whsec_" + "cGxhbnRlZC1zZWNyZXQtb2YtMzItYnl0ZXMtaGVyZSE="
PLANTED = "planted-0123456789-secret"


class Kept(io.StringIO):
    """Standard output that can be read after the sink is closed."""


def _console(folder, stack):
    stream = Kept()
    return SinkCase({"stream": stream}, stream.getvalue)


def _file(name):
    def made(folder, stack):
        path = folder / "new" / name
        return SinkCase({"path": path}, path.read_text)

    return made


def _bodies(server):
    return b"\n".join(request.body for request in server.asked).decode("utf-8", "replace")


def _webhook(folder, stack):
    server = stack.enter_context(serving())
    settings = {"url": f"{server.url}/{PLANTED}", "secret": WEBHOOK_SECRET, "timeout_s": 5}
    secrets = [PLANTED, WEBHOOK_SECRET]
    return SinkCase(settings, lambda: _bodies(server), stop=server.stop, secrets=secrets)


def _chat(folder, stack):
    server = stack.enter_context(serving())
    settings = {"webhook_url": f"{server.url}/api/webhooks/{PLANTED}", "timeout_s": 5}
    return SinkCase(settings, lambda: _bodies(server), stop=server.stop, secrets=[PLANTED])


def _supabase(folder, stack):
    project = Supabase()
    server = stack.enter_context(serving(project))
    settings = {"url": server.url, "key": KEY, "timeout_s": 5}
    return SinkCase(
        settings,
        lambda: repr(project.tables["sightings"]),
        stop=server.stop,
        secrets=[KEY],
    )


# By name, what gives the case; it is handed a folder, and an exit stack for its servers.
SINKS = {
    "comment": _chat,
    "console": _console,
    "csv": _file("out.csv"),
    "discord": _chat,
    "json": _file("out.json"),
    "jsonl": _file("out.jsonl"),
    "supabase": _supabase,
    "webhook": _webhook,
    **SINKS_OF_PEERS,
}
# What they are for, and whether there is another side that may be away.
FOR_ROWS = ("console", "csv", "json", "jsonl", "redis", "rest", "webhook")
FOR_EVENTS = tuple(name for name in SINKS if name != "json")
WITH_PEERS = tuple(
    name for name in FOR_EVENTS if name not in ("clips", "console", "csv", "dataset", "jsonl")
)
