"""Annotations in the app: nothing is lost when one is replaced, and nothing old passes for new."""

import subprocess
import sys

import pytest

from lab.annotation import Annotation
from lab.app.server.annotations import AnnotationCache
from lab.errors import SettingError, StoreError
from lab.rules.rule import Debounce, Rule
from lab.store.catalog import Catalog
from lab.store.store import Store
from tests.builders import make_run, scores_of

WATCHER = """
import sys, threading, time
from lab.store.store import Store
store, media_id = Store(sys.argv[1]), sys.argv[2]
stopped = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
counts = set()
print("ready", flush=True)
while not stopped.is_set():
    counts.add(len(store.annotations(media_id)))
    time.sleep(0.01)
print(*sorted(counts))
"""

LOCKER = """
import sys
from lab.store.store import Store
with Store(sys.argv[1]).catalog.transaction():
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path, scores_of(60, [(10, 20)]), every_s=1.0)


@pytest.fixture
def other_process(run):
    started = []

    def start(code, *words):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(run.store.folder), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def mark(start_s=10.0, **more):
    """An annotation as the player sends it."""
    end_us = round(start_s * 1e6) + 1_000_000
    return {"kind": "annotation", "label": "x", "start_us": start_s * 1e6, "end_us": end_us} | more


def annotation(media_id, start_us):
    return Annotation(
        media_id=media_id, label="x", start_us=start_us, end_us=start_us + 1000, annotator="me"
    )


def test_no_moment_is_without_the_annotation_that_is_replaced(run, other_process):
    media_id, cache = run.media["media_id"], AnnotationCache(run.store)
    (row,) = cache.change(media_id, {"add": [mark()]})["records"]
    watcher = other_process(WATCHER, media_id)
    for i in range(30):
        asked = {"delete": [row["id"]], "add": [mark(i / 4)]}
        (row,) = cache.change(media_id, asked)["records"]
    assert watcher.communicate()[0].split() == ["1"]


def test_a_store_that_is_locked_keeps_the_annotation_that_was_to_be_replaced(run, other_process):
    media_id, cache = run.media["media_id"], AnnotationCache(run.store)
    (row,) = cache.change(media_id, {"add": [mark()]})["records"]
    holder = other_process(LOCKER)
    impatient = AnnotationCache(Store(run.store.folder))
    impatient.store.catalog._wait_s = 0.3
    with pytest.raises(StoreError, match="locked"):
        impatient.change(media_id, {"delete": [row["id"]], "add": [mark(30)]})
    holder.communicate()
    assert [a.annotation_id for a in run.store.annotations()] == [row["id"]]


def test_records_of_another_clip_are_not_deleted(run, tmp_path):
    other = make_run(tmp_path, scores_of(60, [(10, 20)]), every_s=1.0, name="other")
    cache = AnnotationCache(run.store)
    (row,) = cache.change(other.media["media_id"], {"add": [mark()]})["records"]
    cache.change(run.media["media_id"], {"delete": [row["id"]]})
    assert len(run.store.annotations()) == 1


def test_a_record_that_is_not_valid_changes_nothing(run):
    media_id, cache = run.media["media_id"], AnnotationCache(run.store)
    (row,) = cache.change(media_id, {"add": [mark()]})["records"]
    with pytest.raises(SettingError, match="outside"):
        cache.change(media_id, {"delete": [row["id"]], "add": [mark(900)]})
    assert len(run.store.annotations()) == 1


class ChangedWhileRead(Store):
    """A store into which somebody else writes just after it was read the first time."""

    added: Annotation | None = None

    def all_records(self):
        found = super().all_records()
        if self.added is not None:
            Store(self.folder).add_records([self.added])
            self.added = None
        return found


def test_what_was_read_before_a_change_does_not_pass_for_what_is_there_after_it(run):
    media_id, store = run.media["media_id"], ChangedWhileRead(run.store.folder)
    store.added = annotation(media_id, 0)
    cache = AnnotationCache(store)
    assert len(cache.truth().annotations) == 0
    assert len(cache.truth().annotations) == 1
    assert len(cache.records()[0]) == 1


def test_a_change_by_another_process_is_seen(run):
    media_id, cache = run.media["media_id"], AnnotationCache(run.store)
    assert cache.of_media(media_id)["records"] == []
    code = (
        "import sys\nfrom lab.store.store import Store\nfrom lab.annotation import Annotation\n"
        "Store(sys.argv[1]).add_records([Annotation(media_id=sys.argv[2], label='x', start_us=0, "
        "end_us=9, annotator='ben')])"
    )
    subprocess.run([sys.executable, "-c", code, str(run.store.folder), media_id], check=True)
    assert cache.annotators() == ["ben"]
    run.store.delete_records([a.annotation_id for a in run.store.annotations()])
    assert cache.annotators() == []


@pytest.fixture
def transactions(monkeypatch):
    """How many times the catalog was opened."""
    opened = []
    transaction = Catalog.transaction

    def counted(catalog):
        opened.append(catalog)
        return transaction(catalog)

    monkeypatch.setattr(Catalog, "transaction", counted)
    return opened


def test_a_key_of_an_annotation_opens_the_catalog_once_and_its_figures_do_not(run, transactions):
    media_id, cache = run.media["media_id"], AnnotationCache(run.store)
    rule = Rule.coerce(Debounce(enter_threshold=0.5))
    cache.of_media(media_id)
    transactions.clear()
    (row,) = cache.change(media_id, {"add": [mark()]})["records"]
    assert len(transactions) == 1
    assert cache.of_media(media_id)["records"] == [row]
    watched = {"kind": "coverage", "label": "x", "start_us": 0, "end_us": 60e6}
    cache.change(media_id, {"add": [watched]})
    transactions.clear()
    found = cache.figures(run, rule, tiou=0.5, annotator=None)
    assert found["overall"]["tp"] + found["overall"]["fn"] == 1
    assert not transactions


def test_the_records_of_other_clips_are_not_read_for_the_figures_of_one(run, monkeypatch):
    media_id, cache = run.media["media_id"], AnnotationCache(run.store)
    run.store.add_records(annotation(f"other-{i}", i) for i in range(300))
    monkeypatch.setattr(Store, "all_records", None)
    (row,) = cache.change(media_id, {"add": [mark(annotator="ann")]})["records"]
    assert cache.figures(run, Rule(), tiou=0.5, annotator=None) is not None
    assert cache.of_media(media_id)["annotators"] == ["ann", "me"]
    run.store.delete_records([row["id"]])
    assert cache.of_media(media_id) == {"records": [], "annotators": ["me"]}
    assert cache.figures(run, Rule(), tiou=0.5, annotator=None) is None
