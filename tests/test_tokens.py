"""Tokens of programs: kept as hashes, shown once, revoked at once."""

import json
import os
import stat
import threading

import pytest

from lab.access.tokens import Tokens, seconds_of
from lab.app.cli.main import main
from lab.errors import NotFoundError, SettingError, StoreError


@pytest.fixture
def tokens(tmp_path):
    return Tokens(tmp_path / "store")


def test_a_token_is_known_by_its_secret_which_is_kept_nowhere(tokens):
    made, secret = tokens.add("backup", "read")
    assert secret.startswith("lab_")
    assert len(secret) > 40
    assert tokens.check(secret).token_id == made.token_id
    assert secret not in tokens.file.read_text()
    assert secret.removeprefix("lab_") not in tokens.file.read_text()
    assert stat.S_IMODE(tokens.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(tokens.file.parent.stat().st_mode) == 0o700
    for wrong in ("", "lab_", secret[:-1], secret + "x", made.sha256, made.token_id, "ü\ud800"):
        assert tokens.check(wrong) is None


def test_another_process_that_revokes_a_token_ends_it_at_once(tokens):
    _, secret = tokens.add("backup", "admin")
    kept, other = tokens.add("stays", "analyse")
    running = Tokens(tokens.file.parent)
    assert running.check(secret)
    tokens.revoke("backup")
    assert running.check(secret) is None
    assert running.check(other).scope == "analyse"
    Tokens(tokens.file.parent).revoke(kept.token_id)
    assert running.check(other) is None


def test_a_token_ends_when_it_expires(tokens, monkeypatch):
    made, secret = tokens.add("short", "read", lasts_s=60)
    assert tokens.check(secret)
    monkeypatch.setattr("time.time", lambda: made.created + 59)
    assert tokens.check(secret)
    monkeypatch.setattr("time.time", lambda: made.created + 60)
    assert tokens.check(secret) is None
    assert tokens.valid(made.token_id) is None


def test_when_it_was_used_is_kept_to_the_hour(tokens):
    _, secret = tokens.add("backup", "read")
    assert tokens.all()[0].last_used is None
    tokens.check(secret)
    (used,) = tokens.all()
    assert used.last_used % 3600 == 0
    before = tokens.file.stat().st_mtime_ns
    Tokens(tokens.file.parent).check(secret)
    assert tokens.file.stat().st_mtime_ns == before


def test_a_use_that_is_noted_brings_no_revoked_token_back(tokens):
    _, secret = tokens.add("backup", "read")
    running = Tokens(tokens.file.parent)
    (known,) = running.all()
    tokens.revoke("backup")
    running._note_use(known)
    assert tokens.all() == []
    assert running.check(secret) is None


def test_several_that_add_tokens_at_once_lose_none(tokens):
    def add(i):
        Tokens(tokens.file.parent).add(f"t{i}", "read")

    threads = [threading.Thread(target=add, args=[i]) for i in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert {one.name for one in tokens.all()} == {f"t{i}" for i in range(8)}


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"tokens": [{}]}', '{"tokens": [{"scope": "admin"}]}', "\udcff"],
)
def test_a_damaged_file_lets_nobody_in_and_is_told(tokens, content):
    _, secret = tokens.add("backup", "read")
    tokens.file.write_text(content, errors="surrogateescape")
    assert tokens.check(secret) is None
    with pytest.raises(StoreError, match="damaged"):
        tokens.all()


def test_a_file_that_others_could_have_written_lets_nobody_in(tokens):
    _, secret = tokens.add("backup", "read")
    tokens.file.chmod(0o666)
    assert tokens.check(secret) is None
    with pytest.raises(StoreError, match="chmod 600"):
        tokens.all()


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65, "a\n"])
def test_a_name_that_is_none_is_refused(tokens, name):
    with pytest.raises(SettingError, match="name of a token"):
        tokens.add(name, "read")


def test_a_name_is_given_once_and_an_unknown_one_cannot_be_revoked(tokens):
    tokens.add("backup", "read")
    with pytest.raises(SettingError, match="already"):
        tokens.add("backup", "admin")
    with pytest.raises(NotFoundError, match="no token is called 'backup2'; known: backup"):
        tokens.revoke("backup2")


def test_how_long_a_token_lasts():
    assert [seconds_of(one) for one in ("90s", "2m", "12h", "30d", "2w")] == [
        90, 120, 43200, 2592000, 1209600,
    ]  # fmt: skip
    for wrong in ("", "30", "d", "1y", "-1d", "1.5h"):
        with pytest.raises(SettingError, match="--expires"):
            seconds_of(wrong)


def test_the_command_line_shows_a_token_once(tmp_path, capsys):
    store = ["--store", str(tmp_path / "store")]
    assert main(["token", "add", "ci", "--scope", "analyse", "--expires", "30d", *store]) == 0
    secret = capsys.readouterr().out.strip()
    found = Tokens(tmp_path / "store").check(secret)
    assert (found.name, found.scope) == ("ci", "analyse")
    assert main(["token", "list", *store]) == 0
    out = capsys.readouterr().out
    assert "ci" in out
    assert secret not in out
    assert found.sha256 not in out
    assert main(["token", "list", "--json", *store]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["scope"] == "analyse"
    assert "sha256" not in row
    assert main(["token", "revoke", "ci", *store]) == 0
    assert Tokens(tmp_path / "store").all() == []


@pytest.mark.parametrize(
    "words",
    [
        ["add", "x"],
        ["add", "--scope", "read"],
        ["revoke"],
        ["list", "x"],
        ["list", "--scope", "read"],
        ["add", "x", "--scope", "read", "--expires", "soon"],
        ["revoke", "nobody"],
    ],
)
def test_wrong_usage_is_one_line(tmp_path, capsys, words):
    assert main(["token", *words, "--store", str(tmp_path / "store")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "store").mkdir(mode=0o500)
    with pytest.raises(StoreError, match="cannot be written"):
        Tokens(tmp_path / "store").add("x", "read")
