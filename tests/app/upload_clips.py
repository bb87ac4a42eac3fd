"""A real clip in each kind of file that is uploaded."""

import shutil
import subprocess

import pytest

KINDS = {
    "fast.mp4": ["-movflags", "+faststart"],
    "last.mp4": [],
    "clip.mkv": [],
    "clip.webm": ["-an", "-vf", "scale=256:144", "-c:v", "libvpx", "-deadline", "realtime"],
}


@pytest.fixture(scope="session")
def kinds(clips, tmp_path_factory):
    """Five seconds of a real clip in each kind of file, by name."""
    if shutil.which("ffmpeg") is None or shutil.which("curl") is None:
        pytest.skip("needs the programs ffmpeg and curl")
    folder = tmp_path_factory.mktemp("kinds")
    clip = clips / "car-detection.mp4"
    for name, options in KINDS.items():
        how = options if name.endswith("webm") else ["-c", "copy", *options]
        command = ["ffmpeg", "-v", "error", "-t", "5", "-i", clip, *how, folder / name]
        subprocess.run(command, check=True, capture_output=True)
    return folder
