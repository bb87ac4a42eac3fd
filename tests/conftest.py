"""Fixtures that many tests share."""

import importlib
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from filelock import FileLock

from tests.random_examples import use_profile
from tests.second_tries import pytest_terminal_summary  # noqa: F401

os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_AUTOINSTALL"] = "false"

use_profile()

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def clips() -> Path:
    """Real footage, where it is at hand."""
    folder = SHARED / "clips"
    if not folder.is_dir():
        pytest.skip(f"real clips are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def models() -> Path:
    """Real checkpoints, where they are at hand."""
    folder = SHARED / "models"
    if not folder.is_dir():
        pytest.skip(f"real weights are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def samples() -> Path:
    return ROOT / "sample_videos"


@pytest.fixture(scope="session")
def encode(tmp_path_factory):
    """encode(name, *ffmpeg options) gives a 12 s clip of a moving test picture, made once."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the program ffmpeg to make clips")
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str, *options: str, source: str = "testsrc2=size=320x240:rate=30:duration=12"):
        path = folder / name
        if not path.exists():
            inputs = ["-f", "lavfi", "-i", source] if "=" in source else ["-i", source]
            command = ["ffmpeg", "-v", "error", "-y", *inputs, *options, str(path)]
            subprocess.run(command, check=True, capture_output=True)
        return path

    return make


@pytest.fixture(scope="session")
def h264(encode):
    return encode("h264.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "60", "-bf", "3")


@pytest.fixture(scope="session")
def quick_run(samples, tmp_path_factory):
    """A finished run of a sample clip, all labels."""
    import lab

    store = tmp_path_factory.mktemp("quick") / "store"
    return lab.analyze(samples / "cat_then_person.mp4", store=store, progress=False)


@pytest.fixture(scope="session")
def visits(clips, tmp_path_factory):
    """The run of six visits, every 0.2 s; made once, also where tests run in several processes."""
    import lab

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "visits"
    with FileLock(f"{folder}.lock"):
        if not (folder / "run_id").exists():
            clip = clips / "one-by-one-person-detection.mp4"
            run = lab.analyze(clip, labels=["person"], store=folder, progress=False)
            (folder / "run_id").write_text(run.run_id)
    return lab.open_store(folder).run((folder / "run_id").read_text())


@pytest.fixture(scope="session")
def peers():
    """peers(name) imports another evaluation library, kept apart from what the lab needs."""
    folder = ROOT / ".venv" / "peers"

    def load(name: str):
        if not (folder / name).is_dir():
            pytest.skip(f"{name} is not in {folder}; `make test` puts it there")
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)

    return load
