"""A worker leaves the catalog open between its clips, for as long as nobody else wants it."""

import shutil
import subprocess
import sys

from lab.jobs.worker import _Worker
from lab.store import catalog
from lab.store.catalog import Catalog
from lab.store.session import session_of

CLIP = "sample_videos/nothing.mp4"


def test_the_catalog_is_opened_once_for_many_clips_and_given_up_when_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "BETWEEN_CLIPS_S", 600.0)
    opened = []
    connect = Catalog._connect_to

    def counted(self, path, **how):
        opened.append(path)
        return connect(self, path, **how)

    monkeypatch.setattr(Catalog, "_connect_to", counted)
    folder, worker = tmp_path / "store", _Worker(trust=True)
    for number in range(4):
        clip = tmp_path / f"{number}.mp4"
        shutil.copy(CLIP, clip)
        with clip.open("ab") as file:  # each another video
            file.write(bytes(8 + number))
        worker.analyze(
            {
                "job_id": str(number),
                "path": str(clip),
                "store": str(folder),
                "reuse": True,
                "analyses": [{"name": "m", "detector": {"name": "motion"}, "interval_s": 2}],
            },
            lambda **told: None,
        )
        if not number:
            session_of(folder).give_up()  # of making a new one
            opened.clear()
    assert len(opened) == 1
    other = "import sys; from lab.store.store import Store; print(Store(sys.argv[1]).count_runs())"
    done = subprocess.run(
        [sys.executable, "-c", other, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "4", done.stderr
    session_of(folder).end()
