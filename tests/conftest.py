"""Fixtures that many tests share."""

import hashlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from filelock import FileLock

from tests.counting import counts  # noqa: F401
from tests.empty_catalogs import empty_catalogs  # noqa: F401
from tests.quick_set import longest_first
from tests.random_examples import use_profile
from tests.second_tries import pytest_terminal_summary  # noqa: F401

os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_AUTOINSTALL"] = "false"

# A shell has what it starts in the background ignore Ctrl+C, and so would what tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

use_profile()

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Comparisons with other libraries are in the long set, and need these only there."""
    for item in items:
        if "peers" in item.fixturenames:
            item.add_marker(pytest.mark.long)
    longest_first(items)


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
        how = hashlib.sha256(repr((options, source)).encode()).hexdigest()[:12]
        path = folder / how / name  # whatever another test calls its clip
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            inputs = ["-f", "lavfi", "-i", source] if "=" in source else ["-i", source]
            command = ["ffmpeg", "-v", "error", "-y", *inputs, *options, str(path)]
            subprocess.run(command, check=True, capture_output=True)
        return path

    return make


@pytest.fixture(scope="session")
def h264(encode):
    return encode("h264.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "60", "-bf", "3")


@pytest.fixture(scope="session")
def kept(tmp_path_factory) -> Path:
    """A folder for what is made once, also where tests run in several processes."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def analysed(kept):
    """analysed(folder, (clip, settings), ...) gives the finished runs, in a new store there.

    A clip is analysed once with the same settings after the same others; each test gets a copy
    of the store.
    """
    import lab

    def made(analyses: tuple[tuple[Path, dict], ...]) -> Path:
        """A folder with the store of these runs, and their ids."""
        folder = kept / f"analysed-{hashlib.sha256(repr(analyses).encode()).hexdigest()[:16]}"
        *others, (clip, settings) = analyses
        with FileLock(f"{folder}.lock"):
            if not (folder / "run_ids").exists():
                before = ""
                if others:
                    source = made(tuple(others))
                    shutil.copytree(source / "store", folder / "store")
                    before = (source / "run_ids").read_text()
                run = lab.analyze(clip, store=folder / "store", progress=False, **settings)
                run.store.catalog.give_up()  # all in the file, for it is copied
                (folder / "run_ids").write_text(f"{before}{run.run_id}\n")
        return folder

    def put(folder: Path, *analyses: tuple[Path, dict]) -> list:
        source = made(analyses)
        shutil.copytree(source / "store", folder)
        store = lab.open_store(folder)
        return [store.run(run_id) for run_id in (source / "run_ids").read_text().split()]

    return put


@pytest.fixture(scope="session")
def quick_run(analysed, samples, tmp_path_factory):
    """A finished run of a sample clip, all labels."""
    folder = tmp_path_factory.mktemp("quick") / "store"
    (run,) = analysed(folder, (samples / "cat_then_person.mp4", {}))
    return run


@pytest.fixture(scope="session")
def visits(clips, kept):
    """The run of six visits, every 0.2 s, by small pictures; made once for all processes."""
    import lab

    folder = kept / "visits"
    with FileLock(f"{folder}.lock"):
        if not (folder / "run_id").exists():
            clip = clips / "one-by-one-person-detection.mp4"
            run = lab.analyze(clip, labels=["person"], image_size=320, store=folder, progress=False)
            (folder / "run_id").write_text(run.run_id)
    return lab.open_store(folder).run((folder / "run_id").read_text())


@pytest.fixture(scope="session")
def peers():
    """peers(name) imports another evaluation library, kept apart from what the lab needs."""
    folder = ROOT / ".venv" / "peers"

    def load(name: str):
        if not (folder / name).is_dir():
            pytest.skip(f"{name} is not in {folder}; `make test-long` puts it there")
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)

    return load
