"""A feeds file: the lab's own keys, those of detstream 0.3, and what is wrong in one."""

import json
import os

import pytest
import yaml

from lab.app.cli.main import main
from lab.errors import SettingError
from lab.feeds.dot_env import keep_secret, load_dot_env, read_dot_env
from lab.feeds.feed_files import FeedFiles
from lab.feeds.feeds_file import feed_of, read_feeds_file
from lab.feeds.write_feeds import app_file, write_feeds
from lab.rules.rule import Debounce
from lab.sinks.registered import sinks
from lab.store.store import Store
from lab.video.live.captures.registered import captures

CAMERA = {
    "id": "gate",
    "source": {"type": "stream", "url": "rtsp://camera.local/main"},
    "detector": {"type": "motion"},
}


def write(tmp_path, document, name="feeds.json"):
    path = tmp_path / name
    text = document if isinstance(document, str) else json.dumps(document)
    path.write_text(text, encoding="utf-8")
    return path


def read(tmp_path, document, **environ):
    return read_feeds_file(write(tmp_path, document), environ=environ)


def camera(**changes):
    return {"feeds": [{**CAMERA, **changes}]}


def read_one(tmp_path, _environ=None, **changes):
    (feed,) = read(tmp_path, camera(**changes), **(_environ or {})).feeds
    return feed


def test_a_feed_needs_only_an_id_a_source_and_a_detector(tmp_path):
    feed = read_one(tmp_path)
    assert (feed.feed_id, feed.title, feed.detector) == ("gate", "gate", "motion")
    assert feed.source == {"type": "stream", "url": "rtsp://camera.local/main"}
    assert (feed.every_s, feed.sinks, feed.is_started) == (2.0, ("console",), True)
    assert not feed.rule_is_given
    debounce = feed.rule.default.debounce
    assert debounce.cooldown_s == 120
    assert debounce.enter_threshold == 0.005  # the detector's own


def test_every_key_of_a_feed_is_read(tmp_path):
    feed = read_one(
        tmp_path,
        name="The gate",
        every_s=0.5,
        site="north",
        start=False,
        keep_hours=12,
        keep_gb=1.5,
        silent_s=30,
        frozen_s=0,
        sinks=["console", "store"],
        debounce={"enter_frames": 2, "exit_s": 4, "cooldown_from": "end", "merge_gap_s": 6},
    )
    assert (feed.name, feed.every_s, feed.site, feed.is_started) == (
        "The gate",
        0.5,
        "north",
        False,
    )
    assert (feed.keep_s, feed.keep_bytes) == (12 * 3600, 3 << 29)
    assert (feed.silent_s, feed.frozen_s, feed.sinks) == (30, 0, ("console",))
    assert feed.rule_is_given
    assert feed.rule.default.debounce == Debounce(
        enter_threshold=0.005, enter_frames=2, exit_s=4, cooldown_s=120, cooldown_from="end",
        merge_gap_s=6,
    )  # fmt: skip


# As in the README and the tests of detstream 0.3.
OTTERS = """
feeds:
  - id: bay-otters
    name: Otters of the Bay
    source:   { type: stream, url: "https://cam.example/o.m3u8", interval_s: 2, max_height: 720 }
    detector: { type: yolo-world, prompt: otter swimming, confidence_threshold: 0.3 }
    debounce: { enter_frames: 4, exit_frames: 6, cooldown_s: 60, sample_interval_s: 3, tee_fps: 30 }
    sinks: [console]
sinks:
  # discord: { color: 7260585 }
"""


def test_a_file_of_detstream_means_what_it_means_there(tmp_path):
    found = read_feeds_file(write(tmp_path, OTTERS, "feeds.yaml"), environ={})
    (feed,) = found.feeds
    assert (feed.feed_id, feed.name, feed.every_s) == ("bay-otters", "Otters of the Bay", 3)
    assert feed.detector == "yolo-world"
    assert feed.detector_settings == {"labels": ["otter swimming"], "weights": "yolov8s-world.pt"}
    assert feed.rule.default.debounce == Debounce(
        confidence_threshold=0.3, enter_frames=4, exit_frames=6, cooldown_s=60
    )
    assert found.sinks == {"console": {"type": "console"}}
    words = "\n".join(found.notes)
    assert "feeds[0]: source.interval_s has no effect, as in detstream; give every_s" in words
    assert "debounce.tee_fps has no effect" in words


EVERY_KEY_OF_A_SINK = {
    "supabase": {"bucket": "thumbnails", "detector_label": "yolo-world", "retention_hours": 3,
                 "thumbnail_width": 960, "thumbnail_quality": 70},
    "discord": {"color": 0x6EC9A9, "watch_urls": {"gate": "https://cam.example/gate"}},
    "comment": {"template": "{label} spotted at {time}", "time_format": "%H:%M",
                "min_confidence": 0.0},
    "clips": {"dir": "clips", "fps": 30, "pre_s": 5, "post_s": 5, "codec": "mp4v",
              "jpg_quality": 90, "width": 1280},
    "dataset": {"dir": "dataset", "quality": 95},
}  # fmt: skip


@pytest.mark.parametrize("name", EVERY_KEY_OF_A_SINK)
def test_every_key_of_a_sink_of_detstream_is_taken(tmp_path, name):
    if name not in sinks:
        pytest.skip(f"there is no sink {name} yet")
    given = EVERY_KEY_OF_A_SINK[name]
    found = read(tmp_path, {"feeds": [{**CAMERA, "sinks": [name]}], "sinks": {name: given}})
    assert not found.unused_sinks
    assert {"type", *given} == set(found.sinks[name])
    if "dir" in given:
        assert found.sinks[name]["dir"] == str(tmp_path / given["dir"])


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ({"type": "youtube", "url": "https://www.youtube.com/watch?v=x", "max_height": 720},
         "youtube"),
        ({"type": "file", "path": "0", "interval_s": 2.0, "loop": False}, "device"),
        ({"type": "file", "path": "clip.mp4", "loop": True}, "file"),
    ],
)  # fmt: skip
def test_every_source_of_detstream_is_taken(tmp_path, source, kind):
    if kind not in captures:
        pytest.skip(f"there is no source {kind} yet")
    assert read_one(tmp_path, source=source).source["type"] == kind


@pytest.mark.parametrize(
    ("given", "name", "settings", "threshold"),
    [
        ({"type": "yolo-world"}, "yolo-world", {}, 0.1),
        ({"type": "yolo-world", "prompt": "fox", "weights": ""}, "yolo-world",
         {"labels": ["fox"], "weights": "yolov8s-world.pt"}, 0.4),
        ({"type": "yoloe", "prompts": ["deer", "fox"], "confidence_threshold": 0.25}, "yoloe",
         {"labels": ["deer", "fox"]}, 0.25),
        ({"type": "yoloe", "prompt": "fox"}, "yoloe", {"labels": ["fox"]}, 0.4),
        ({"type": "yolo", "weights": "otter.pt", "class_name": "otter"}, "yolo",
         {"weights": "otter.pt", "class_name": "otter"}, 0.4),
        ({"type": "yolo", "confidence_threshold": 0.02}, "yolo", {"score_floor": 0.02}, 0.02),
        ({"type": "rf-detr", "model": "nano", "class_name": "bird", "weights_sha256": ""}, "python",
         {"target": "detstream.detectors.rf_detr:RfDetrDetector", "style": "detstream",
          "label": "bird", "confidence_threshold": 0.01, "model": "nano", "class_name": "bird"},
         0.4),
        ({"type": "roboflow", "workspace": "w", "workflow_id": "f", "api_key": "${KEY}",
          "confidence_threshold": 0.3}, "python",
         {"target": "detstream.detectors.roboflow:RoboflowDetector", "style": "detstream",
          "label": "object", "confidence_threshold": 0.01, "workspace": "w", "workflow_id": "f",
          "api_key": "k-1"}, 0.3),
    ],
)  # fmt: skip
def test_detectors_of_detstream_become_ours(tmp_path, given, name, settings, threshold):
    feed = read_one(tmp_path, {"KEY": "k-1"}, detector=given)
    assert (feed.detector, feed.detector_settings) == (name, settings)
    debounce = feed.rule.default.debounce
    assert debounce.enter_threshold == debounce.exit_threshold == threshold


def test_the_schema_takes_what_is_read_and_refuses_unknown_keys(tmp_path, capsys):
    jsonschema = pytest.importorskip("jsonschema")
    assert main(["feeds", "schema"]) == 0
    validator = jsonschema.Draft202012Validator(json.loads(capsys.readouterr().out))
    validator.check_schema(validator.schema)
    for document in (yaml.safe_load(OTTERS), camera(rule="night", every_s="${N}", sinks=None)):
        assert list(validator.iter_errors(document)) == []
    for wrong in ({"sorce": {}}, {"source": {"type": "stream", "ulr": "x"}}, {"id": "a b"},
                  {"debounce": {"enter_frame": 1}}, {"detector": {"type": "yolo12"}}):  # fmt: skip
        assert len(list(validator.iter_errors(camera(**wrong)))) >= 1, wrong


def test_the_key_of_roboflow_comes_from_its_variable(tmp_path):
    row = {"type": "roboflow", "workspace": "w", "workflow_id": "f"}
    feed = read_one(tmp_path, {"ROBOFLOW_API_KEY": "k-2"}, detector=row)
    assert feed.detector_settings["api_key"] == "k-2"
    with pytest.raises(SettingError, match=r"feeds\[0\]\.detector: its key is missing; set ROBOF"):
        read_one(tmp_path, detector=row)


def test_a_rule_may_be_written_out_or_lie_in_a_file_or_in_the_store(tmp_path):
    rule = {"default": {"enter_threshold": 0.2}, "labels": {"fox": {"enter_frames": 1}}}
    feed = read_one(tmp_path, rule=rule)
    assert feed.rule.default.debounce == Debounce(confidence_threshold=0.2, cooldown_s=120)
    assert feed.rule.of("fox").debounce.enter_frames == 1
    assert feed.rule.of("fox").debounce.cooldown_s == 120

    whole = feed.rule.changed(cooldown_s=0)
    (tmp_path / "night.yaml").write_text(json.dumps(whole.to_dict()))
    named = read_one(tmp_path, rule="night.yaml")
    assert (named.rule, named.rule_name, named.rule_is_given) == (whole, "night.yaml", True)

    store = Store(tmp_path / "store")
    store.save_rule("dusk", whole)
    path = write(tmp_path, camera(rule="dusk"))
    assert read_feeds_file(path, environ={}, store=store).feeds[0].rule == whole
    with pytest.raises(SettingError, match=r"feeds\[0\]\.rule: no saved rule or file 'dawn'"):
        read_feeds_file(write(tmp_path, camera(rule="dawn")), environ={}, store=store)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sorce": {}}, r"feeds\[0\]: unknown key 'sorce'; did you mean 'source'"),
        ({"sample_interval_s": 2}, r"feeds\[0\]: unknown key 'sample_interval_s'; use every_s"),
        ({"cooldown_s": 9}, r"unknown key 'cooldown_s'; it belongs in debounce"),
        ({"source": {"type": "stream", "ulr": "x"}}, r"feeds\[0\]\.source: unknown key 'ulr'; kn"),
        ({"source": {"type": "stream"}}, r"feeds\[0\]\.source: the key 'url' is missing"),
        ({"source": {"type": "stream", "url": ""}}, r"feeds\[0\]\.source\.url: it is empty"),
        ({"source": {"type": "strem", "url": "x"}}, r"source\.type: unknown source 'strem'; kn"),
        ({"source": {"url": "x"}}, r"feeds\[0\]\.source: the key 'type' is missing"),
        ({"source": "x"}, r"feeds\[0\]\.source: expected a mapping, got \"x\""),
        ({"detector": {"type": "yolo12"}}, r"detector\.type: unknown detector 'yolo12'; .*yolo"),
        ({"detector": {"type": "yolo", "sise": 1}}, r"detector: unknown key 'sise'; known: "),
        ({"detector": {"type": "motion", "prompt": "x"}}, r"unknown key 'prompt'; use labels"),
        ({"detector": {"type": "yolo", "confidence_threshold": 40}}, r"expected a number in \(0"),
        ({"debounce": {"enter_frame": 3}}, r"debounce: unknown key 'enter_frame'; did you mean"),
        ({"debounce": {"enter_frames": 0}}, r"debounce: enter_frames must be a whole number"),
        ({"debounce": {"cooldown_s": "soon"}}, r'debounce\.cooldown_s: expected a number, got "so'),
        ({"debounce": {"sample_interval_s": 0}}, r"sample_interval_s: expected a number above 0"),
        ({"debounce": {"sample_interval_s": 1}, "every_s": 1}, r"every_s and debounce\.sample_int"),
        ({"debounce": {"enter_frames": 2}, "rule": {}}, r"give enter_frames in debounce, or a ru"),
        ({"rule": {"defualt": {}}}, r"feeds\[0\]\.rule: unknown key 'defualt'; known: default"),
        ({"rule": {"default": {"exit": 1}}}, r"feeds\[0\]\.rule: rule\.default: unknown setting"),
        ({"sinks": ["consol"]}, r"sinks\.consol: unknown sink 'consol'; did you mean 'console'"),
        ({"sinks": "console"}, r"feeds\[0\]\.sinks: expected a list of texts, got \"console\""),
        ({"sinks": ["console", "console"]}, r"feeds\[0\]\.sinks: expected each name once"),
        ({"keep_hours": -1}, r"feeds\[0\]\.keep_hours: expected a number of 0 or more, got -1"),
        ({"site": "a\0b"}, r"feeds\[0\]: site must be .* without control characters, got '\\x00'"),
        ({"start": "maybe"}, r"feeds\[0\]\.start: expected true or false"),
        ({"id": "a b"}, r"feeds\[0\]: the id of a feed must be letters"),
        ({"id": None}, r"feeds\[0\]\.id: it is empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line_with_its_place(tmp_path, changes, words):
    with pytest.raises(SettingError, match=words) as raised:
        read(tmp_path, camera(**changes))
    assert str(raised.value).startswith(str(tmp_path / "feeds.json"))
    assert "\n" not in str(raised.value)
    assert str(raised.value).count("feeds[0]") <= 1


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "the key 'feeds' is missing"),
        ({"feeds": {}}, "feeds: expected a list of feeds, got a dict"),
        ({"feeds": [], "sink": {}}, "unknown key 'sink'; known: feeds, sinks"),
        ({"feeds": [CAMERA, CAMERA]}, r"feeds\[1\]\.id: 'gate' is also the id of feeds\[0\]"),
        ({"feeds": [CAMERA], "sinks": {"console": {"colour": 1}}}, "sinks.console: unknown key"),
        ({"feeds": [CAMERA], "sinks": []}, "sinks: expected a mapping"),
    ],
)
def test_what_is_wrong_with_the_whole_is_said_too(tmp_path, document, words):
    with pytest.raises(SettingError, match=words):
        read(tmp_path, document)


def test_variables_come_from_the_environment_then_from_the_file_beside(tmp_path):
    (tmp_path / ".env").write_text(
        "HOST=from-file\n"
        "PASSWORD='a#b c'  \n"
        "export USER_NAME=ex  # a comment\n"
        "# OTHER=1\n"
        "QUOTED=\"say 'hi'\"\n"
        "EMPTY=\n"
    )
    url = "rtsp://${USER_NAME}:${PASSWORD}@${HOST}/1"
    feed = read_one(tmp_path, {"HOST": "from-shell"}, source={"type": "stream", "url": url})
    assert feed.source["url"] == "rtsp://ex:a#b c@from-shell/1"
    assert read_dot_env(tmp_path / ".env")["QUOTED"] == "say 'hi'"
    assert "OTHER" not in read_dot_env(tmp_path / ".env")
    feed = read_one(tmp_path, {"N": "4"}, debounce={"enter_frames": "${N}"}, name="${NONE}")
    assert (feed.rule.default.debounce.enter_frames, feed.name) == (4, "")


def test_a_variable_that_is_not_set_is_named_and_no_secret_is(tmp_path):
    source = {"type": "stream", "url": "rtsp://admin:${CAM_PASSWORD}@host/1"}
    with pytest.raises(SettingError, match=r"source\.url: CAM_PASSWORD is not set; set it in the"):
        read_one(tmp_path, source=source)
    sinks = {"sinks": {"webhook": {"url": "${HOOK}", "secret": "${HOOK_SECRET}"}}}
    unused = read(tmp_path, {**camera(), **sinks})
    assert (list(unused.sinks), list(unused.unused_sinks)) == (["console"], ["webhook"])
    with pytest.raises(SettingError, match=r"sinks\.webhook\.url: HOOK is not set"):
        read(tmp_path, {**camera(sinks=["webhook"]), **sinks})
    with pytest.raises(SettingError, match="KEY is not set"):
        row = {"type": "roboflow", "workspace": "w", "workflow_id": "f", "api_key": "${KEY}"}
        read_one(tmp_path, detector=row)
    with pytest.raises(SettingError) as raised:
        read_one(tmp_path, {"N": "s3cret"}, every_s="${N}")
    assert "s3cret" not in str(raised.value)


def test_sinks_find_what_is_in_the_file_beside_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SINK_KEY_OF_TEST", "")  # so that what the file sets is gone afterwards
    monkeypatch.delenv("SINK_KEY_OF_TEST")
    monkeypatch.setenv("SINK_OTHER_OF_TEST", "shell")
    (tmp_path / ".env").write_text("SINK_KEY_OF_TEST=1\nSINK_OTHER_OF_TEST=file\n")
    read_feeds_file(write(tmp_path, camera()))
    assert (os.environ["SINK_KEY_OF_TEST"], os.environ["SINK_OTHER_OF_TEST"]) == ("1", "shell")
    (tmp_path / ".env").write_text("SINK_KEY_OF_TEST=2\n")
    load_dot_env(tmp_path)
    assert os.environ["SINK_KEY_OF_TEST"] == "2"


def test_a_file_may_have_two_hundred_feeds(tmp_path):
    rows = [{**CAMERA, "id": f"camera-{i}"} for i in range(200)]
    found = read_feeds_file(write(tmp_path, {"feeds": rows}, "feeds.yaml"), environ={})
    assert [feed.feed_id for feed in found.feeds] == [row["id"] for row in rows]


def test_feeds_are_written_and_read_again_without_their_secrets(tmp_path):
    password = keep_secret(tmp_path, 'p@ss "it\'s"')
    assert keep_secret(tmp_path, 'p@ss "it\'s"') == password
    other = keep_secret(tmp_path, "a b # c")
    row = {**CAMERA, "source": {"type": "stream", "url": f"rtsp://me:{password}@{other}/1"}}
    path = app_file(tmp_path)
    write_feeds(path, [row], {"console": {}})
    assert "p@ss" not in path.read_text()
    for name in (path, path.parent / ".env"):
        assert name.stat().st_mode & 0o077 == 0
    found = read_feeds_file(path, environ={})
    assert found.feeds[0].source["url"] == 'rtsp://me:p@ss "it\'s"@a b # c/1'
    assert (found.rows, found.sink_rows) == ([row], {"console": {}})
    assert feed_of(row, folder=path.parent, environ={}) == found.feeds[0]


def test_the_secret_of_a_feed_goes_with_it_unless_another_one_uses_it(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    store = Store(tmp_path / "store")
    path = store.folder / "feeds" / ".env"
    shared, own, sinks, hand = (keep_secret(store.folder, one) for one in ("s1", "o1", "k1", "h1"))
    mine = "# mine\nexport MINE_OF_TEST=1\n"
    path.write_text(mine + path.read_text())
    given = (
        f"rtsp://{own}:{shared}@host/1",
        f"rtsp://me:{shared}@host/2",
        f"rtsp://${{MINE_OF_TEST}}:{hand}@h",
    )
    rows = [
        {**CAMERA, "id": f"camera-{i}", "source": {"type": "stream", "url": url}, "sinks": []}
        for i, url in enumerate(given)
    ]
    write_feeds(app_file(store.folder), rows, {"hook": {"type": "webhook", "url": f"{sinks}"}})
    named = tmp_path / "feeds.json"
    named.write_text(json.dumps({"feeds": [{**rows[0], "id": "named", "source": {
        "type": "stream", "url": f"rtsp://me:{hand}@host/3"}}]}))  # fmt: skip
    files = FeedFiles(store, named)
    assert len(files.read().feeds) == 4

    def kept():
        return set(read_dot_env(path).values())

    files.remove("camera-0")
    assert kept() == {"1", "s1", "k1", "h1"}
    files.remove("camera-1")
    files.remove("camera-2")
    assert kept() == {"1", "k1", "h1"}
    assert path.read_text().startswith(mine)
    assert path.stat().st_mode & 0o077 == 0
    assert "s1" not in path.read_text()


@pytest.mark.parametrize(
    "source",
    [
        {"type": "stream", "url": "rtsp://me:secret@host/1"},
        {"type": "stream", "url": "https://host/1?token=secret"},
        {"type": "rtmp", "stream_key": "secret"},
    ],
)
def test_a_secret_in_plain_is_not_written(tmp_path, source):
    with pytest.raises(SettingError, match=r"feeds\[0\]\.source\..*: a secret is kept") as raised:
        write_feeds(app_file(tmp_path), [{**CAMERA, "source": source}], {})
    assert "secret@" not in str(raised.value)
    assert not app_file(tmp_path).exists()
