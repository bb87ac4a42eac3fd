"""The API behind the guard, over a store with a real clip and runs that were made."""

import base64
import json
import shutil

import pytest

import lab
from lab.access.tokens import Tokens
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import Config
from tests.builders import make_run, scores_of
from tests.guarded import client_of


class Api:
    """client: with the start-up token. anyone(scope): with a token of that scope."""

    def __init__(self, folder, **settings):
        self.folder, self.store_folder = folder, folder / "store"
        self.state = AppState(
            Config(store=self.store_folder, media_roots=(folder.resolve(),), **settings)
        )
        self.tokens = Tokens(self.store_folder)
        self.routes = routes(self.state)
        self.limits = self.state.config.limits
        self.client = client_of(self.routes, tokens=self.tokens, limits=self.limits)
        self._made = {}

    def anyone(self, scope, name=None):
        name = name or scope
        if name not in self._made:
            secret = self.tokens.add(name, scope)[1]
            self._made[name] = client_of(
                self.routes,
                headers={"Authorization": f"Bearer {secret}"},
                tokens=self.tokens,
                limits=self.limits,
            )
        return self._made[name]


@pytest.fixture(scope="module")
def api(tmp_path_factory, samples):
    folder = tmp_path_factory.mktemp("api")
    shutil.copy(samples / "nothing.mp4", folder / "nothing.mp4")
    with pytest.MonkeyPatch.context() as patch:  # workers read the settings themselves
        patch.setenv("LAB_MEDIA_ROOTS", str(folder.resolve()))
        made = Api(folder)
        made.clip = made.state.store.add_media(lab.probe(folder / "nothing.mp4"))
        yield made
        made.state.close()


@pytest.fixture(scope="module")
def run(api):
    """A finished run with a sighting of x, which is stored."""
    found = make_run(api.folder, {"x": scores_of(60, [(10, 20)]), "y": scores_of(60, [])}, 1.0)
    found.save_sightings()
    return found


def problem_of(answer, status):
    """The detail of an error in the form that all of the API's have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail"}
    assert body["status"] == status
    return body["detail"]


def edited(cursor, first):
    """The cursor with another first value in its key, as somebody may make it; None for no key."""
    padded = cursor + "=" * (-len(cursor) % 4)
    stamp, _, *rest = json.loads(base64.urlsafe_b64decode(padded))
    text = ",".join([json.dumps(stamp), *([first, *map(json.dumps, rest)] if first else [])])
    return base64.urlsafe_b64encode(f"[{text}]".encode()).decode().rstrip("=")
