import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from lab.arrow_columns import column, empty_table, numbers, table, texts

NAIVE = datetime(2026, 3, 29, 1, 59, 59, 123456)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None, None],
        [1, None, -(2**63), 2**63 - 1],
        [1, 2.5, None, float("nan"), float("inf")],
        [True, None, False] * 5,
        ["", None, "é😀", "a\0b", "x" * 5000],
        [NAIVE, None, datetime(1, 1, 1)],
        [NAIVE.replace(tzinfo=UTC)],
        [b"raw", None],
        [np.float64(1.5)],
        np.arange(5, dtype=np.float32),
        np.arange(10, dtype=np.int64)[::2],
    ],
)
def test_a_column_is_what_pyarrow_makes_of_the_values(values):
    made, wanted = column(values), pa.array(values)
    assert made.type == wanted.type
    made.validate(full=True)
    assert str(made.to_pylist()) == str(wanted.to_pylist())


def test_numbers_and_texts_come_back_as_they_went_in():
    schema = pa.schema([("n", pa.int64()), ("score", pa.float32()), ("text", pa.string())])
    given = table([[1, 2, 3], np.array([0.1, 0.2, 0.3]), ["a", None, "a"]], schema)
    both = pa.concat_tables([given, empty_table(schema), given.slice(1)])
    assert numbers(both["n"]).tolist() == [1, 2, 3, 2, 3]
    assert numbers(both["score"]).dtype == np.float32
    assert texts(both["text"]).tolist() == ["a", None, "a", None, "a"]
    assert texts(empty_table(schema)["text"]).tolist() == []


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(OverflowError):
        column([2**63])
    with pytest.raises(UnicodeEncodeError):
        column(["\udc80"])


def test_an_analysis_and_its_store_import_no_pandas(tmp_path):
    """It would take longer than a short clip."""
    code = (
        "import sys, lab\n"
        "run = lab.analyze('sample_videos/nothing.mp4', detector='motion', every_s=1,"
        " store=sys.argv[1], progress=False)\n"
        "assert run.summary()['samples'] and len(run.log.pts_us)\n"
        "assert 'pandas' not in sys.modules, 'pandas was imported'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
