"""`lab sinks`: whether what feeds see arrives."""

import json

import cv2
import numpy as np
import pytest
import yaml

from lab.app.cli.main import main
from tests.peers.supabase import KEY, Supabase
from tests.peers.web import Reply, in_turn, serving

PLANTED = "planted-0123456789-secret"
FEED = {"id": "pond", "name": "The pond", "source": {"type": "file", "path": "pond.mp4"},
        "detector": {"type": "motion"}}  # fmt: skip


@pytest.fixture
def ask(tmp_path, capsys, monkeypatch):
    """ask(words, sinks) gives the exit code and what was printed; in a folder with feeds.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DETSTREAM_DISCORD_WEBHOOK_URL", raising=False)
    monkeypatch.delenv("SIGHTING_LAB_DISCORD_WEBHOOK_URL", raising=False)

    def asked(*words, **named):
        feed = {**FEED, "sinks": list(named)}
        (tmp_path / "feeds.yaml").write_text(yaml.safe_dump({"feeds": [feed], "sinks": named}))
        code = main(["sinks", *words, "--store", str(tmp_path / "store")])
        return code, *capsys.readouterr()

    return asked


def test_a_test_is_delivered_with_a_picture_and_marked_as_one(ask):
    with serving() as server:
        hook = {"type": "webhook", "url": server.url, "picture": "multipart"}
        code, out, _ = ask("test", "mine", mine=hook)
    assert code == 0
    assert out.startswith("mine: delivered in ")
    assert out.count("\n") == 1
    told = [json.loads(one.parts()["event"][2]) for one in server.asked]
    assert [one["type"] for one in told] == [
        "sighting.opened", "sighting.alerted", "sighting.closed"
    ]  # fmt: skip
    assert all(one["data"]["is_test"] for one in told)
    jpeg = server.asked[0].parts()["picture"][2]
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1).shape == (360, 640, 3)


def test_the_type_is_the_name_and_secrets_come_from_env_beside_the_file(ask, tmp_path, monkeypatch):
    project = Supabase(cams=("test",))
    with serving(project) as server:
        lines = f"DETSTREAM_SUPABASE_URL={server.url}\nexport DETSTREAM_SUPABASE_KEY='{KEY}'\n"
        (tmp_path / ".env").write_text(lines)
        for name in ("URL", "KEY"):  # so that what is read from the file is forgotten again
            monkeypatch.setenv(f"DETSTREAM_SUPABASE_{name}", "")
            monkeypatch.delenv(f"DETSTREAM_SUPABASE_{name}")
        code, out, _ = ask("test", "supabase", supabase={"bucket": "thumbs"})
    assert (code, out.count("\n")) == (0, 1)
    (row,) = project.tables["sightings"]
    assert row["ended_at"]
    assert "/thumbs/test/" in row["thumbnail"]


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_not_delivered_is_said_in_a_line_without_secrets(ask, as_json):
    echo = f"unknown {PLANTED}".encode()
    with serving(in_turn(Reply(403, echo), Reply(403, echo))) as server:
        hook = {"type": "webhook", "url": f"{server.url}/{PLANTED}"}
        code, out, err = ask("test", "mine", *(["--json"] if as_json else []), mine=hook)
    assert code == 1
    assert out.count("\n") == 1
    assert "answered 403: unknown ***" in out
    assert PLANTED not in out + err


@pytest.mark.parametrize(
    ("name", "sinks", "words"),
    [("discord", {"discord": {"color": 1}}, "sinks.discord: webhook_url is missing; set the"),
     ("mine", {"mine": {"type": "webhook", "url": PLANTED}}, "sinks.mine: url must be an address"),
     ("nothing", {}, "no sink 'nothing' is in the feeds file"),
     ("mine", {"mine": {"type": "json", "path": "a.json"}}, "json is a sink of jobs, not of")],
)  # fmt: skip
def test_wrong_settings_are_wrong_usage(ask, name, sinks, words):
    code, out, err = ask("test", name, **sinks)
    assert code == 2
    assert words in err
    assert PLANTED not in out + err
    assert err.count("\n") == 1


def test_a_list_names_the_sinks_and_all_types(ask):
    code, out, _ = ask("list", mine={"type": "webhook", "url": "https://localhost/x"}, console={})
    assert code == 0
    assert "mine             webhook      nobody watches" in out
    assert "types: " in out
    assert "supabase" in out
    found = json.loads(ask("list", "--json", console={})[1])
    assert found["sinks"] == {"console": {"type": "console"}}
    assert "discord" in found["types"]
