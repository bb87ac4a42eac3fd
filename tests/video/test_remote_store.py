"""Clips in object stores: what is listed, how they are recognised, what stays on this disk."""

import os
import shutil
import subprocess
import sys
import uuid

import pytest

import lab
from lab.app.cli.main import main
from lab.errors import SettingError, SourceError
from lab.jobs.batch.clips import find_batch
from lab.store.store import Store
from lab.video import remote_store
from lab.video.media import identify
from lab.video.registered import open_source
from lab.video.remote_store import (
    LocalCopy,
    file_system,
    identify_remote,
    list_clips,
    remove_copies,
)
from tests.builders import assert_same_log
from tests.contracts.sources import in_memory


@pytest.fixture
def bucket(monkeypatch, samples, tmp_path):
    """An object store in memory, with two clips and a text below s3://bucket/cards."""
    files, _ = in_memory("")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(remote_store, "file_system", in_memory)
    monkeypatch.setattr(remote_store, "_kept", False)
    for name in ("nothing.mp4", "cat_then_person.mp4"):
        files.pipe(f"/bucket/cards/a b/{name}", (samples / name).read_bytes())
    files.pipe("/bucket/cards/readme.txt", b"hello")
    yield files
    files.rm("/bucket", recursive=True)


def left(tmp_path):
    return [place for place in (tmp_path / "temporary").rglob("*") if place.is_file()]


def test_folders_patterns_and_single_clips_are_listed(bucket, tmp_path):
    both = [f"s3:///bucket/cards/a b/{name}" for name in ("cat_then_person.mp4", "nothing.mp4")]
    assert list_clips("s3://bucket/cards") == both
    assert list_clips("s3://bucket/cards/*/noth*") == both[1:]
    assert list_clips("s3://bucket/cards/a b/nothing.mp4") == both[1:]
    with pytest.raises(SourceError, match=r"no video at s3://bucket/cards/readme.txt"):
        list_clips("s3://bucket/cards/readme.txt")
    found = find_batch(["s3://bucket/cards", "s3://bucket/none", str(tmp_path)])
    assert list(found.clips) == both
    assert set(found.refused) == {"s3://bucket/none", str(tmp_path)}


def test_a_clip_there_is_the_same_media_as_the_file(bucket, samples, tmp_path):
    url = "s3://bucket/cards/a b/nothing.mp4"
    assert identify_remote(url) == identify(samples / "nothing.mp4")
    with open_source(url) as source:
        media = source.media()
        assert (media.media_id, media.path, media.name) == (
            identify(samples / "nothing.mp4"), url, "nothing.mp4",
        )  # fmt: skip
        assert left(tmp_path)
    assert not left(tmp_path)
    run = lab.analyze(url, detector="visual", every_s=1, store=tmp_path / "s", progress=False)
    assert run.media["path"] == url
    assert not left(tmp_path)


def test_copies_are_shared_and_kept_only_while_they_are_wanted(bucket, monkeypatch, tmp_path):
    url = "s3://bucket/cards/a b/nothing.mp4"
    fetched = []
    get = type(bucket).get_file
    monkeypatch.setattr(
        type(bucket), "get_file", lambda *args, **kw: fetched.append(args) or get(*args, **kw)
    )
    one, other = LocalCopy(url), LocalCopy(url)
    one.close()
    assert other.path.exists()
    other.close()
    assert (len(fetched), left(tmp_path)) == (1, [])
    remote_store.keep_copies()
    LocalCopy(url).close()
    again = LocalCopy(url)
    assert len(fetched) == 2
    remove_copies()  # in use
    assert again.path.exists()
    again.close()
    remove_copies(unused_s=60)
    assert left(tmp_path)
    remove_copies()
    assert not list((tmp_path / "temporary").iterdir())


def test_a_clip_that_is_none_is_told_by_its_address(bucket, tmp_path):
    bucket.pipe("/bucket/bad.mp4", b"no video\n" * 9)
    bucket.pipe("/bucket/empty.mp4", b"")
    with pytest.raises(SourceError, match=r"^s3://bucket/bad.mp4 is a text file"):
        open_source("s3://bucket/bad.mp4")
    with pytest.raises(SourceError, match=r"no such file: s3://bucket/none.mp4"):
        open_source("s3://bucket/none.mp4")
    with pytest.raises(SourceError, match="is empty"):
        identify_remote("s3://bucket/empty.mp4")
    assert not left(tmp_path)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://", "an address is s3://BUCKET/KEY"),
        ("s3://name:key@bucket/clip.mp4", "holds a name or key"),
    ],
)
def test_wrong_addresses_and_keys_in_them_are_refused(url, words):
    with pytest.raises(SettingError, match=words) as told:
        file_system(url)
    assert "key@" not in str(told.value)


def test_without_its_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("lab.extras.is_installed", lambda module: module != "gcsfs")
    with pytest.raises(SourceError, match=r"gcsfs: pip install .sighting-lab\[remote\]"):
        file_system("gs://bucket/clip.mp4")


def test_a_store_is_a_folder():
    with pytest.raises(SettingError, match="lab logs push"):
        Store("s3://bucket/store")


@pytest.fixture
def s3(monkeypatch):
    """A server on this machine that speaks S3, in the environment as a user would name it."""
    pytest.importorskip("s3fs", reason="needs the package s3fs: pip install 'sighting-lab[remote]'")
    server = pytest.importorskip("moto.server", reason="needs the package moto[server]")
    made = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    files.name = f"b{uuid.uuid4().hex[:8]}"  # the server forgets nothing while this process lives
    files.mkdir(files.name)
    yield files
    s3fs.S3FileSystem.clear_instance_cache()
    made.stop()


@pytest.mark.long
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_batch_from_s3_gives_its_logs_to_s3(s3, samples, tmp_path, engine, capsys, monkeypatch):
    if engine == "ray":
        pytest.importorskip("ray", reason="needs the package ray: pip install 'sighting-lab[ray]'")
    names = ["nothing.mp4", "cat_then_person.mp4"]
    copies = tmp_path / "temporary"
    copies.mkdir()
    monkeypatch.setenv("TMPDIR", str(copies))
    for name in names:
        s3.put(str(samples / name), f"{s3.name}/cards/{name}")
    words = ["batch", f"s3://{s3.name}/cards", "--detector", "visual", "--every", "0.5"]
    words += ["--engine", engine, "--logs-to", f"s3://{s3.name}/logs"]
    assert main([*words, "--store", str(tmp_path / "a")]) == 0, capsys.readouterr().err
    assert main([*words, "--store", str(tmp_path / "a")]) == 0
    assert "2 already there" in capsys.readouterr().out
    assert main(["logs", "pull", f"s3://{s3.name}/logs", "--store", str(tmp_path / "b")]) == 0
    for row in Store(tmp_path / "b").runs():
        taken = lab.open_store(tmp_path / "b").run(row["run_id"])
        here = lab.analyze(samples / taken.media["name"], detector="visual", every_s=0.5,
                           store=tmp_path / "c", progress=False)  # fmt: skip
        assert taken.media["path"] == f"s3://{s3.name}/cards/{taken.media['name']}"
        assert taken.recipe_hash == here.recipe_hash
        assert_same_log(taken.log, here.log)
    stored = (tmp_path / "a" / "catalog.duckdb").read_bytes() if engine == "local" else b""
    assert b"nobody" not in stored
    assert not list(copies.glob("lab-*"))


@pytest.mark.long
def test_a_server_that_does_not_answer_is_one_line(s3, monkeypatch, tmp_path):
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    environment = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "lab", "batch", "s3://bucket/cards", "--detector", "visual",
         "--store", str(tmp_path / "s")],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "s3://bucket/cards cannot be used" in done.stderr
    assert "check the network, and AWS_ENDPOINT_URL" in done.stderr
    assert "Traceback" not in done.stderr
    shutil.rmtree(tmp_path / "s", ignore_errors=True)
