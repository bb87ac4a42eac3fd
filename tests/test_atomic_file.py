"""A file is written whole or not at all."""

import os
import subprocess
import sys

import pytest

from lab.atomic_file import write_atomically


@pytest.mark.parametrize("is_durable", [False, True])
def test_a_file_is_replaced_by_text_or_bytes(tmp_path, is_durable):
    path = tmp_path / "notes.txt"
    assert write_atomically(path, "höher\n", is_durable=is_durable) == path
    assert path.read_bytes() == "höher\n".encode()
    write_atomically(str(path), b"\x00\xff", is_durable=is_durable)
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_what_was_there_stays_if_writing_fails_and_nothing_is_left_over(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("before")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "lone surrogate \ud800")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", "text")
    with pytest.raises(OSError, match="nowhere"):
        write_atomically(tmp_path / "nowhere" / "notes.txt", "text")
    assert path.read_text() == "before"
    assert sorted(os.listdir(tmp_path)) == ["folder", "notes.txt"]


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("n" * 255)
    assert write_atomically(path, "text").read_text() == "text"


def test_others_may_read_it_as_the_process_lets_them(tmp_path):
    code = (
        "import os, sys\n"
        "from lab.atomic_file import write_atomically\n"
        "os.umask(0o027)\n"
        "print(oct(write_atomically(sys.argv[1], 'x').stat().st_mode & 0o777))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "0o640"


def test_readers_see_one_version_or_the_other_while_others_write(tmp_path):
    path = tmp_path / "big.txt"
    code = (
        "import sys\n"
        "from lab.atomic_file import write_atomically\n"
        "for _ in range(100): write_atomically(sys.argv[1], sys.argv[2] * 200_000)"
    )
    write_atomically(path, "a" * 200_000)
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), c]) for c in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        text = path.read_text()
        assert (len(text), len(set(text))) == (200_000, 1)
        seen.add(text[0])
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen <= {"a", "b"}
    assert os.listdir(tmp_path) == ["big.txt"]
