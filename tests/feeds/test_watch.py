"""`lab watch`, `lab feeds` and `lab.watch` over a camera that looks at a lamp."""

import json
import signal

import pytest

import lab
from lab.app.cli.main import main
from lab.errors import SettingError
from lab.feeds.commands import send
from lab.feeds.status import read_status
from tests.feeds.lamp import RULE, Command, Lamp, wait_for


@pytest.fixture
def lamp():
    with Lamp() as one:
        yield one


def test_python_is_given_each_moment_of_a_sighting(lamp, tmp_path):
    lamp.is_on = True
    kinds = []
    with lab.watch(feeds=[lamp.feed()], store=tmp_path, timeout_s=60) as watching:
        for event in watching:
            kinds.append(event.kind)
            if event.kind == "alerted":
                lamp.is_on = False
            if event.kind == "closed":
                watching.stop()
    assert [kind for kind in kinds if kind != "updated"] == ["opened", "alerted", "closed"]
    assert (event.feed, event.label, event.close_reason) == ("lamp", "brightness", "exit")
    assert event.picture_jpeg is not None
    (kept,) = lab.open_store(tmp_path).sightings().itertuples()
    assert (kept.label, kept.run_id) == ("brightness", event.run_id)
    with pytest.raises(SettingError, match="give a feeds file, or feeds, and not both"):
        lab.watch()


def test_a_signal_closes_what_is_open_and_is_no_failure(lamp, tmp_path):
    lamp.is_on = True
    file = tmp_path / "feeds.json"
    file.write_text(json.dumps({"feeds": [lamp.feed()]}))
    with Command("watch", file, "--store", tmp_path / "store", "--json") as command:
        opened = command.event("alerted")
        assert command.end(signal.SIGTERM) == 0
    closed = command.event("closed")
    assert (closed["sighting_id"], closed["close_reason"]) == (opened["sighting_id"], "cancelled")
    (run,) = lab.open_store(tmp_path / "store").runs().itertuples()
    assert (run.run_id, run.state) == (closed["run_id"], "cancelled")
    assert read_status(tmp_path / "store") is None


@pytest.mark.long
def test_the_file_is_read_again_and_commands_are_done(lamp, tmp_path, capsys):
    file, store = tmp_path / "feeds.json", tmp_path / "store"

    def write(text):
        file.write_text(text if isinstance(text, str) else json.dumps({"feeds": text}))

    def feed(name="lamp"):
        return (read_status(store) or {"feeds": {}})["feeds"].get(name)

    def ask(*words):
        patient = ["--wait", "60"] if words[0] == "feeds" else []
        code = main([*words, *patient, "--store", str(store)])
        return code, capsys.readouterr()

    write([lamp.feed()])
    with Command("watch", file, "--store", store) as command:
        run_id = wait_for(lambda: feed() and feed()["run_id"], f"a run; {command.said}")
        code, said = ask("watch", str(file))
        assert code == 1
        assert f"watched by another process (pid {command.process.pid})" in said.err

        write([lamp.feed(debounce={**RULE, "enter_frames": 7})])
        wait_for(lambda: feed()["rule"]["default"]["debounce"]["enter_frames"] == 7, "the rule")
        assert feed()["run_id"] == run_id
        write("feeds: [")
        wait_for(lambda: read_status(store)["problem"], "the problem of the file")
        assert "is not used: " in read_status(store)["problem"]
        assert feed()["run_id"] == run_id
        write([lamp.feed(), lamp.feed(id="second")])
        wait_for(lambda: feed("second") and feed("second")["state"] == "live", "the second feed")
        assert read_status(store)["problem"] is None
        assert feed()["run_id"] == run_id

        assert ask("feeds", "stop", "second")[0] == 0
        wait_for(lambda: feed("second")["state"] == "stopped", "its end")
        assert ask("feeds", "rule", "lamp", "--exit-frames", "9")[0] == 0
        wait_for(lambda: feed()["rule"]["default"]["debounce"]["exit_frames"] == 9, "the rule")
        code, said = ask("feeds", "list")
        assert "lamp" in said.out
        assert str(command.process.pid) in said.out
        for words, problem in [
            (["stop", "thrid"], "no feed 'thrid' is watched; known: lamp, second"),
            (["stop"], "name the feeds to stop by their ids: lamp, second"),
            (["reload", "lamp"], "reload is for all feeds; name none"),
            (["rule", "lamp"], "say what to change"),
            (["stop", "lamp", "--exit-frames", "2"], "options of a rule go with: lab feeds rule"),
        ]:
            code, said = ask("feeds", *words)
            assert (code, problem in said.err) == (2, True), said.err
        write([lamp.feed(id="second")])
        wait_for(lambda: feed() is None, "the end of a feed that is in the file no more")
        assert ask("feeds", "shut-down")[0] == 0
        assert command.process.wait(60) == 0
    code, said = ask("feeds", "stop", "lamp")
    assert (code, "nobody watches the feeds of this store" in said.err) == (1, True)


def test_the_watcher_of_the_app_ends_when_its_input_closes(tmp_path):
    with Command("watch", "--app", "--store", tmp_path) as command:
        wait_for(lambda: read_status(tmp_path), "its status")
        command.process.stdin.close()
        assert command.process.wait(60) == 0


@pytest.mark.long
def test_one_takes_over_from_the_app_with_the_feeds_that_were_made_there(lamp, tmp_path):
    file, store = tmp_path / "feeds.json", tmp_path / "store"
    file.write_text(json.dumps({"feeds": [lamp.feed()]}))
    with Command("watch", "--app", "--store", store) as app:
        wait_for(lambda: read_status(store), "its status")
        send(store, {"do": "add", "feed": lamp.feed(id="page")}, timeout_s=60)
        with Command("watch", file, "--take-over", "--store", store) as command:
            assert app.process.wait(60) == 0  # as one that is not to be started again
            feeds = wait_for(
                lambda: (
                    (found := read_status(store))
                    and found["pid"] == command.process.pid
                    and found["feeds"]
                ),
                "its own status",
            )
            assert set(feeds) == {"lamp", "page"}
            assert command.end(signal.SIGTERM) == 0


def test_a_check_makes_what_feeds_need_and_starts_nothing(lamp, tmp_path, capsys):
    file = tmp_path / "feeds.json"
    good, bad = lamp.feed(sinks=["console"]), lamp.feed(id="other")
    bad["source"] = {"type": "stream", "url": "gopher://camera"}
    bad["detector"] = {"type": "visual", "labels": ["brightnes"]}
    strange = lamp.feed(id="strange", rule={"labels": {"fox": {}}}, debounce=None)
    file.write_text(json.dumps({"feeds": [good, bad, strange]}))
    assert main(["watch", str(file), "--check", "--store", str(tmp_path / "store")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["feed lamp: source stream: ok", "feed lamp: detector visual: ok"]
    assert "url must begin with" in lines[2]
    assert "'brightnes'" in lines[3]
    assert "no label 'fox'" in lines[5]
    assert lines[-2:] == ["sink console: ok", "3 feeds, 3 problems"]
    assert read_status(tmp_path / "store") is None

    file.write_text(json.dumps({"feeds": [good]}))
    words = ["watch", str(file), "--check", "--json", "--store", str(tmp_path / "store")]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["feeds"], {part["problem"] for part in found["parts"]}) == (["lamp"], {None})

    file.write_text(json.dumps({"feeds": []}))
    assert main(["watch", str(file), "--store", str(tmp_path / "store")]) == 2
    assert "there are no feeds in" in capsys.readouterr().err


def test_a_check_tells_of_pictures_without_times(lamp, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(lamp.picture())
    file = tmp_path / "feeds.json"
    source = {"type": "images", "path": str(tmp_path / "in")}
    ways = [{}, {"time_pattern": "%Y%m%d-%H%M%S"}, {"fps": 1}, {"times": "file"}]
    feeds = [lamp.feed(id=f"way-{i}", source=source | way) for i, way in enumerate(ways)]
    empty = lamp.feed(id="empty", source=source | {"path": str(tmp_path / "nothing")})
    file.write_text(json.dumps({"feeds": [*feeds, empty]}))
    assert main(["watch", str(file), "--check", "--store", str(tmp_path / "store")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "a.jpg has no DateTimeOriginal in its EXIF data; say times:" in lines[0]
    assert "a.jpg is not named as time_pattern says" in lines[2]
    assert all(line.endswith("ok") for line in [*lines[4:-1:2], *lines[1::2]])
    assert lines[-1] == "5 feeds, 2 problems"


def test_a_control_is_checked_before_anything_is_watched(lamp, samples, tmp_path, capsys):
    file, truth = tmp_path / "feeds.json", tmp_path / "truth.csv"
    file.write_text(json.dumps({"feeds": [lamp.feed()]}))
    clip = samples / "cat_then_person.mp4"
    truth.write_text(f"media,label,start_s,end_s\n{clip.name},cat,1.6,5.8\n")

    def ask(*words):
        shared = ["--check", "--store", str(tmp_path / "store")]
        return main(["watch", str(file), *map(str, words), *shared]), capsys.readouterr().err

    assert ask("--control", clip, "--labels", truth, "--every", "30m")[0] == 0
    for words, problem in [
        (["--control", clip], "--control needs --labels CSV"),
        (["--every", "6h"], "--labels and --every go with --control CLIP"),
        (["--control", clip, "--labels", truth, "--every", "soon"], "got 'soon': try 6h"),
    ]:
        code, said = ask(*words)
        assert (code, problem in said) == (2, True), said


@pytest.mark.long
def test_a_file_of_detstream_runs_as_it_is(lamp, tmp_path, monkeypatch):
    monkeypatch.setenv("LAMP_URL_OF_TEST", "")  # so that what the file sets is gone afterwards
    monkeypatch.delenv("LAMP_URL_OF_TEST")
    (tmp_path / ".env").write_text(f"export LAMP_URL_OF_TEST='{lamp.url}'  # the lamp\n")
    file = tmp_path / "lamp.yaml"
    file.write_text(
        """
feeds:
  - id: lamp-cam
    name: The lamp
    source: { type: stream, url: "${LAMP_URL_OF_TEST}", interval_s: 2.0, max_height: 720 }
    detector: { type: yolo, weights: yolo11n, class_name: person, confidence_threshold: 0.4 }
    debounce: { sample_interval_s: 0.2, enter_frames: 3, exit_frames: 5, tee_fps: 5 }
    sinks: [console]
sinks:
  # discord: { color: 7260585 }
"""
    )
    with lab.watch(file, store=tmp_path / "store") as watching:
        feed = wait_for(
            lambda: next((f for f in watching.status()["feeds"].values() if f["analysed"] > 2), 0),
            "three samples",
        )
        assert (feed["name"], feed["detector"], feed["every_s"]) == ("The lamp", "yolo", 0.2)
        assert "127.0.0.1" in feed["source"]
