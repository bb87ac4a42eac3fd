"""Folders of short clips, good and bad ones."""

import os
import shutil
import struct
from pathlib import Path

ODD_NAMES = [
    "a b 'c' \"d\".mp4",
    "fox \N{FOX FACE} 1.mp4",
    "-n $(x);&\n[\N{HEBREW LETTER ALEF}].mp4",
]


def copy_with(clip: Path, target: Path, mark: int) -> Path:
    """The same pictures in another file: with a box at the end that players skip."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(clip, target)
    with target.open("ab") as file:
        file.write(struct.pack(">I4sQ", 16, b"free", mark))
    return target


def fill_folder(folder: Path, clip: Path, good: int) -> tuple[list[Path], dict[str, str]]:
    """Good clips in two folders with some names alike; the bad ones, by path, with words of why."""
    names = [*ODD_NAMES, *(f"{i:03}.mp4" for i in range(good))][:good]
    clips = []
    for i, name in enumerate(names):
        place = folder / ("one" if i % 2 else "two/deep")
        clips.append(copy_with(clip, place / name, i))
    clips.append(copy_with(clip, folder / "two" / "000.mp4", 1000))
    bad = folder / "bad"
    bad.mkdir()
    (bad / "empty.mp4").touch()
    (bad / "text.mp4").write_text("Not a video at all.\n" * 100)
    (bad / "cut.mp4").write_bytes(clip.read_bytes()[:200])
    (bad / "folder.mp4").mkdir()
    (bad / "nowhere.mp4").symlink_to(folder / "gone.mp4")
    os.mkfifo(bad / "pipe.mp4")
    (folder / "two" / "loop").symlink_to(folder, target_is_directory=True)
    words = {
        "empty.mp4": "empty",
        "text.mp4": "text file",
        "cut.mp4": "cut.mp4",
        "folder.mp4": "is a folder",
        "nowhere.mp4": "leads nowhere",
        "pipe.mp4": "not a file but a pipe",
    }
    return clips, {str(bad / name): why for name, why in words.items()}
