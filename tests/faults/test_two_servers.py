"""Two servers on one store: what one writes, the other shows, whenever it was reading."""

import pytest

from lab.annotation import Annotation
from lab.app.server.annotations import AnnotationCache
from lab.store.store import Store
from tests.builders import make_media
from tests.faults.processes import other

# Its reads stop at one of three places, until the other server has written.
SERVER = """
import sys
from lab.app.server.annotations import AnnotationCache
from lab.store.store import Store

def stop(name):
    if name == stops[0]:
        stops[0] = None
        print("stopped", flush=True)
        sys.stdin.readline()

class Stopping(Store):
    @property
    def annotations_version(self):
        stop("before the mark")
        found = super().annotations_version
        stop("after the mark")
        return found

    def all_records(self):
        found = super().all_records()
        stop("after the records")
        return found

stops = [None]
cache = AnnotationCache(Stopping(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    stops[0] = line.strip() or None
    truth = cache.truth()
    count = sum(len(t.present) for labels in truth.by_media.values() for t in labels.values())
    print(count, flush=True)
"""


@pytest.mark.parametrize("place", ["before the mark", "after the mark", "after the records"])
def test_what_one_writes_while_the_other_reads_is_not_stale_for_good(tmp_path, place):
    store, media = Store(tmp_path), make_media()
    store.add_media(media)
    mine = AnnotationCache(store)

    def annotate(number):
        one = Annotation(
            media_id=media.media_id, label="x", start_us=100 * number, end_us=100 * number + 9
        )
        store.add_records([one])

    annotate(0)
    with other(tmp_path, SERVER) as server:
        for number in range(1, 4):
            annotate(10 * number)
            server.tell(place)
            assert server.answer() == "stopped"
            annotate(10 * number + 1)
            server.tell("")
            assert server.answer() in (str(2 * number), str(2 * number + 1))
            server.tell("")
            assert server.answer() == str(2 * number + 1)
            assert len(mine.records()[0]) == 2 * number + 1
