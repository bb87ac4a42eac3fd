"""What people say of sightings: verdicts as annotations, tags, notes, deletion, undo, views."""

import pytest

from lab.annotation import Annotation
from lab.errors import NotFoundError, SettingError
from lab.evaluation.truth import Truth
from lab.store.store import NewRun, Store
from tests.builders import make_media
from tests.store.test_page_queries import RULE
from tests.store.test_queries import make_sighting, recipe_of

MEDIA = make_media("clip", 60)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("reviews"))


@pytest.fixture
def store(stored):
    """A clip with a fox at 1 s and at 2 s and a cat at 3 s, of one rule."""
    if stored.count_runs():
        stored.delete_clips([MEDIA.media_id])
    stored.create_runs([NewRun("run-0", recipe_of(MEDIA.media_id, 0), 0.4)], media=[MEDIA])
    save(stored)
    return stored


def save(store):
    found = [make_sighting(label, at * 1_000_000, offset_us=at * 1_000_000 + 500_000)
             for at, label in ((1, "fox"), (2, "fox"), (3, "cat"))]  # fmt: skip
    store.save_sightings("run-0", RULE, found)


def said(store):
    """Verdict, new label, tags and note of each sighting, by time."""
    rows = store.sightings()
    reviews = store.reviews_of(rows)
    return [tuple(reviews[row["sighting_id"]].values()) for row in rows]


def everything(store):
    """All rows that a change may touch."""
    tables = {
        "verdicts": "verdict_id",
        "annotations": "annotation_id",
        "coverage": "coverage_id",
        "sighting_marks": "media_id, label, start_us",
        "sightings": "sighting_id",
    }
    return {t: store.catalog.rows(f"SELECT * FROM {t} ORDER BY {k}") for t, k in tables.items()}


NOTHING = (None, None, [], "")


def test_a_true_sighting_becomes_an_annotation_that_measures_no_edges_and_no_coverage(store):
    store.judge_sightings("accepted", annotator="Ada", label="fox")
    first, second = store.annotations()
    assert (first.label, first.start_us, first.end_us) == ("fox", 1_000_000, 1_500_000)
    assert (first.annotator, first.origin) == ("Ada", "accepted")
    assert [v.verdict for v in store.verdicts()] == ["accepted", "accepted"]
    assert store.coverage() == []
    truth = Truth.from_store(store).of(MEDIA.media_id, "fox")
    assert truth.copied.all()
    assert len(truth.covered) == 0
    assert said(store) == [("accepted", None, [], "")] * 2 + [NOTHING]
    assert (second.start_us, store.count_sightings(reviewed=True)) == (2_000_000, 2)


def test_a_false_one_and_an_unsure_one_annotate_nothing(store):
    store.judge_sightings("rejected", label="cat")
    store.judge_sightings("unsure", label="fox")
    assert store.annotations() == []
    truth = Truth.from_store(store)
    assert truth.of(MEDIA.media_id, "cat").rejected.tolist() == [[3_000_000, 3_500_000]]
    assert len(truth.of(MEDIA.media_id, "fox").rejected) == 0
    assert store.count_sightings(verdict="unsure") == 2


def test_a_relabelled_one_is_false_and_what_it_was_is_annotated(store):
    store.judge_sightings("rejected", new_label="stoat", sighting_id=ids(store)[:1])
    (made,) = store.annotations()
    assert (made.label, made.origin) == ("stoat", "accepted")
    assert said(store)[0] == ("relabelled", "stoat", [], "")
    assert store.verdicts()[0].verdict == "rejected"
    store.judge_sightings("accepted", sighting_id=ids(store)[:1])  # it was a fox after all
    assert [a.label for a in store.annotations()] == ["fox"]
    store.judge_sightings("rejected", new_label="fox", label="fox")
    assert {row[0] for row in said(store)[:2]} == {"accepted"}


def test_what_somebody_annotated_there_stays_as_it_is(store):
    seen = Annotation(media_id=MEDIA.media_id, label="fox", start_us=900_000, end_us=1_600_000)
    store.add_records([seen])
    store.judge_sightings("accepted", label="fox")
    assert [a.origin for a in store.annotations()] == ["independent", "accepted"]
    store.judge_sightings("rejected", label="fox")
    assert [a.annotation_id for a in store.annotations()] == [seen.annotation_id]


def test_of_two_people_each_keeps_a_verdict_and_the_last_one_is_shown(store):
    store.judge_sightings("accepted", annotator="Ada", label="cat")
    store.judge_sightings("rejected", annotator="Ben", label="cat")
    store.judge_sightings("unsure", annotator="Ben", label="cat")
    assert sorted((v.annotator, v.verdict) for v in store.verdicts()) == [
        ("Ada", "accepted"), ("Ben", "unsure"),
    ]  # fmt: skip
    assert said(store)[2][0] == "unsure"
    store.forget_verdicts(annotator="Ben", label="cat")
    assert said(store)[2][0] == "accepted"


def test_tags_and_notes_are_written_found_and_still_there_when_the_rule_is_applied_again(store):
    store.tag_sightings(["night", " far  away "], label="fox")
    store.tag_sightings(["dusk"], ["night"], sighting_id=ids(store)[1:2])
    store.note_sightings("Behind the TREE", label="cat")
    assert said(store) == [
        (None, None, ["far away", "night"], ""),
        (None, None, ["dusk", "far away"], ""),
        (None, None, [], "Behind the TREE"),
    ]
    save(store)
    assert [row[2:] for row in said(store)][2] == ([], "Behind the TREE")
    assert store.sighting_tags() == {"dusk": 1, "far away": 2, "night": 1}
    assert store.count_sightings(note="tree behind") == store.count_sightings(text="tree") == 1
    store.note_sightings("", label="cat")
    store.tag_sightings((), ["dusk", "far away"], label="fox")
    assert store.catalog.rows("SELECT tags FROM sighting_marks") == [{"tags": ["night"]}]


def ids(store):
    return [row["sighting_id"] for row in store.sightings()]


CHANGES = {
    "accepted": lambda s: s.judge_sightings("accepted"),
    "rejected": lambda s: s.judge_sightings("rejected", label="fox"),
    "relabelled": lambda s: s.judge_sightings("rejected", new_label="stoat"),
    "forgotten": lambda s: s.forget_verdicts(),
    "tagged": lambda s: s.tag_sightings(["new"], ["night"]),
    "noted": lambda s: s.note_sightings("other"),
    "deleted": lambda s: s.delete_sightings(label="fox"),
    "nothing": lambda s: s.judge_sightings("accepted", label="none"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_can_be_undone_to_the_last_row(store, change):
    store.judge_sightings("rejected", new_label="marten", sighting_id=ids(store)[:1])
    store.judge_sightings("accepted", label="cat")
    store.tag_sightings(["night"], label="fox")
    store.note_sightings("first", label="cat")
    before, version = everything(store), store.annotations_version
    made = CHANGES[change](store)
    assert (everything(store) != before) == (change != "nothing")
    assert store.annotations_version != version or change in ("tagged", "noted", "deleted")
    store.undo_change(made)
    assert everything(store) == before


def test_what_goes_with_a_deleted_sighting_is_said_and_verdicts_stay(store):
    store.judge_sightings("accepted", label="fox")
    store.tag_sightings(["night"], sighting_id=ids(store)[:1])
    assert store.what_goes_with_sightings(label="fox") == {
        "sightings": 2, "tags_and_notes": 1, "verdicts": 2, "annotations": 2,
    }  # fmt: skip
    store.delete_sightings(label="fox")
    assert store.count_sightings() == 1
    assert (len(store.verdicts()), len(store.annotations())) == (2, 2)
    assert store.catalog.rows("SELECT * FROM sighting_marks") == []


@pytest.mark.parametrize(
    ("do", "says"),
    [
        (lambda s: s.judge_sightings("right"), "no verdict 'right'"),
        (lambda s: s.judge_sightings("rejected", new_label=" "), "a label is a text of 1 to 255"),
        (lambda s: s.judge_sightings("accepted", new_label="x"), "only a rejected sighting"),
        (lambda s: s.tag_sightings(["x" * 101]), "a tag is a text of 1 to 100 bytes"),
        (lambda s: s.tag_sightings([f"t{i}" for i in range(21)]), "at most 20 tags"),
        (lambda s: s.note_sightings("x" * 10_001), "at most 10,000 characters, got 10,001"),
    ],
)
def test_what_cannot_be_said_is_refused_and_changes_nothing(store, do, says):
    store.tag_sightings(["night"], label="fox")
    before = everything(store)
    with pytest.raises(SettingError, match=says):
        do(store)
    assert everything(store) == before


def test_a_clip_that_is_removed_takes_its_tags_along(store):
    store.tag_sightings(["night"])
    store.delete_clips([MEDIA.media_id])
    assert store.sighting_tags() == {}


def test_views_have_a_name_and_keep_their_id(stored):
    first = stored.save_view("  Night   foxes ", {"label": ["fox"], "view": ["gallery"]})
    other = stored.save_view("cats", {"label": ["cat"]})
    assert stored.save_view("Night foxes", {"label": ["fox", "cat"]}) == first
    assert [(v.name, v.query) for v in stored.saved_views()] == [
        ("cats", {"label": ["cat"]}), ("Night foxes", {"label": ["fox", "cat"]}),
    ]  # fmt: skip
    stored.delete_view(other)
    with pytest.raises(NotFoundError, match="it was deleted"):
        stored.saved_view(other)
    with pytest.raises(SettingError, match="1 to 100 characters"):
        stored.save_view(" ", {})
