"""What is pooled from the runs of many clips."""

from pathlib import Path
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from lab.evaluation.pooling import media_names
from tests.random_examples import examples


def names_by_definition(runs):
    names = {}
    for run in runs:
        parts = run.media_path.parts
        others = [r.media_path for r in runs if r.media["media_id"] != run.media["media_id"]]
        n = 1
        while n < len(parts) and any(p.parts[-n:] == parts[-n:] for p in others):
            n += 1
        names[run.media["media_id"]] = "/".join(parts[-n:])
    return names


@examples(300)
@given(st.lists(st.lists(st.sampled_from("ab/"), min_size=1, max_size=4), max_size=12))
def test_names_are_as_short_as_they_can_be(paths):
    runs = [
        SimpleNamespace(media={"media_id": str(i % 9)}, media_path=Path(*paths[i % 9]))
        for i in range(len(paths))
    ]
    assert media_names(runs) == names_by_definition(runs)


def test_naming_ten_thousand_clips_reads_each_path_once():
    reads = []

    class Clip:
        def __init__(self, i):
            self.media, self.i = {"media_id": str(i)}, i

        @property
        def media_path(self):
            reads.append(self.i)
            return Path(f"/cards/{self.i % 500}/IMG_{self.i // 500:04d}.MP4")

    names = media_names([Clip(i) for i in range(10_000)])
    assert len(set(names.values())) == 10_000
    assert len(reads) == 10_000
