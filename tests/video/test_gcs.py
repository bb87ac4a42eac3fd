"""Clips and logs on gs://, from a server on this machine that speaks Google Cloud Storage."""

import pytest

import lab
from lab.app.cli.main import main
from lab.errors import SourceError, StoreError
from lab.runs.log_exchange import push_logs
from lab.store.store import Store
from lab.video import remote_store
from lab.video.media import identify
from lab.video.remote_store import LocalCopy, identify_remote, list_clips
from tests.builders import assert_same_log
from tests.detectors.servers import JsonServer, Reply

gcsfs = pytest.importorskip("gcsfs", reason="needs gcsfs: pip install 'sighting-lab[remote]'")


@pytest.fixture
def settled(monkeypatch, tmp_path):
    """Connections and copies are those of one test."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(remote_store, "_kept", False)
    gcsfs.GCSFileSystem.clear_instance_cache()
    yield monkeypatch
    gcsfs.GCSFileSystem.clear_instance_cache()


@pytest.fixture
def bucket(settled, samples):
    """gs://cards with a clip, on a server that the environment names."""
    server = pytest.importorskip("gcp_storage_emulator.server", reason="needs gcp-storage-emulator")
    made = server.create_server("127.0.0.1", 0, in_memory=True, default_bucket="cards")
    made.start()
    port = made._api._httpd.server_address[1]
    settled.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    files = gcsfs.GCSFileSystem()
    files.pipe("cards/a b/nothing.mp4", (samples / "nothing.mp4").read_bytes())
    yield files
    made.stop()


def test_a_clip_there_is_the_same_media_as_the_file(bucket, samples):
    url = "gs://cards/a b/nothing.mp4"
    assert list_clips("gs://cards") == list_clips("gs://cards/*/noth*") == [url]
    assert identify_remote(url) == identify(samples / "nothing.mp4")
    copy = LocalCopy(url)
    assert copy.path.read_bytes() == (samples / "nothing.mp4").read_bytes()
    copy.close()
    assert not copy.path.exists()


@pytest.mark.long
def test_what_is_not_there_is_one_line_and_makes_no_bucket(bucket, analysed, samples, tmp_path):
    with pytest.raises(SourceError, match=r"no video at gs://cards/none; looked for"):
        list_clips("gs://cards/none")
    with pytest.raises(SourceError, match=r"no such file: gs://typo/x; check the bucket"):
        list_clips("gs://typo/x")
    url = "gs://cards/a b/nothing.mp4"
    assert identify_remote(url)
    bucket.rm("cards/a b/nothing.mp4")  # between the listing and the analysis
    with pytest.raises(SourceError, match=rf"no such file: {url}; check the bucket and the key"):
        LocalCopy(url)
    (run,) = analysed(tmp_path / "a", (samples / "nothing.mp4", {}))
    with pytest.raises(StoreError, match=r"no such file: gs://typo/logs/.*check the bucket"):
        push_logs(run.store, "gs://typo/logs")
    assert "typo" not in "".join(bucket.ls(""))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "Anonymous caller does not have storage.objects.list access"),
        (403, "nobody@x does not have storage.objects.list access"),
    ],
)
def test_without_credentials_the_line_says_how_to_sign_in(settled, caplog, status, message):
    class Refusing(JsonServer):
        def reply(self, *_):
            return Reply({"error": {"code": status, "message": message}}, status)

    with Refusing() as server:
        settled.setenv("STORAGE_EMULATOR_HOST", server.url)
        with pytest.raises(SourceError) as told:
            list_clips("gs://cards/a")
    assert message in str(told.value)
    assert "gcloud auth application-default login" in str(told.value)
    assert "\n" not in str(told.value)
    assert not [one for one in caplog.records if one.name.startswith("gcsfs")]


@pytest.mark.long
def test_a_batch_from_gs_gives_its_logs_to_gs(bucket, samples, tmp_path, capsys):
    pytest.importorskip("ray", reason="needs the package ray: pip install 'sighting-lab[ray]'")
    bucket.pipe("cards/b/cat.mp4", (samples / "cat_then_person.mp4").read_bytes())
    words = ["batch", "gs://cards", "--detector", "visual", "--every", "0.5", "--engine", "ray"]
    words += ["--logs-to", "gs://cards/logs", "--store", str(tmp_path / "a")]
    assert main(words) == 0, capsys.readouterr().err
    assert main(["logs", "pull", "gs://cards/logs", "--store", str(tmp_path / "b")]) == 0
    rows = Store(tmp_path / "b").runs()
    assert len(rows) == 2
    files = {"gs://cards/a b/nothing.mp4": "nothing.mp4",
             "gs://cards/b/cat.mp4": "cat_then_person.mp4"}  # fmt: skip
    for row in rows:
        taken = lab.open_store(tmp_path / "b").run(row["run_id"])
        here = lab.analyze(samples / files.pop(taken.media["path"]), detector="visual", every_s=0.5,
                           store=tmp_path / "c", progress=False)  # fmt: skip
        assert taken.recipe_hash == here.recipe_hash
        assert_same_log(taken.log, here.log)
    assert not list((tmp_path / "temporary").glob("lab-*"))
