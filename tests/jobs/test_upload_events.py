"""The file in which the analysis of an upload tells, as it is read by who follows it."""

from types import SimpleNamespace

from lab.app.server.uploads.events import lines_of
from lab.jobs.upload_events import UploadEvents


def write(path, *texts):
    events = UploadEvents(path)
    for text in texts:
        events.failed(text)
    events.close()


def read(path):
    """As who follows it does."""
    upload = SimpleNamespace(events_file=path, is_deleted=False)
    found, place = [], 0
    while (told := lines_of(upload, place)) and told[0]:
        found += [line.event["error"] for line in told[0]]
        place = told[1]
    return found


def test_a_line_of_many_megabytes_and_what_follows_it_are_read(tmp_path):
    texts = ["first", "x" * (3 << 20), "last"]
    write(tmp_path / "events", *texts)
    assert read(tmp_path / "events") == texts


def test_a_line_that_a_killed_process_began_takes_none_of_the_next_one_with_it(tmp_path):
    path = tmp_path / "events"
    write(path, "first")
    with path.open("a") as file:
        file.write('{"type":"sam')
    write(path, "second")
    assert read(path) == ["first", "second"]
