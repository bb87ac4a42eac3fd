"""Routes behind the guard, as the app has them."""

from starlette.applications import Starlette
from starlette.testclient import TestClient

from lab.app.server.guard import Guard

TOKEN = "start-up-token-of-a-test"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def guard(routes, **more):
    """An app of these routes behind a guard. more: as of `Guard`."""
    return Guard(Starlette(routes=routes), token=TOKEN, routes=routes, **more)


def client_of(routes, headers=BEARER, **more):
    """Somebody who asks it, by default with the start-up token, from this machine."""
    return TestClient(
        guard(routes, **more),
        base_url="http://127.0.0.1",
        headers=headers,
        client=("127.0.0.1", 50000),
        follow_redirects=False,
    )
