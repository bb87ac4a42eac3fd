"""Finished logs that lose something: every reader says so, and resuming makes them whole."""

import json
import shutil
import warnings

import pytest

import lab
from lab.app.cli.main import main
from lab.errors import DamagedLogWarning, LabError, StoreError
from lab.score_log.manifest import read_manifest, write_manifest
from lab.score_log.seal import log_state, seal
from lab.store.store import Store
from tests.builders import assert_same_log

FILES = ("manifest.json", "samples-*.parquet", "detections-*.parquet")
SETTINGS = {"detector": "motion", "every_s": 0.5}


@pytest.fixture(scope="module")
def other(analysed, samples, tmp_path_factory):
    """A run of another clip, whose files are as valid."""
    folder = tmp_path_factory.mktemp("other") / "store"
    (run,) = analysed(folder, (samples / "cat_comes_and_goes.mp4", SETTINGS))
    return run


@pytest.fixture
def run(analysed, samples, tmp_path):
    (run,) = analysed(tmp_path / "store", (samples / "cat_then_person.mp4", SETTINGS))
    return run


def folder_of(run):
    return run.store.log_folder(run.run_id)


def file_of(run, pattern):
    (file,) = folder_of(run).glob(pattern)
    return file


def remove(file, other):
    file.unlink()


def truncate(file, other):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file, other):
    file.write_bytes(b"")


def replace(file, other):
    shutil.copy(other, file)


def flip(share):
    def damage(file, other):
        content = bytearray(file.read_bytes())
        content[int(share * (len(content) - 1))] ^= 1 << 2
        file.write_bytes(content)

    damage.__name__ = f"flip_at_{share:g}"
    return damage


DAMAGE = (
    *(remove, truncate, replace, flip(0.5), flip(1)),
    *(
        pytest.param(damage, marks=pytest.mark.long)
        for damage in (empty, flip(0), flip(0.2), flip(0.8))
    ),
)


def read_by_command(run, command, capsys, *options):
    """The exit code and the lines on standard error."""
    code = main([command, run.run_id, *options, "--store", str(run.store.folder)])
    return code, capsys.readouterr().err.splitlines()


def truth_of(run, folder):
    path = folder / "truth.csv"
    path.write_text("media,label,start_s,end_s\ncat_then_person.mp4,motion,1,3\n")
    return ("--labels", str(path))


@pytest.mark.long
@pytest.mark.parametrize("damage", DAMAGE, ids=lambda d: d.__name__)
@pytest.mark.parametrize("pattern", FILES)
def test_what_is_not_as_written_is_said_and_analysed_again(
    run, other, pattern, damage, tmp_path, capsys, monkeypatch
):
    before, found_before = run.log, run.sightings()
    file = file_of(run, pattern)
    name = file.name
    damage(file, file_of(other, pattern))

    # The library.
    reread = run.refresh()
    if name == "manifest.json":
        with pytest.raises(StoreError, match=rf"manifest\.json .*--resume {run.run_id}"):
            reread.sightings()
    else:
        with pytest.warns(DamagedLogWarning, match=rf"{name}: .*--resume {run.run_id}"):
            reread.sightings()
        assert name in reread.damage

    # The commands: one line, and exit code 1.
    monkeypatch.chdir(tmp_path)
    for command, options in (("sightings", ()), ("evaluate", truth_of(run, tmp_path))):
        code, said = read_by_command(run, command, capsys, *options)
        assert code == 1
        lines = [line for line in said if name in line and f"--resume {run.run_id}" in line]
        assert len(lines) == 1, said
        assert not any("Traceback" in line for line in said)
    from lab.app.cli.doctor import check_health

    (problem,) = check_health(run.store)
    assert name in problem
    assert run.run_id in problem

    # Analysed again.
    assert main(["analyze", "--resume", run.run_id, "--store", str(run.store.folder)]) == 0
    capsys.readouterr()
    whole = run.refresh()
    assert_same_log(whole.log, before)
    assert whole.sightings().equals(found_before)
    assert check_health(run.store) == []
    assert log_state(folder_of(run)).is_sealed
    with pytest.raises(lab.SettingError, match="nothing to resume"):
        lab.resume(run.store, run.run_id, progress=False)


STRAYS = (
    "samples-00001 (1).parquet",
    "samples-00001.sync-conflict-20261121-120000-ABCDEFG.parquet",
    "detections-00001 (copy).parquet",
    "samples-00002.parquet",
    "samples-c00001.parquet",
    ".DS_Store",
    "._samples-00001.parquet",
    "manifest (1).json",
    "manifest.json~",
    "added/001 (1)/manifest.json",
    "added/notes.txt",
)


@pytest.mark.parametrize("name", STRAYS)
@pytest.mark.parametrize("content", ["a copy", "nonsense"])
def test_other_files_in_the_folder_are_not_read_and_are_named(run, name, content):
    before, stray = run.log, folder_of(run) / name
    if stray.exists():
        pytest.skip("the log has a part of this name: the analysis was slow")
    stray.parent.mkdir(parents=True, exist_ok=True)
    if content == "a copy":
        shutil.copy(file_of(run, FILES[0] if "manifest" in name else FILES[1]), stray)
    else:
        stray.write_bytes(b"\0nonsense")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same_log(run.refresh().log, before)
    from lab.app.cli.doctor import check_logs

    problems, notes = check_logs(run.store, run.store.runs())
    assert problems == []
    (note,) = notes
    assert name.split("/manifest")[0] in note
    with pytest.raises(lab.SettingError, match="nothing to resume"):
        lab.resume(run.store, run.run_id, progress=False)


def test_the_whole_folder_may_be_lost(run, capsys):
    before = run.log
    shutil.rmtree(folder_of(run))
    code, said = read_by_command(run, "sightings", capsys)
    assert (code, len(said)) == (1, 1)
    assert f"--resume {run.run_id}" in said[0]
    assert_same_log(lab.resume(run.store, run.run_id, progress=False).log, before)


def test_a_removed_lock_is_no_damage(run):
    (folder_of(run) / "lock").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run.refresh().log.damaged == ()
    assert log_state(folder_of(run)).damaged == ()


def make_old(run):
    """As versions before checksums wrote it."""
    manifest = read_manifest(folder_of(run))
    del manifest["parts"]
    (folder_of(run) / "manifest.json").write_text(json.dumps(manifest, indent=1))


def test_a_log_of_an_older_version_opens_and_can_be_sealed(run):
    from lab.app.cli.doctor import check_logs

    make_old(run)
    assert_same_log(run.refresh().log, run.log)
    problems, notes = check_logs(run.store, run.store.runs())
    assert (problems, len(notes)) == ([], 1)
    assert "no checksums" in notes[0]
    assert seal(folder_of(run))
    assert not seal(folder_of(run))
    assert check_logs(run.store, run.store.runs()) == ([], [])
    assert_same_log(run.refresh().log, run.log)


def test_a_removed_part_of_an_older_log_shows_by_the_count_of_samples(run, capsys):
    make_old(run)
    before = run.log
    file_of(run, FILES[1]).unlink()
    code, said = read_by_command(run, "sightings", capsys)
    assert code == 1
    assert "0 of" in said[0]
    from lab.app.cli.doctor import check_health

    assert len(check_health(run.store)) == 1
    assert_same_log(lab.resume(run.store, run.run_id, progress=False).log, before)


def test_the_manifest_of_another_run_is_damage(run, other):
    """Copied whole, with its own checksum."""
    manifest = read_manifest(folder_of(run))
    write_manifest(folder_of(run), {**manifest, "run_id": "20200101-000000-abcdef"})
    with pytest.raises(LabError, match="is of run 20200101-000000-abcdef"):
        _ = run.refresh().log


def test_a_damaged_run_is_neither_reused_nor_bundled(run, samples):
    from lab.experiments.bundle import bundle_of
    from lab.experiments.entry import Experiment, save_rule_entry

    entry = save_rule_entry(run, run.default_rule, "a rule", None)
    file_of(run, FILES[2]).unlink()
    again = lab.analyze(
        samples / "cat_then_person.mp4",
        store=run.store,
        progress=False,
        reuse=True,
        **SETTINGS,
    )
    assert again.run_id != run.run_id
    with pytest.warns(DamagedLogWarning), pytest.raises(StoreError, match="is damaged"):
        bundle_of(Experiment.load(run.store, entry))


@pytest.fixture(scope="module")
def prompted(models, samples, tmp_path_factory):
    """A store with a run to which a prompt was added; copied by each test."""
    patch = pytest.MonkeyPatch()
    patch.setenv("LAB_MODELS", str(tmp_path_factory.mktemp("models")))
    folder = tmp_path_factory.mktemp("prompted") / "store"
    run = lab.analyze(
        samples / "cat_then_person.mp4",
        detector="yolo-world",
        weights=str(models / "yolov8s-world.pt"),
        embeddings=str(models / "vocab_clip_vitb32.npz"),
        image_size=320,
        every_s=2.0,
        progress=False,
        labels=["cat"],
        store=folder,
    )
    yield lab.add_prompts(Store(folder), run.run_id, ["person"], progress=False)
    patch.undo()


LAYER = "added/001"


@pytest.mark.long
@pytest.mark.parametrize(
    "lost",
    [
        [f"{LAYER}/samples-*.parquet"],
        [f"{LAYER}/detections-*.parquet"],
        [f"{LAYER}/manifest.json"],
        [LAYER],
        ["manifest.json", f"{LAYER}/detections-*.parquet"],
        ["manifest.json", "detections-*.parquet"],
        ["samples-*.parquet", f"{LAYER}/manifest.json"],
    ],
    ids=lambda lost: "+".join(lost).replace("/", "_").replace("-*.parquet", ""),
)
def test_added_prompts_are_made_whole_too(prompted, lost, tmp_path, capsys):
    shutil.copytree(prompted.store.folder, tmp_path / "store")
    store = Store(tmp_path / "store")
    folder = store.log_folder(prompted.run_id)
    for name in lost:
        (path,) = folder.glob(name)
        shutil.rmtree(path) if name == LAYER else path.unlink()
    code = main(["sightings", prompted.run_id, "--store", str(store.folder)])
    said = capsys.readouterr().err
    assert code == 1
    assert f"--resume {prompted.run_id}" in said
    from lab.app.cli.doctor import check_health

    assert any(lost[0].split("/")[-1].split("*")[0] in one for one in check_health(store))
    whole = lab.resume(store, prompted.run_id, progress=False)
    assert_same_log(whole.log, prompted.log)
    assert whole.recipe_hash == prompted.recipe_hash
    assert check_health(store) == []
