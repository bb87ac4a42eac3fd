"""What every export promises; see `lab.formats.export.Export`."""

import csv
import io
import json
import weakref
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab.errors import SettingError
from lab.formats.annotations.files import read_rows
from lab.formats.export import Export, as_bytes, export_named, exports, formats_of
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
    assert isinstance(made.write([]), str | bytes)
    out = io.BytesIO()
    made.write_batches([], out)
    assert out.getvalue() == as_bytes(made.write([]))


def batches_of(rows, size=2):
    for start in range(0, len(rows), size):
        yield pa.RecordBatch.from_pylist(rows[start : start + size], schema=SCHEMA)


SCHEMA = pa.schema(
    [
        (
            name,
            pa.bool_() if name.startswith("censored") else
            pa.float64() if name.endswith("_s") or name == "peak_confidence" else
            pa.timestamp("us") if name == "saved_utc" else pa.string(),
        )
        for name in STORED_SIGHTING_COLUMNS
    ]
)  # fmt: skip
AWKWARD = [
    "=1+1",
    "+x",
    "-x",
    "@x",
    "\tx",
    "a,b",
    'say "x"',
    "two\nlines",
    "=a,b",
    "",
    None,
    "Käfer",
]


def awkward_rows():
    made = dict.fromkeys(STORED_SIGHTING_COLUMNS)
    return [
        {**made, "label": text, "site": text, "onset_s": i / 7,
         "peak_confidence": None if i % 3 else 1e-7,
         "censored_left": bool(i % 2), "saved_utc": datetime(2026, 5, 1, 6, 0, 0, i % 2)}
        for i, text in enumerate(AWKWARD)
    ]  # fmt: skip


@pytest.mark.parametrize("name", formats_of("sightings"))
def test_batches_give_the_file_that_rows_give(name):
    made, rows, out = export_named(name, "sightings"), awkward_rows(), io.BytesIO()
    made.write_batches(batches_of(rows), out)
    whole = as_bytes(made.write(rows))
    if made.suffix == ".csv":
        one, other = (
            list(csv.DictReader(io.StringIO(text.decode(), newline="")))
            for text in (out.getvalue(), whole)
        )
        for a, b in zip(one, other, strict=True):
            assert {k: number(v) for k, v in a.items()} == {k: number(v) for k, v in b.items()}
        assert one[8]["label"] == "'=a,b"
    elif made.suffix == ".json":
        assert json.loads(out.getvalue()) == json.loads(whole)
    else:
        table = pq.read_table(io.BytesIO(out.getvalue()))
        assert table.to_pylist() == rows == pq.read_table(io.BytesIO(whole)).to_pylist()


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


def test_batches_are_taken_one_by_one(tmp_path):
    """Never more than one is held: each is gone when the next is made."""
    alive = []

    def given():
        for _ in range(5):
            batch = next(batches_of(awkward_rows(), 100))
            alive.append(weakref.ref(batch))
            yield batch
            del batch
            assert sum(ref() is not None for ref in alive) <= 1

    for name in ("sightings-csv", "sightings-json", "sightings-parquet"):
        with (tmp_path / name).open("wb") as out:
            export_named(name, "sightings").write_batches(given(), out)


def test_a_format_for_something_else_and_an_unknown_one_are_refused():
    with pytest.raises(SettingError, match="is a format for sightings, not for annotations"):
        export_named("sightings-csv", "annotations")
    with pytest.raises(SettingError, match=r"unknown export format 'boriss'.*boris"):
        export_named("boriss", "annotations")
