"""Documents and bundles of somebody else: they run no code, call nobody, and write nowhere else."""

import json
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import lab
from lab.app.cli.main import main
from lab.detectors.services.cloud_vision import GOOGLE_URL
from lab.errors import SettingError
from lab.experiments.bundle import bundle_of
from lab.experiments.entry import Experiment, save_rule_entry
from lab.experiments.reproduce import reproduce
from lab.jobs.document import schema
from lab.jobs.document.read import job_of
from lab.jobs.document.run import run_job
from lab.jobs.document.trust import effects_of
from tests.detectors.servers import JsonServer, Reply
from tests.peers.web import serving

TARGET = {"target": "os:system", "command": "touch ran"}
SECRET = "hunter2hunter2"


class Worker(JsonServer):
    """A remote worker that notes everything that it is sent, and finds nothing."""

    def reply(self, method, path, headers, body, number):
        return Reply({"detections": []} if method == "POST" else {})


@pytest.fixture
def worker():
    with Worker() as running:
        yield running


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder, in which the command of a document would leave a file."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LAB_TEST_SECRET", SECRET)
    return folder


def ask(capsys, *words):
    code = main([*map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def job(clip, *analyses, **more):
    return {
        "version": 1,
        "source": {"type": "file", "path": str(clip)},
        "sampling": {"every_s": 2},
        "analyses": list(analyses) or [{"detector": "visual"}],
        **more,
    }


@pytest.fixture(scope="module")
def study(samples, tmp_path_factory):
    """A bundle of a run of a sample clip, with two sightings."""
    folder = tmp_path_factory.mktemp("study")
    run = lab.analyze(
        samples / "cat_comes_and_goes.mp4",
        labels=["cat"],
        every_s=0.5,
        store=folder / "store",
        progress=False,
    )
    entry = save_rule_entry(run, run.default_rule, "rule")
    (folder / "bundle.zip").write_bytes(bundle_of(Experiment.load(run.store, entry)))
    return folder / "bundle.zip"


def forged(bundle, path, change):
    """The bundle with its facts changed by a function."""
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "bundle.json":
                facts = json.loads(data)
                change(facts)
                data = json.dumps(facts).encode()
            new.writestr(name, data)
    return path


def with_detector(settings, **recipe):
    """A change of a bundle: another detector."""

    def change(facts):
        facts["recipe"] |= {"detector": settings["name"], **recipe}
        facts["detector_settings"] = settings
        facts["weights_path"] = None

    return change


def as_plugin(name, settings):
    """A change of a bundle: what a run of a plugin keeps."""

    def change(facts):
        facts["recipe"] |= {"detector": name, "plugin": {"name": "x"}, "settings": settings}
        facts["weights_path"] = facts["detector_settings"] = None

    return change


@pytest.mark.parametrize(
    "change",
    [
        as_plugin("python", TARGET),
        with_detector({"name": "python", **TARGET}),
        with_detector({"name": "logos", "on": "boxes", "boxes_from": {"name": "python", **TARGET}}),
        with_detector(
            {
                "name": "logos",
                "on": "boxes",
                "boxes_from": {"detector": "python", "plugin": {}, "settings": TARGET},
            }
        ),
    ],
)
def test_a_bundle_runs_no_code_unless_it_is_trusted(study, here, capsys, change):
    bad = forged(study, here.parent / "bad.zip", change)
    code, out, err = ask(capsys, "reproduce", bad)
    assert code == 2
    assert out == ""
    assert "nothing was run" in err
    assert "'os:system'" in err
    assert "--trust" in err
    assert "identical" not in out + err
    assert not list(here.iterdir())
    row = reproduce(bad, share=0)
    assert row["sightings"]["identical"]


def test_a_bundle_that_hides_its_detector_behind_another_is_refused(study, here):
    def change(facts):
        facts["detector_settings"] = {"name": "motion"}

    with pytest.raises(SettingError, match="'yolo', its settings of 'motion'"):
        reproduce(forged(study, here.parent / "bad.zip", change))


def test_a_bundle_sends_no_variable_to_an_address_unless_it_is_trusted(study, here, capsys, worker):
    settings = {"name": "remote", "url": worker.url, "token_env": "LAB_TEST_SECRET"}
    bad = forged(study, here.parent / "bad.zip", with_detector(settings))
    code, out, err = ask(capsys, "reproduce", bad)
    assert code == 2
    assert worker.url in err
    assert "'LAB_TEST_SECRET'" in err
    assert out == ""
    assert not worker.asked
    ask(capsys, "reproduce", bad, "--trust")
    assert f"Bearer {SECRET}" in {headers.get("Authorization") for _, _, headers, _ in worker.asked}


def test_a_trusted_bundle_whose_detector_cannot_be_made_is_not_called_reproduced(
    study, here, capsys
):
    bad = forged(study, here.parent / "bad.zip", as_plugin("python", TARGET))
    code, out, _ = ask(capsys, "reproduce", bad, "--trust")
    assert code == 1
    assert "inference not repeated" in out


def test_samples_on_which_the_detector_failed_were_not_inferred_again(study, here, capsys, worker):
    """The worker answers with what is no answer: no difference is known, rather than none."""
    worker.reply = lambda method, *_: Reply({"wrong": 1} if method == "POST" else {})
    recipe = lab.make_detector("remote", url=worker.url, labels=["cat"]).recipe()
    settings = {"name": "remote", "url": worker.url, "labels": ["cat"]}

    def change(facts):
        facts["recipe"] |= recipe
        facts["detector_settings"], facts["weights_path"] = settings, None
        for name in set(facts["recipe"]) & {"weights", "weights_sha256", "runtime", "image_size"}:
            del facts["recipe"][name]

    bad = forged(study, here.parent / "bad.zip", change)
    code, out, _ = ask(capsys, "reproduce", bad, "--trust")
    assert code == 1
    assert "inference not repeated: the detector answered on none of" in out


def test_paths_of_a_bundle_stay_where_they_may_be(study, here, samples, capsys):
    def up(facts):
        facts["weights_path"] = "../../weights.onnx"

    code, out, _ = ask(capsys, "reproduce", forged(study, here.parent / "up.zip", up))
    assert code == 1
    assert "relative path '../../weights.onnx', which is not followed" in out

    def away(facts):
        clip = facts["media"][0]
        clip["name"] = clip["relative_path"] = "../clip.mp4"

    (here.parent / "clip.mp4").write_bytes((samples / "cat_comes_and_goes.mp4").read_bytes())
    (here / "videos").mkdir()
    (here / "clip.mp4").write_bytes((samples / "cat_comes_and_goes.mp4").read_bytes())
    bad = forged(study, here.parent / "away.zip", away)
    assert "is not in" in reproduce(bad, videos=here / "videos")["inference"]["skipped"]

    def unknown(facts):
        facts["media"][0]["sha256"] = None

    bad = forged(study, here.parent / "unknown.zip", unknown)
    assert "no file can be known to be it" in reproduce(bad)["inference"]["skipped"]


def test_a_bundle_without_a_sample_is_not_identical(study, here, capsys):
    path = here.parent / "empty.zip"
    with zipfile.ZipFile(study) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = b"[]" if name == "sightings.json" else old.read(name)
            if not name.endswith(".parquet"):
                new.writestr(name, data)
    code, out, err = ask(capsys, "reproduce", path, "--share", "0")
    assert code == 2
    assert "is damaged: samples-" in err
    assert "identical" not in out


@pytest.mark.parametrize("facts", [{}, {"first_pts_us": "x"}, {"width_px": None}])
def test_a_bundle_with_odd_facts_of_its_clip_is_one_line(study, here, capsys, facts):
    path = here.parent / "odd.zip"
    with zipfile.ZipFile(study) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "bundle.json":
                bundle = json.loads(data)
                bundle["media"] = [{**bundle["media"][0], **facts} if facts else {}]
                data = json.dumps(bundle)
            new.writestr(name, data)
    code, _, err = ask(capsys, "reproduce", path, "--share", "0")
    assert code == 2
    assert "is not a whole methods bundle" in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("analysis", "says"),
    [
        ({"detector": "python", "settings": TARGET}, "run the code of 'os:system'"),
        (
            {"detector": "remote", "settings": {"url": "http://h:1", "token_env": "AWS_KEY"}},
            "send pictures with the value of 'AWS_KEY' to 'http://h:1'",
        ),
        (
            {"detector": "cloud-vision", "settings": {"key_env": "HOME"}},
            f"send pictures with the value of 'HOME' to '{GOOGLE_URL}'",
        ),
        (
            {
                "detector": "logos",
                "settings": {"on": "boxes", "boxes_from": {"name": "python", **TARGET}},
            },
            "run the code of 'os:system'",
        ),
    ],
)
def test_a_document_runs_and_calls_nothing_unless_it_is_trusted(
    analysis, says, samples, here, capsys
):
    path = here.parent / "job.yaml"
    path.write_text(yaml.safe_dump(job(samples / "nothing.mp4", analysis, store="kept")))
    code, out, err = ask(capsys, "analyze", "--job", path)
    assert code == 2
    assert out == ""
    assert says in err
    assert "(analyses[0])" in err
    assert "--trust" in err
    assert err.count("\n") == 1
    with pytest.raises(SettingError, match="trust=True"):
        run_job(yaml.safe_load(path.read_text()))
    assert not list(here.iterdir())
    assert not (here.parent / "kept").exists()
    code, out, err = ask(capsys, "job", "check", path)
    assert code == 0
    assert says in err


def test_a_trusted_document_reaches_the_address_that_was_named(samples, here, capsys, worker):
    settings = {"url": worker.url, "token_env": "LAB_TEST_SECRET"}
    path = here.parent / "job.yaml"
    clip = samples / "nothing.mp4"
    path.write_text(yaml.safe_dump(job(clip, {"detector": "remote", "settings": settings})))
    assert ask(capsys, "analyze", "--job", path, "--store", here / "s")[0] == 2
    assert not worker.asked
    assert ask(capsys, "analyze", "--job", path, "--store", here / "s", "--trust")[0] == 0
    assert {headers["Authorization"] for _, _, headers, _ in worker.asked} == {f"Bearer {SECRET}"}


def test_a_document_sends_sightings_nowhere_unless_it_is_trusted(samples, here):
    with serving() as server:
        sink = {"type": "webhook", "url": server.url}
        document = job_of(job(samples / "nothing.mp4", sinks=[sink]), folder=here)
        with pytest.raises(
            SettingError, match=r"send sightings elsewhere \('webhook', sinks\[0\]\)"
        ):
            run_job(document, here / "store", progress=False)
        assert not server.asked


def test_a_document_writes_nothing_outside_of_its_folder_unless_it_is_trusted(
    samples, here, tmp_path, monkeypatch
):
    (here / "link").symlink_to(tmp_path)
    clip = samples / "nothing.mp4"
    for path in ("../out.csv", str(tmp_path / "out.csv"), "link/out.csv", "~/out.csv"):
        document = job_of(job(clip, sinks=[{"type": "csv", "path": path}]), folder=here)
        with pytest.raises(SettingError, match=r"outside of its folder \(sinks\[0\]\)"):
            run_job(document, here / "store", progress=False)
        assert not (tmp_path / "out.csv").exists()
    document = job_of(job(clip, store="../store"), folder=here)
    with pytest.raises(SettingError, match=r"outside of its folder \(store\)"):
        run_job(document, progress=False)
    assert not (tmp_path / "store").exists()
    inside = job(clip, sinks=[{"type": "csv", "path": "deep/out.csv"}], store="../store")
    found = run_job(job_of(inside, folder=here), here / "store", progress=False)
    assert found.written == [here / "deep" / "out.csv"]


def test_a_document_gives_no_plugin_a_variable_unless_it_is_trusted(samples, here, tmp_path):
    analysis = {"detector": "python", "settings": {"target": "a:B", "key": "${LAB_TEST_SECRET}"}}
    document = job_of(job(samples / "nothing.mp4", analysis), expand=True)
    with pytest.raises(SettingError, match="environment variables LAB_TEST_SECRET") as caught:
        run_job(document, here / "store")
    assert SECRET not in str(caught.value)


def test_a_name_among_brands_is_no_detector(samples):
    brands = [{"name": "python", "terms": ["python"]}, {"name": "remote", "terms": ["remote"]}]
    document = job_of(job("a.mp4", {"detector": "logos", "settings": {"brands": brands}}))
    assert effects_of(document) == []


def test_control_characters_of_a_document_do_not_reach_the_terminal():
    analysis = {"detector": "remote", "settings": {"url": "http://a\x1b[2J\nlab: done"}}
    (effect,) = effects_of(job_of(job("a.mp4", analysis)))
    assert "\x1b" not in effect
    assert "\n" not in effect


def test_a_sink_of_a_plugin_needs_trust(tmp_path, monkeypatch):
    package = tmp_path / "elsewhere-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[lab.sinks]\nelsewhere = os:system\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    schema._validator.cache_clear()
    try:
        document = job_of(job("a.mp4", sinks=[{"type": "elsewhere"}]), folder=Path.cwd())
        assert effects_of(document) == [
            "run the code of 'elsewhere 1.0' (plugin 'elsewhere', sinks[0])"
        ]
    finally:
        schema._validator.cache_clear()
