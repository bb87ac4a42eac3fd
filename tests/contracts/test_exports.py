"""What every export promises; see `lab.formats.export.Export`."""

import csv
import io
import json

import pytest

from lab.errors import SettingError
from lab.formats.annotations.files import read_rows
from lab.formats.export import Export, export_named, exports, formats_of
from lab.store.tables import EFFORT_COLUMNS, STORED_SIGHTING_COLUMNS

COLUMNS = {"sightings": STORED_SIGHTING_COLUMNS, "effort": EFFORT_COLUMNS}


def marks(*spans, media="pond.mp4"):
    return [
        {"media": media, "label": label, "start_us": start_us, "end_us": end_us,
         "annotator": "ada", "origin": "independent", "media_id": "0123"}
        for label, start_us, end_us in spans
    ]  # fmt: skip


@pytest.fixture(params=exports.names())
def export(request):
    return request.param, exports.get(request.param)()


def test_it_says_what_it_is(export):
    name, made = export
    assert isinstance(made, Export)
    assert made.suffix.startswith(".")
    assert "/" in made.media_type
    assert name in formats_of(made.content)


@pytest.mark.parametrize("name", formats_of("annotations"))
def test_annotations_are_read_back_to_the_millisecond(name):
    given = marks(("otter", 1_250_000, 3_500_000), ("heron", 10_000_000, 12_345_000))
    made = export_named(name, "annotations")
    rows = read_rows(made.write(given).encode(), f"marks{made.suffix}", name)
    assert {(r["label"], r["start_us"], r["end_us"]) for r in rows} == {
        (r["label"], r["start_us"], r["end_us"]) for r in given
    }


@pytest.mark.parametrize("content", ["sightings", "effort"])
def test_rows_of_the_store_are_there_with_every_column(content):
    given = [dict.fromkeys(COLUMNS[content], 1), dict.fromkeys(COLUMNS[content], "=x")]
    formats = formats_of(content)
    table = list(csv.DictReader(io.StringIO(formats[f"{content}-csv"].write(given))))
    assert [list(row) for row in table] == [COLUMNS[content]] * 2
    assert set(table[1].values()) == {"'=x"}
    assert json.loads(formats[f"{content}-json"].write(given)) == given


def test_an_empty_list_is_a_file_without_rows(export):
    _, made = export
    assert isinstance(made.write([]), str)


def test_a_format_for_something_else_and_an_unknown_one_are_refused():
    with pytest.raises(SettingError, match="is a format for sightings, not for annotations"):
        export_named("sightings-csv", "annotations")
    with pytest.raises(SettingError, match=r"unknown export format 'boriss'.*boris"):
        export_named("boriss", "annotations")
