"""Copied clips, pictures, browser copies, files of removed clips and unfinished files."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

import lab
from lab.annotation import Annotation
from lab.app.cli.main import main
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import Stamp
from lab.retention.disk_usage import usage
from lab.retention.plan import preview
from lab.retention.policy import Policy
from lab.retention.removal import apply
from lab.runs.remove import remove_clips
from lab.store.store import Store
from lab.video.identity import identity_problem
from lab.video.probe import probe
from tests.unprivileged import as_nobody, open_folder  # noqa: F401

NOW = {"older_than_days": 0}
CLIPS = Policy(clips=NOW)


@pytest.fixture
def uploaded(analysed, samples, tmp_path):
    """A finished run of a clip that was copied into the store, with the sightings of a rule."""
    (run,) = analysed(tmp_path / "store", (samples / "cat_then_person.mp4", {"detector": "motion"}))
    folder = run.store.uploads_folder / "0123abcd"
    folder.mkdir(parents=True)
    file = shutil.copy2(samples / "cat_then_person.mp4", folder / "cat_then_person.mp4")
    run.store.add_media(probe(file), moves=True)
    run.save_sightings()
    return run.refresh()


def make(file, content=b"1234", days=0):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.utime(file, (time.time() - days * 86_400,) * 2)
    return file


def kept(plan, kind):
    return {why: one.count for why, one in plan.kinds[kind].kept.items()}


def test_a_copied_clip_goes_with_its_browser_copy_and_nothing_else(uploaded):
    store, media_id = uploaded.store, uploaded.media["media_id"]
    copy = make(store.playable_file(media_id))
    picture = make(store.pictures_folder(media_id) / "0.jpg")
    size = uploaded.media_path.stat().st_size
    plan = preview(store, CLIPS)
    assert plan.size_bytes == size + 4
    assert apply(store, plan).size_bytes == {"clips": size + 4}
    assert not uploaded.media_path.exists()
    assert not uploaded.media_path.parent.exists()
    assert not copy.exists()
    assert picture.exists()
    after = uploaded.refresh()
    assert len(after.log.pts_us)
    assert store.count_sightings(run_id=after.run_id)
    assert "was removed from the store to make room" in identity_problem(after.media)


def test_a_clip_that_is_added_again_is_there(uploaded, samples):
    store = uploaded.store
    apply(store, preview(store, CLIPS))
    store.add_media(probe(samples / "cat_then_person.mp4"))
    assert identity_problem(store.media(uploaded.media["media_id"])) is None
    assert not preview(store, CLIPS).count


def test_files_outside_the_store_never_go(uploaded, samples, tmp_path):
    store = uploaded.store
    outside = tmp_path / "card"
    outside.mkdir()
    file = shutil.copy2(samples / "cat_then_person.mp4", outside / "a.mp4")
    link = store.uploads_folder / "linked"
    link.symlink_to(outside)
    for path in (file, link / "a.mp4", store.uploads_folder / ".." / ".." / "card" / "a.mp4"):
        with store.catalog.transaction() as db:
            db.execute("UPDATE media SET path = ?", [str(path)])
        plan = preview(store, CLIPS)
        assert plan.count == 0
    assert (outside / "a.mp4").exists()


def test_clips_that_are_reviewed_waiting_unfinished_or_new_are_kept(uploaded, samples):
    store, media_id = uploaded.store, uploaded.media["media_id"]
    new = store.uploads_folder / "ffff0000" / "nothing.mp4"
    new.parent.mkdir()
    shutil.copy2(samples / "nothing.mp4", new)
    store.add_media(probe(new))
    assert kept(preview(store, CLIPS), "clips") == {"new": 1}

    with JobQueue(store.folder) as queue:
        queue.add("w", {"analyses": []}, [(str(uploaded.media_path), Stamp())])
    assert kept(preview(store, CLIPS), "clips") == {"waiting": 1, "new": 1}
    with JobQueue(store.folder) as queue:
        queue.cancel()

    store.set_run_state(uploaded.run_id, "cancelled")
    assert kept(preview(store, CLIPS), "clips") == {"unfinished": 1, "new": 1}
    store.set_run_state(uploaded.run_id, "done")

    plan = preview(store, CLIPS)
    store.add_records([Annotation(media_id=media_id, label="x", start_us=0, end_us=1)])
    assert kept(preview(store, CLIPS), "clips") == {"reviewed": 1, "new": 1}
    removed = apply(store, plan)
    assert removed.kept == {"clips": {"reviewed": 1}}
    assert uploaded.media_path.exists()


def test_pictures_and_copies_go_if_they_can_be_made_again(uploaded):
    store, media_id = uploaded.store, uploaded.media["media_id"]
    copy = make(store.playable_file(media_id), days=40)
    picture = make(store.pictures_folder(media_id) / "0.jpg", days=40)
    young = Policy(pictures={"older_than_days": 50}, copies={"older_than_days": 50})
    assert not preview(store, young).count
    policy = Policy(pictures={"older_than_days": 30}, copies={"older_than_days": 30})
    plan = preview(store, policy)
    assert plan.count == 2
    hidden = uploaded.media_path.rename(uploaded.media_path.with_suffix(".off"))
    assert kept(preview(store, policy), "pictures") == {"only": 1}
    assert apply(store, plan).kept == {"pictures": {"only": 1}, "copies": {"only": 1}}
    hidden.rename(uploaded.media_path)
    assert apply(store, plan).counts == {"pictures": 1, "copies": 1}
    assert not copy.exists()
    assert not picture.exists()


def test_pictures_of_clips_that_are_no_longer_there_go(uploaded):
    store = uploaded.store
    picture = make(store.pictures_folder("0000") / "0.jpg")
    assert apply(store, preview(store, Policy(pictures=NOW))).counts == {"pictures": 1}
    assert not picture.exists()


def test_files_of_removed_clips_go_by_the_time_of_their_removal(uploaded):
    store = uploaded.store
    (moved,) = remove_clips(store, [uploaded.media["media_id"]])
    os.utime(moved, (0, 0))  # of an old video that was removed just now
    assert not preview(store, Policy(removed={"older_than_days": 30})).count
    assert apply(store, preview(store, Policy(removed=NOW))).counts == {"removed": 1}
    assert not moved.exists()


def test_unfinished_files_go_as_the_doctor_removes_them(uploaded):
    part = make(uploaded.store.folder / f".{'a' * 16}.part", days=3)
    young = make(uploaded.store.folder / f".{'b' * 16}.part")
    lost = make(uploaded.store.uploads_folder / "dead" / "x.mp4.part", days=3)
    assert apply(uploaded.store, preview(uploaded.store, Policy(leftovers=NOW))).counts == {
        "leftovers": 2
    }
    assert not part.exists()
    assert not lost.parent.exists()
    assert young.exists()


def test_what_cannot_be_removed_is_named_and_the_rest_goes(open_folder):  # noqa: F811
    with as_nobody():
        store = Store(open_folder / "store")
        store.runs()
        stuck, free = (make(store.pictures_folder(name) / "0.jpg") for name in ("aa", "bb"))
        stuck.parent.chmod(0o500)
        removed = apply(store, preview(store, Policy(pictures=NOW)))
        assert removed.counts == {"pictures": 1}
        assert "cannot be removed: Permission denied" in removed.problems[0]
        assert stuck.exists()
        assert not free.exists()


def test_names_that_are_not_utf8_are_removed_and_shown(uploaded, capsysbinary):
    store = uploaded.store
    (store.folder / "removed" / "aa").mkdir(parents=True)
    odd = os.path.join(os.fsencode(store.folder), b"removed", b"aa", b"caf\xe9\n.mp4")
    with open(odd, "wb") as file:
        file.write(b"1234")
    words = ["retention", "removed", "--older-than", "0", "--store", str(store.folder)]
    assert main(words) == 0
    assert b"caf\\xe9\\n.mp4" in capsysbinary.readouterr().out
    assert main([*words, "--apply", "--json"]) == 0
    assert json.loads(capsysbinary.readouterr().out)["removed"]["counts"] == {"removed": 1}
    assert not os.path.exists(odd)


def test_bytes_by_kind_are_those_of_all_files(uploaded):
    store = uploaded.store
    make(store.playable_file("aa"), b"x" * 1000)
    store.catalog.give_up()
    found = usage(store)
    assert found.by_kind["copies"] == 1000
    assert found.by_kind["clips"] == uploaded.media_path.stat().st_size
    assert found.by_kind["logs"] > 0 < found.by_kind["catalog"]
    files = (f for f in store.folder.rglob("*") if f.is_file())
    assert found.total == sum(f.stat().st_size for f in files)


def test_the_module_is_there_without_an_import_of_its_own():
    code = "import lab; print(lab.retention.Policy().is_active)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_empty_store_has_nothing(tmp_path):
    plan = preview(tmp_path / "none", CLIPS)
    assert plan.count == 0
    assert not (tmp_path / "none").exists()
    assert lab.retention.usage(tmp_path / "none").total == 0
