"""Annotations from and to other programs' files; what people write in a truth CSV."""

import csv
import io

import numpy as np
import pytest

import lab
from lab.annotation import Annotation, Coverage
from lab.evaluation.agreement import agreement
from lab.evaluation.truth import Truth
from lab.formats.annotations.files import (
    FORMATS,
    kind_of,
    read_rows,
    records_of,
    write_coverage,
    write_rows,
)
from lab.formats.annotations.table import read_table, time_us
from lab.formats.export import formats_of
from tests.builders import make_run, scores_of

HEAD = "media,label,start_s,end_s\n"


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path, scores_of(60, [(10, 20), (30, 34)]), every_s=1.0)


def truth_of(run, text, encoding="utf-8", **options):
    path = run.store.folder / "truth.csv"
    path.write_bytes(text.encode(encoding))
    return Truth.coerce(path, [run], **options)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def spans_of(truth, run):
    return (truth.of(run.media["media_id"], "x").present / 1e6).tolist()


@pytest.mark.parametrize(
    ("word", "us"),
    [
        ("83.5", 83_500_000),
        ("83,5", 83_500_000),
        ("1:23.5", 83_500_000),
        ("01:01:23,5", 3_683_500_000),
        ("0", 0),
        (" 2 ", 2_000_000),
        ("1e1", 10_000_000),
        ("0.1", 100_000),
    ],
)
def test_times_are_understood_as_people_write_them(word, us):
    assert time_us(word) == us


@pytest.mark.parametrize("word", ["", "soon", "1:2:3:4", "nan", "inf", "1:99x", "--1"])
def test_what_is_not_a_time_is_refused(word):
    with pytest.raises(lab.SettingError, match="not a time"):
        time_us(word)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text",
    [
        HEAD + "clip.mp4,x,10,20.5\n",
        'media,label,start_s,end_s\nclip.mp4,x,"10,0","20,5"\n',
        "media;label;start_s;end_s\nclip.mp4;x;10,0;20,5\n",
        HEAD.upper() + "clip.mp4,x,0:10,0:20.5\r\n",
        "label\tend_s\tmedia\tstart_s\tcomment\nx\t20.5\tclip.mp4\t10\tfine\n",
    ],
)
def test_a_csv_is_read_however_it_was_saved(run, text, encoding):
    assert spans_of(truth_of(run, text, encoding), run) == [[10.0, 20.5]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + "clip.mp4,x,20,10\n", "line 2.*before it begins.*swap"),
        (HEAD + "clip.mp4,x,10,\n", "line 2.*only one"),
        (HEAD + "clip.mp4,,1,2\n", "line 2.*label is empty"),
        (HEAD + "clip.mp4,x,1,2\nclip.mp4,x,100,110\n", "line 3.*outside clip.mp4.*0 to 60"),
        (HEAD + "clip.mp4,x,ten,11\n", "line 2.*not a time"),
        (HEAD + "clop.mp4,x,1,2\n", "clop.mp4.*clip.mp4"),
        (HEAD + "clip.mp4,y,1,2\n", "'y'.*x"),
        (HEAD + "clip.mp4,x,1,5,2,5\n", "line 2.*decimal comma"),
        ("media,label,from,to\n", "no column 'start_s'"),
        ("", "empty"),
        (HEAD, "has no rows"),
        ("media,label,start_s,end_s,start_s\nclip.mp4,x,1,2,3\n", "2 columns 'start_s'"),
        (HEAD + "clip.mp4,x,1,2,\n".replace(",\n", ",,\n"), "line 2.*more fields"),
        ("media,label,start_s,end_s,origin\nclip.mp4,x,1,2,guess\n", "origin"),
        ("media,label,start_s,end_s,media_id\nclip.mp4,x,1,2,beef\n", "another clip"),
    ],
)  # fmt: skip
def test_what_is_not_valid_is_refused_with_its_line(run, text, says):
    with pytest.raises(lab.SettingError, match=says):
        lab.evaluate(run, truth_of(run, text))


def test_a_row_without_times_means_watched_and_nothing_there(run):
    truth = truth_of(run, HEAD + "clip.mp4,x,,\n")
    found = lab.evaluate(run, truth, lab.Debounce(enter_threshold=0.5, enter_frames=1)).overall
    assert (found.counts.tp, found.counts.fp, found.counts.fn) == (0, 2, 0)
    assert any("wholly watched for x" in n for n in truth.notes)


def test_coverage_of_its_own_is_kept_and_may_overlap_itself(run):
    path = run.store.folder / "coverage.csv"
    path.write_text(HEAD + "clip.mp4,x,0,15\nclip.mp4,x,12,25\n")
    truth = truth_of(run, HEAD + "clip.mp4,x,10,20\n", coverage=path)
    assert (truth.of(run.media["media_id"], "x").covered / 1e6).tolist() == [[0, 25]]
    assert (
        lab.evaluate(run, truth, lab.Debounce(enter_threshold=0.5, enter_frames=1)).overall.f1
        == 1.0
    )


def test_overlapping_annotations_are_joined_and_that_is_said(run):
    truth = truth_of(run, HEAD + "clip.mp4,x,10,15\nclip.mp4,x,13,20\nclip.mp4,x,30,34\n")
    assert spans_of(truth, run) == [[10, 20], [30, 34]]
    assert any("1 overlapping annotation joined" in n for n in lab.evaluate(run, truth).notes)


def test_a_little_beyond_the_end_is_cut_and_that_is_said(run):
    truth = truth_of(run, HEAD + "clip.mp4,x,50,60.4\n")
    assert spans_of(truth, run) == [[50, 60]]
    assert any("cut at the media's end" in n for n in truth.notes)


def test_rows_of_other_media_are_left_out_and_that_is_said(run):
    truth = truth_of(run, HEAD + "clip.mp4,x,10,20\nother.mp4,x,1,2\n")
    assert any("1 row left out" in n and "other.mp4" in n for n in truth.notes)


def test_two_media_of_one_name_need_more_of_their_path(tmp_path):
    one = make_run(tmp_path, [0.9] * 20, every_s=1.0, name="card1/IMG_0001")
    two = make_run(tmp_path, [0.9] * 20, every_s=1.0, name="card2/IMG_0001")
    rows = [{"media": "IMG_0001.mp4", "label": "x", "start_s": 1, "end_s": 2}]
    with pytest.raises(lab.SettingError, match=r"2 media are called.*card1/IMG_0001.mp4"):
        lab.evaluate([one, two], rows)
    rows[0]["media"] = "card2\\IMG_0001.mp4"
    assert lab.evaluate([one, two], rows).overall.counts.annotations == 1


def test_a_file_of_answers_to_the_queue_gives_no_headline_figures(run):
    truth = truth_of(run, "media,label,start_s,end_s,origin\nclip.mp4,x,10,20,queue\n")
    found = lab.evaluate(run, truth).overall
    assert found.precision is None
    assert "queue" in found.refused["recall"]


WITH_ORIGIN = "media,label,start_s,end_s,origin\n"
ONCE = lab.Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1)


def test_a_file_of_accepted_sightings_is_refused_as_the_store_refuses_it(tmp_path):
    scores = np.zeros(60)
    scores[[10, 20, 30, 40]] = 0.9
    run = make_run(tmp_path, scores, every_s=1.0)
    sightings = run.find(ONCE)
    text = WITH_ORIGIN + "".join(
        f"clip.mp4,x,{s.onset_s},{s.offset_s + 0.5},accepted\n" for s in sightings[:3]
    )
    from_file = lab.evaluate(run, truth_of(run, text), ONCE)
    records, _ = records_of(read_rows(text.encode(), "a.csv"), run.store.all_media())
    run.store.add_records(records)
    from_store = lab.evaluate(run, None, ONCE)
    assert from_file.overall.recall is None
    assert "no stretch was watched" in from_file.overall.refused["recall"]
    assert from_file.overall.to_dict() == from_store.overall.to_dict()
    assert any("accepted" in note and "--coverage" in note for note in from_file.notes)


def test_accepted_sightings_among_own_annotations_do_not_undo_the_coverage(run):
    text = WITH_ORIGIN + "clip.mp4,x,10,20,accepted\nclip.mp4,x,30,40,\n"
    assert lab.evaluate(run, truth_of(run, text), ONCE).overall.recall is not None
    text = WITH_ORIGIN + "clip.mp4,x,10,20,accepted\nclip.mp4,x,,,\n"
    assert lab.evaluate(run, truth_of(run, text), ONCE).overall.recall is not None
    text = WITH_ORIGIN + "clip.mp4,x,10,20,accepted\nclip.mp4,x,30,40,queue\n"
    assert lab.evaluate(run, truth_of(run, text), ONCE).overall.recall is None


def test_a_clip_with_accepted_sightings_alone_is_not_watched_for_other_labels_either(tmp_path):
    scores = {"x": [0.9] * 20, "y": [0.9] * 20}
    one = make_run(tmp_path, scores, every_s=1.0, name="one")
    two = make_run(tmp_path, scores, every_s=1.0, name="two")
    text = WITH_ORIGIN + "one.mp4,x,1,2,accepted\ntwo.mp4,y,1,2,\n"
    truth = lab.Truth.coerce(rows_of(text), [one, two])
    watched = {(c.media_id, c.label) for c in truth.coverage}
    assert watched == {(two.media["media_id"], "x"), (two.media["media_id"], "y")}


def test_one_annotators_rows_of_a_file_are_measured_with_the_coverage_they_imply(run):
    text = "media,label,start_s,end_s,annotator\nclip.mp4,x,10,20,ann\nclip.mp4,x,40,44,bob\n"
    found = lab.evaluate(run, rows_of(text), ONCE, annotator="ann").overall
    assert found.counts.annotations == 1
    assert found.recall is not None


def test_no_annotations_at_all_and_a_single_one(run):
    found = lab.evaluate(run)
    assert found.overall.recall is None
    assert "no stretch was watched" in found.overall.refused["recall"]
    one = lab.evaluate(
        run,
        truth_of(run, HEAD + "clip.mp4,x,10,20\n"),
        lab.Debounce(enter_threshold=0.5, enter_frames=1),
    )
    assert one.overall.recall == 1.0
    assert one.overall.recall_interval[0] == pytest.approx(0.025)


@pytest.mark.parametrize("n", [5_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_many_thousand_rows_are_read_and_stored(run, n):
    text = HEAD + "".join(f"clip.mp4,x,{i * 5e-4:.6f},{i * 5e-4 + 2e-4:.6f}\n" for i in range(n))
    rows = read_rows(text.encode(), "many.csv")
    records, _ = records_of(rows, run.store.all_media())
    assert run.store.add_records(records) == n
    assert len(run.store.annotations()) == n


MARKS = [(1.5, 2.25), (10.0, 20.0)]


def marks_of(run, label="x <wild> & co"):
    media_id = run.media["media_id"]
    return [
        Annotation(media_id=media_id, label=label, start_us=round(a * 1e6), end_us=round(b * 1e6))
        for a, b in MARKS
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_comes_back_as_it_went_out(run, kind):
    text = write_rows(marks_of(run), [], [run.media], kind)
    name = {
        "csv": "a.csv",
        "boris": "a.csv",
        "audacity": "a.txt",
        "elan": "a.eaf",
        "webvtt": "a.vtt",
    }[kind]
    assert kind_of(text.encode(), name) == kind
    only = run.media if formats_of("annotations")[kind].is_of_one_media else None
    records, _ = records_of(read_rows(text.encode(), name), [run.media], only_media=only)
    assert [(r.label, r.start_us / 1e6, r.end_us / 1e6) for r in records] == [
        ("x <wild> & co", a, b) for a, b in MARKS
    ]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.vtt", "hello", "WEBVTT"),
        ("a.vtt", "WEBVTT\n\n00:01.000 --> nan\nfox\n", "is not a time span"),
        ("a.eaf", "<ANNOTATION_DOCUMENT>", "not a whole EAF"),
        ("a.eaf", "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", "entities"),
        ("a.eaf", "<html/>", "not an EAF"),
        ("a.txt", "1.0 2.0 fox\n", "by tabs"),
        (
            "a.csv",
            "Observation id,Behavior,Behavior type,Time,Media file name\no,fox,STOP,3,clip.mp4\n",
            "did not start",
        ),
        (
            "a.csv",
            "Observation id,Behavior,Behavior type,Time,Media file name\no,fox,START,3,clip.mp4\n",
            "never stops",
        ),
    ],
)
def test_files_that_are_not_whole_are_refused(name, text, says):
    with pytest.raises(lab.SettingError, match=says):
        read_rows(text.encode(), name)


def test_boris_aggregated_events_and_points_are_read():
    text = (
        "Observation id\tMedia file name\tBehavior\tBehavior type\tStart (s)\tStop (s)\n"
        "o\tplayer #1:/a/clip.mp4\tfox\tSTATE\t3.5\t9\no\tclip.mp4\tbark\tPOINT\t4\tNA\n"
    )
    rows = read_rows(text.encode(), "a.tsv", "boris")
    assert [(r["media"], r["label"], r["start_us"], r["end_us"]) for r in rows] == [
        ("/a/clip.mp4", "fox", 3_500_000, 9_000_000),
        ("clip.mp4", "bark", 4_000_000, 4_000_000),
    ]


def test_a_csv_of_the_store_has_a_row_for_what_was_watched_in_vain(run):
    watched = [Coverage(media_id=run.media["media_id"], label="y", start_us=0, end_us=60_000_000)]
    rows = read_table(write_rows(marks_of(run), watched, [run.media], "csv").encode())
    assert [(r["label"], r["start_us"]) for r in rows][-1] == ("y", None)
    assert "clip.mp4,y,0,60" in write_coverage(watched, [run.media])


def test_two_annotators_are_compared_on_what_both_watched(run):
    def says(who, spans, watched):
        media_id = run.media["media_id"]
        marks = [
            Annotation(
                media_id=media_id,
                label="x",
                start_us=a * 1_000_000,
                end_us=b * 1_000_000,
                annotator=who,
            )
            for a, b in spans
        ]
        return marks, [
            Coverage(
                media_id=media_id, label="x", start_us=0, end_us=watched * 1_000_000, annotator=who
            )
        ]

    (a, wa), (b, wb) = says("anna", [(10, 20), (50, 55)], 60), says("ben", [(10, 18), (30, 34)], 40)
    found = agreement(a + b, wa + wb, "anna", "ben")
    row = found["labels"]["x"]
    assert row["seconds"] == 40
    assert row["agreement"] == (40 - 2 - 4) / 40
    # Both yes 8, only anna 2, only ben 4, neither 26: kappa by hand.
    chance = (10 * 12 + 30 * 28) / 1600
    assert row["kappa"] == pytest.approx((34 / 40 - chance) / (1 - chance))
    assert (row["both"], row["only_one"], row["only_other"]) == (1, 0, 1)
    with pytest.raises(lab.SettingError, match="watched nothing"):
        agreement(a, wa, "anna", "ben")
