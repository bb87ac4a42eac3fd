"""What pages ask of a store: one page of rows, and what there is to choose from."""

import pytest

from lab.errors import SettingError
from lab.rules.rule import Debounce, Rule
from lab.store.store import NewRun, Store
from tests.builders import make_media
from tests.store.test_queries import make_sighting, recipe_of

N = 120
RULE = Rule.coerce(Debounce(enter_threshold=0.5))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """N clips with one run each, clip 7 with two; 3 sightings of the first 60 clips."""
    store = Store(tmp_path_factory.mktemp("pages"))
    media = [make_media(f"clip {i:03d}") for i in range(N)]
    runs = [NewRun(f"run-{i:03d}", recipe_of(m.media_id, i), 0.4) for i, m in enumerate(media)]
    runs.append(NewRun("run-again", recipe_of(media[7].media_id, 7), 0.4))
    store.create_runs(runs, media=media)
    for i in range(60):
        found = [make_sighting("cat", t * 1_000_000) for t in range(3)]
        store.save_sightings(f"run-{i:03d}", RULE, found)
    return store


@pytest.fixture(autouse=True)
def _fresh(counts):
    counts.clear()


def test_a_page_of_the_notebook_reads_that_page_alone(store, counts):
    first = store.entries(limit=20)
    assert counts.rows < 20 + 3
    second = store.entries(limit=20, offset=20)
    ids = [row["entry_id"] for row in (*first, *second)]
    assert len(set(ids)) == 40
    assert store.count_entries() == N + 1
    assert [*store.entry_titles(limit=40)] == ids
    assert store.entry_titles(entry_id="run-run-003") == {"run-run-003": "clip 003.mp4"}


def test_entries_are_found_by_words_tags_and_stars(store):
    store.write_entry("run-run-003", tags=["night", "fox"], starred=True, notes="A Fox at 3.")
    store.write_entry("run-run-004", tags=["night"], archived=True)
    assert store.entry_tags() == ["fox", "night"]
    ids = lambda **wanted: [r["entry_id"] for r in store.entries(**wanted)]  # noqa: E731
    assert ids(tags=["night", "fox"]) == ["run-run-003"] == ids(text="fox CLIP", starred=True)
    assert ids(tags=["night"], archived=True) == ["run-run-004"]
    assert ids(text="nothing like it") == []
    assert store.count_entries(archived=False) == N


def test_an_entry_is_found_by_the_beginning_of_its_id(store, counts):
    assert store.entry("run-run-aga")["entry_id"] == "run-run-again"
    assert counts.rows < 5
    for wrong in ("run-run-00", "", "run-ran"):
        with pytest.raises(SettingError, match="no entry"):
            store.entry(wrong)


def test_clips_of_runs_are_listed_with_those_of_most_runs_first(store, counts):
    found = store.clips_of_runs(limit=10, phrases=True)
    assert counts.rows < 10 + N + 2  # of those in state `running`, whose logs are looked at
    assert (found[0]["name"], found[0]["runs"], len(found)) == ("clip 007.mp4", 2, 10)
    assert all(int(row["name"][5:8]) % 2 for row in found)  # the others have one label
    assert store.run_counts_of_media([found[0]["media_id"], "unknown"]) == {found[0]["media_id"]: 2}


def test_sightings_are_chosen_by_the_name_of_the_clip_and_the_time_in_it(store, counts):
    assert store.sighting_counts("name", containing="clip 01", limit=2) == {
        "clip 001.mp4": 3, "clip 010.mp4": 3,
    }  # fmt: skip
    assert counts.rows == 2
    (found,) = store.sighting_counts("media_id", containing="010").items()
    assert found == (store.find_media("clip 010.mp4")["media_id"], 3)
    assert store.count_sightings(name=["clip 010.mp4", "clip 011.mp4"]) == 6
    assert store.count_sightings(during_us=(0, 999_999)) == 60
    assert store.count_sightings(during_us=(1_000_005, 1_000_005)) == 60
    assert store.sightings_extent(label="cat") == (180, 2_000_005)
    assert store.sightings_extent(label="dog") == (0, 0)


def test_a_run_has_its_place_among_the_clips_of_its_protocol(store, counts):
    first = store.place_among_clips("run-001")
    assert counts.rows == 1
    assert first["clips"] == N // 2  # every other clip has this recipe
    assert (first["position"], first["previous_run_id"]) == (1, None)
    again, own = store.place_among_clips("run-again"), store.place_among_clips("run-007")
    assert again["position"] == own["position"] == 4
    assert again["next_run_id"] == own["next_run_id"] == "run-009"
    assert store.place_among_clips("run-009")["previous_run_id"] == "run-again"
    assert store.place_among_clips(f"run-{N - 1}")["next_run_id"] is None
    assert store.place_among_clips("nope") is None


def test_rules_of_sightings_are_found_by_their_names(store, counts):
    other = Rule.coerce(Debounce(enter_threshold=0.9))
    store.save_sightings("run-100", other, [make_sighting("cat", 0)], "Night owls")
    rows = store.rules_of_sightings()
    assert [(row["rule_hash"], row["rule_name"], row["n"]) for row in rows] == [
        (other.rule_hash, "Night owls", 1),
        (RULE.rule_hash, None, 180),
    ]
    assert store.rules_of_sightings("owls night") == rows[:1]
    assert store.rules_of_sightings(limit=1) == rows[:1]
