"""The score log on disk: parts, damage, compaction, locks; and the loop that fills it."""

import weakref
from functools import partial

import numpy as np
import pytest

from lab.detection import Detections
from lab.detectors.make import as_detector
from lab.errors import StoreError
from lab.rules.box_filter import BoxFilter
from lab.runs.pipeline import AnalysisTask, run_tasks
from lab.score_log.effort import effort_of
from lab.score_log.manifest import read_manifest, write_manifest
from lab.score_log.parts import part_files
from lab.score_log.score_log import read_log
from lab.score_log.seal import LogState, log_state
from lab.score_log.writer import ScoreLogWriter
from lab.video.sampling import EVERY_FRAME
from lab.video.source import Sample
from tests.builders import ListSource, ScriptedDetector, analyse, make_detections, make_frame

SEEN = make_detections(("x", 0.7, (0, 0, 10, 10)), ("x", 0.9, (0, 0, 30, 40)))


def writer(folder):
    return ScoreLogWriter(folder, {"labels": ["x"]})


def fill(folder, parts, index=0):
    with writer(folder) as log:
        for size in parts:
            for _ in range(size):
                log.add(make_frame(index, index * 100_000), SEEN if index % 2 else Detections())
                index += 1
            log.flush()


def test_what_is_written_is_read(tmp_path):
    fill(tmp_path, [3, 2])
    log = read_log(tmp_path)
    assert log.pts_us.tolist() == [0, 100_000, 200_000, 300_000, 400_000]
    assert log.scores("x").tolist() == pytest.approx([0, 0.9, 0, 0.9, 0])


def test_a_box_filter_takes_the_highest_of_what_passes(tmp_path):
    fill(tmp_path, [2])
    small = BoxFilter(max_area_fraction=0.1)
    assert read_log(tmp_path).scores(
        "x", partial(small.mask, width_px=64, height_px=48)
    ).tolist() == pytest.approx([0, 0.7])


def test_a_damaged_part_is_named_and_the_rest_is_used(tmp_path):
    fill(tmp_path, [3, 2, 4])
    path = tmp_path / "samples-00002.parquet"
    data = bytearray(path.read_bytes())
    data[20:60] = b"\xff" * 40
    path.write_bytes(data)
    log = read_log(tmp_path)
    assert len(log.pts_us) == 7
    assert len(log.damaged) == 1
    assert "samples-00002" in log.damaged[0]


def test_a_part_without_its_samples_file_does_not_exist(tmp_path):
    fill(tmp_path, [3, 2])
    (tmp_path / "samples-00002.parquet").unlink()
    assert len(read_log(tmp_path).pts_us) == 3
    with writer(tmp_path) as log:
        assert log.last_pts_us() == 200_000
    assert not (tmp_path / "detections-00002.parquet").exists()


def test_compaction_changes_nothing_that_is_read(tmp_path):
    fill(tmp_path, [3, 2, 4])
    before = read_log(tmp_path)
    with writer(tmp_path) as log:
        log.compact()
    after = read_log(tmp_path)
    assert len(part_files(tmp_path)) == 1
    for name in ("pts_us", "ok", "sample", "label", "confidence", "box_xyxy_px"):
        assert np.array_equal(getattr(before, name), getattr(after, name))


def test_a_part_that_is_large_is_not_written_again(tmp_path, monkeypatch):
    monkeypatch.setattr("lab.score_log.writer._LARGE_ROWS", 6)
    folder, whole = tmp_path / "levels", tmp_path / "whole"
    written, count, earlier = [], 0, {}
    for counts in ([4, 4], [1], [2], [4, 4], [1]):
        for one in (folder, whole):
            fill(one, counts, count)
        count += sum(counts)
        with writer(folder) as log:
            log.compact()
        written.append([samples.stem for samples, _ in part_files(folder)])
        earlier |= {file: file.read_bytes() for file in folder.glob("*-c00004.parquet")}
    assert written == [
        ["samples-c00002"],
        ["samples-c00002", "samples-00003"],
        ["samples-c00002", "samples-c00004"],
        ["samples-c00002", "samples-c00006"],
        ["samples-c00002", "samples-c00006", "samples-00007"],
    ]
    same_log(read_log(folder), read_log(whole))
    # A manifest that is lost, where also a part lies that a later one replaced.
    for file, data in earlier.items():
        file.write_bytes(data)
    (folder / "manifest.json").unlink()
    with writer(folder) as log:
        same_log(read_log(folder), read_log(whole))
        log.seal()
    same_log(read_log(folder), read_log(whole))
    assert log_state(folder) == LogState((), True)


def same_log(one, other):
    assert len(one.pts_us)
    assert (one.damaged, other.damaged) == ((), ())
    for name in ("pts_us", "ok", "sample", "label", "confidence", "box_xyxy_px"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_old_parts_count_until_the_manifest_switches(tmp_path):
    fill(tmp_path, [3, 2])
    with writer(tmp_path) as log:
        log.compact()
    manifest = read_manifest(tmp_path)
    fill_again = tmp_path / "samples-00001.parquet"
    fill_again.write_bytes((tmp_path / "samples-c00002.parquet").read_bytes())
    assert len(read_log(tmp_path).pts_us) == 5
    assert manifest["compacted_through"] == 2


def test_only_one_writer_at_a_time(tmp_path):
    with writer(tmp_path), pytest.raises(StoreError, match="another process"):
        writer(tmp_path)


def test_a_newer_format_is_refused(tmp_path):
    write_manifest(tmp_path, {"format": 99, "labels": []})
    with pytest.raises(StoreError, match="format 99"):
        read_log(tmp_path)


def test_a_failed_sample_is_no_sample_without_detections(tmp_path):
    frames = [make_frame(0, 0), make_frame(1, 100_000, error="broken"), make_frame(2, 200_000)]
    detections = {0: SEEN, 2: Detections.failed("NMS ran out of time")}
    with writer(tmp_path) as log:
        task = analyse(ListSource(frames), ScriptedDetector(detections), log)
    read = read_log(tmp_path)
    assert (task.progress.samples, task.progress.failed) == (3, 2)
    assert read.ok.tolist() == [True, False, False]
    assert dict(read.reasons) == {1: "broken", 2: "NMS ran out of time"}
    assert len(read.scores("x")) == 1


def test_a_detector_that_raises_gives_failed_samples(tmp_path):
    frames = [make_frame(i, i * 1000) for i in range(3)]
    detector = ScriptedDetector({0: SEEN, 1: RuntimeError("out of memory"), 2: SEEN})
    with writer(tmp_path) as log:
        analyse(ListSource(frames), detector, log)
    assert read_log(tmp_path).reasons == {1: "detector: out of memory"}


@pytest.mark.parametrize("undecodable", [False, True])
def test_a_detector_that_fails_on_all_it_was_given_has_failed(tmp_path, undecodable):
    frames = [make_frame(0, 0), make_frame(1, 9)]
    if undecodable:
        frames.append(make_frame(2, 18, error="broken"))
    detector = ScriptedDetector({0: RuntimeError("no"), 1: RuntimeError("no")})
    with writer(tmp_path) as log:
        task = analyse(ListSource(frames), detector, log)
    assert task.error == "the detector failed on all 2 samples: detector: no"


def test_a_detector_that_cannot_forget_fails_by_itself(tmp_path):
    class Stubborn(ScriptedDetector):
        is_stateful = True

        def reset(self):
            raise RuntimeError("I remember")

    frames = [make_frame(i, i * 1000) for i in range(3)]
    with writer(tmp_path / "a") as one, writer(tmp_path / "b") as two:
        stubborn = AnalysisTask(as_detector(Stubborn({})), one, EVERY_FRAME)
        other = AnalysisTask(
            as_detector(ScriptedDetector(dict.fromkeys(range(3), SEEN))), two, EVERY_FRAME
        )
        samples = ListSource(frames).samples([EVERY_FRAME, EVERY_FRAME])
        run_tasks(samples, [stubborn, other])
    assert "I remember" in stubborn.error
    assert (stubborn.progress.samples, other.error, other.progress.samples) == (0, None, 3)


def test_boxes_over_the_edge_are_clipped_to_the_picture(tmp_path):
    over = make_detections(("x", 0.9, (-5, 10, 70, 200)), ("x", 0.8, (1, 2, 3, 4)))
    with writer(tmp_path) as log:
        analyse(
            ListSource([make_frame(0, 0, size_px=(64, 48))]),
            ScriptedDetector({0: over}),
            log,
        )
    assert read_log(tmp_path).box_xyxy_px.tolist() == [[0, 10, 64, 48], [1, 2, 3, 4]]


def test_batches_hold_one_shape(tmp_path):
    frames = [make_frame(i, i * 1000, size_px=(64, 48) if i < 3 else (32, 32)) for i in range(5)]
    detector = ScriptedDetector(dict.fromkeys(range(5), SEEN), batch_size=2)
    with writer(tmp_path) as log:
        analyse(ListSource(frames), detector, log)
    assert detector.batches == [[0, 1], [2], [3, 4]]


@pytest.mark.parametrize("known", [(64, 48), (0, 0)])
def test_boxes_of_pictures_of_another_size_are_logged_in_pixels_of_one_size(tmp_path, known):
    sizes = [(64, 48), (128, 48), (32, 24)]
    frames = [make_frame(i + 1, i * 1000 + 1, size_px=size) for i, size in enumerate(sizes)]
    halves = {
        i + 1: make_detections(("x", 0.9, (w / 2, 0, w, h))) for i, (w, h) in enumerate(sizes)
    }
    told = []
    with writer(tmp_path) as log:
        source = ListSource([make_frame(0, 0, error="broken"), *frames])
        analyse(
            source, ScriptedDetector({0: None, **halves}), log, size_px=known, on_size=told.append
        )
    assert read_log(tmp_path).box_xyxy_px.tolist() == [[32, 0, 64, 48]] * 3
    assert told == ([(64, 48)] if known == (0, 0) else [])


def test_a_source_that_breaks_is_told_and_what_was_analysed_is_kept(tmp_path):
    def broken():
        for i in range(3):
            yield make_frame(i, i * 1000)
        raise OSError("disk gone")

    class Source(ListSource):
        def samples(self, samplings, after_us=None):
            return (Sample(frame, ((frame.index,),)) for frame in broken())

    detector = ScriptedDetector(dict.fromkeys(range(3), SEEN), batch_size=8)
    with writer(tmp_path) as log, pytest.raises(OSError, match="disk gone"):
        analyse(Source([]), detector, log)
    assert read_log(tmp_path).pts_us.tolist() == [0, 1000, 2000]


def test_a_frame_that_a_gate_holds_back_waits_without_its_picture(tmp_path):
    class Nothing:
        alive = 0

        def check(self, frame):
            weakref.finalize(frame.image_bgr, self._gone)
            Nothing.alive += 1
            return "nothing moved" if frame.index else None

        def _gone(self):
            Nothing.alive -= 1

        def settings(self):
            return {"kind": "nothing"}

        def reset(self):
            pass

    def frames():
        for i in range(200):
            yield make_frame(i, i * 1000)
            most.append(Nothing.alive)

    class Source(ListSource):
        def samples(self, samplings, after_us=None):
            return (Sample(frame, ((frame.index,),)) for frame in frames())

    most = []
    detector = ScriptedDetector({0: SEEN}, batch_size=8)
    with writer(tmp_path) as log:
        task = analyse(Source([]), detector, log, gate=Nothing())
    assert (task.progress.samples, task.progress.gated) == (200, 199)
    assert max(most) < 20
    assert read_log(tmp_path).pts_us.tolist() == [i * 1000 for i in range(200)]


def test_effort_leaves_out_failures_and_gaps():
    pts = np.array([0, 200_000, 400_000, 10_400_000, 10_600_000])
    ok = np.array([True, False, True, True, True])
    effort = effort_of(pts, ok, 10_800_000, 0.2)
    assert (effort.samples, effort.failed, effort.gaps) == (5, 1, 1)
    assert effort.analysed_s == pytest.approx(0.8)
    assert effort.gap_s == pytest.approx(9.8)
    assert effort.failed_s == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "returned dict, expected list"),
        (["x"], "a list with str"),
        ([], "0 results for 1 frames"),
    ],
)
def test_a_detector_that_answers_wrongly_gives_failed_samples_that_say_so(tmp_path, answer, words):
    detector = ScriptedDetector({})
    detector.detect = lambda frames: answer
    with ScoreLogWriter(tmp_path / "log", {"labels": ["x"]}) as log:
        task = analyse(ListSource([make_frame(0, 0)]), detector, log)
    assert words in task.error
