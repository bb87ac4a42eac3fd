"""Places that a batch cannot go into, and links that lead in circles."""

import os

import pytest

from lab.jobs.batch.clips import find_batch
from tests.unprivileged import as_nobody, open_folder  # noqa: F401


@pytest.fixture
def cards(tmp_path):
    """Two clips in folders, with links that lead back up."""
    for name in ("one/a.mp4", "one/two/b.mp4", "one/.hidden/c.mp4", "one/two/.d.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    for i in range(8):  # a search that follows them goes 8 to the 40th ways
        (tmp_path / "one" / f"up{i}").symlink_to(tmp_path)
    (tmp_path / "one" / "self.mp4").symlink_to(tmp_path / "one" / "self.mp4")
    return tmp_path


def names(found):
    return sorted(os.path.basename(path) for path in found.clips)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", ["a.mp4", "b.mp4"]),
        ("**/*.mp4", ["a.mp4", "b.mp4"]),
        ("**", ["a.mp4", "b.mp4"]),
        ("one/**/*.mp4", ["a.mp4", "b.mp4"]),
        ("**/two/*.mp4", ["b.mp4"]),
        ("**/t?o", ["b.mp4"]),
        ("*/**/b.*", ["b.mp4"]),
        ("**/.*.mp4", [".d.mp4"]),
        ("one/*.mp4", ["a.mp4"]),
    ],
)
def test_a_circle_of_links_is_gone_through_once(cards, pattern, expected):
    found = find_batch(f"{cards}/{pattern}")
    shown = [name for name in names(found) if pattern.startswith("**/.") or name[0] != "."]
    assert [name for name in shown if name != "c.mp4"] == expected
    for path, reason in found.refused.items():
        assert path.endswith("/one/self.mp4")
        assert "Too many levels of symbolic links" in reason


def test_a_link_to_itself_is_named(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    found = find_batch(tmp_path / "loop")
    assert not found.clips
    assert "Too many levels" in found.refused[str(tmp_path / "loop")]


@pytest.mark.parametrize("pattern", ["", "**/*.mp4"])
def test_a_folder_that_may_not_be_read_is_named(open_folder, pattern):  # noqa: F811
    (open_folder / "a.mp4").write_bytes(b"a")
    (open_folder / "a.mp4").chmod(0o644)  # the mask of this process may be a private one
    (open_folder / "secret").mkdir()
    (open_folder / "secret" / "b.mp4").write_bytes(b"b")
    (open_folder / "secret").chmod(0)
    with as_nobody():
        found = find_batch(f"{open_folder}/{pattern}")
    assert names(found) == ["a.mp4"]
    assert found.refused == {f"{open_folder}/secret": "cannot be listed: Permission denied"}


def test_a_file_that_may_not_be_read_is_named(open_folder):  # noqa: F811
    (open_folder / "a.mp4").write_bytes(b"a")
    (open_folder / "a.mp4").chmod(0)
    with as_nobody():
        found = find_batch(open_folder)
    assert "permission denied; make it readable" in found.refused[f"{open_folder}/a.mp4"]
