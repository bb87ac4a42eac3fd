"""A run's pictures with boxes and sightings, as a video."""

import json
from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pytest

import lab
from lab.app.cli.main import main
from lab.errors import SettingError
from lab.runs.annotated import save_annotated
from lab.runs.label_colours import clear_labels, colour_numbers
from lab.video.live.recorder import INDEX
from lab.video.sources.file import FileSource
from tests.builders import make_box_run
from tests.recordings import CLIP, X264, frames_of, record

BOX = (40.0, 50.0, 100.0, 90.0)
SEEN = [[("otter", 0.9, BOX)]] * 6 + [[("otter", 0.2, BOX)]] * 2 + [[]] * 4  # a sample a second


@pytest.fixture(scope="module")
def clip(encode):
    """12 s, of which some frames are missing, so that those that are left have uneven distances."""
    uneven = "select='not(eq(mod(n,7),3))'"
    return encode("uneven.mp4", "-vf", uneven, "-fps_mode", "vfr", *X264, source=CLIP)


@pytest.fixture(scope="module")
def run(clip, tmp_path_factory):
    media = FileSource(clip).media()
    return make_box_run(tmp_path_factory.mktemp("run"), SEEN, ["otter"], every_s=1.0, media=media)


def differs(one, other, box=None):
    """How many pixels on the edge of the box, or anywhere, are of clearly another colour."""
    far = np.abs(one.astype(int) - other.astype(int)).max(axis=2) > 60
    if box is not None:
        left, top, right, bottom = map(int, box)
        edge = np.zeros_like(far)
        edge[top : bottom + 1, [left, right]] = edge[bottom, left : right + 1] = True
        far &= edge
    return int(far.sum())


def test_every_frame_is_there_with_its_own_time_and_boxes_as_long_as_they_hold(run, clip, tmp_path):
    source = {frame.pts_us: frame.image_bgr for frame in FileSource(clip).frames(0)}
    steps = {b - a for a, b in pairwise(source)}
    assert len(steps) > 1
    file = run.save_annotated(tmp_path / "new" / "a.mp4")
    made = frames_of(file)
    assert list(made) == pytest.approx([t - min(source) for t in source], abs=12)
    edges = {
        t: differs(drawn, plain, BOX)
        for (t, plain), drawn in zip(source.items(), made.values(), strict=True)
    }
    # Boxes as of the last sample; none below the exit threshold; none where none was found.
    assert min(n for t, n in edges.items() if t < 6_000_000) > 60
    assert max(n for t, n in edges.items() if t >= 6_000_000) < 20
    assert [one.name for one in file.parent.iterdir()] == ["a.mp4"]
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        last, before = max(source), sorted(source)[-2]
        assert float(stream.duration * stream.time_base) == pytest.approx(
            (2 * last - before - min(source)) / 1e6, abs=1e-3
        )
    data = file.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_rule_hides_boxes_and_a_stretch_begins_at_its_time(run, clip, tmp_path):
    rule = run.default_rule.changed(max_area_fraction=0.01)
    made = save_annotated(run, tmp_path / "b.mp4", rule, from_s=2, until_s=4)
    plain = [f for f in FileSource(clip).frames(0) if 2_000_000 <= f.pts_us <= 4_000_000]
    pictures = frames_of(made.path)
    assert (made.frames, made.from_us, made.until_us) == (
        len(plain), plain[0].pts_us, plain[-1].pts_us,
    )  # fmt: skip
    assert len(pictures) == len(plain)
    drawn = max(differs(a, b.image_bgr, BOX) for a, b in zip(pictures.values(), plain, strict=True))
    assert drawn < 20


def test_a_recording_of_a_feed_is_drawn_over_what_connected_again(encode, tmp_path):
    clip = encode("record.mp4", *X264, source=CLIP)
    folder = tmp_path / "recording"
    pictures = record(folder, clip)
    pictures |= record(folder, clip, last_us=max(pictures), since_us=20_000_000)
    with (folder / INDEX).open("a") as index:
        index.write(json.dumps({"kind": "end", "last_us": max(pictures)}) + "\n")
    facts = FileSource(clip).media()
    media = replace(facts, path=str(folder), container="recording", end_us=max(pictures))
    run = make_box_run(tmp_path, [[("otter", 0.9, BOX)]] * 12, ["otter"], every_s=1.0, media=media)
    made = frames_of(run.save_annotated(tmp_path / "r.mp4", from_s=5.0))
    shown = {t: image for t, image in sorted(pictures.items()) if t >= 5_000_000}
    assert list(made) == pytest.approx([t - min(shown) for t in shown], abs=12)
    assert differs(made[0], shown[min(shown)], BOX) > 60
    assert differs(made[max(made)], shown[max(shown)], BOX) < 20  # the last sample is too old


def test_the_command_writes_and_refuses(run, tmp_path, capsys):
    out = tmp_path / "c.mp4"
    words = ["annotate", run.run_id, "--out", str(out), "--store", str(run.store.folder)]
    assert main([*words, "--until", "1", "--json"]) == 0
    assert '"from_s": 0.0' in capsys.readouterr().out
    assert main(words) == 2
    assert "exists; name another file, or add --replace" in capsys.readouterr().err
    assert main([*words, "--replace", "--from", "3", "--until", "1"]) == 2
    assert "until must be at least from (3 s), got 1 s" in capsys.readouterr().err
    before = out.read_bytes()
    assert main([*words, "--replace", "--from", "99"]) == 1
    assert "has no frame between these times" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["c.mp4"]


def test_what_cannot_be_written_says_why(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(lab.LabError, match="cannot be written"):
        run.save_annotated(tmp_path / "file" / "a.mp4")
    with pytest.raises(SettingError, match="is the clip itself"):
        run.save_annotated(run.media_path)
    with pytest.raises(SettingError, match="score floor"):
        run.save_annotated(tmp_path / "a.mp4", run.default_rule.changed(exit_threshold=0.01))


def test_labels_have_the_colours_that_they_had_while_the_run_went_on(tmp_path):
    few = make_box_run(tmp_path / "few", [[("dog", 0.9, BOX)]], ["cat", "dog"])
    assert colour_numbers(few) == {"cat": 0, "dog": 1}
    names = [f"kind {i}" for i in range(20)]
    seen = [
        [(names[9], 0.1, BOX), (names[3], 0.25, BOX)],
        [(names[9], 0.8, BOX), (names[0], 0.9, BOX)],
        [(names[3], 0.95, BOX), (names[5], 0.2, BOX)],
    ]
    many = [make_box_run(tmp_path / str(n), seen[:n], names) for n in (1, 2, 3)]
    assert [clear_labels(one) for one in many] == [
        (names[3],),
        (names[3], names[9], names[0]),
        (names[3], names[9], names[0]),
    ]
    assert colour_numbers(many[2])[names[9]] == 1
    prompts = make_box_run(tmp_path / "prompts", seen, names, prompt_mode="independent")
    assert clear_labels(prompts) is None
