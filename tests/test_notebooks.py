"""The notebooks run from the first cell to the last."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


LONG = {"02_tuning", "03_detectors"}
SAYS = {
    "01_first_sighting": ["cat_then_person.mp4", "5.8"],
    "03_detectors": ["samples saved", "True", "brightness"],
    "02_tuning": [" rules\n", "'identical': True", "opened", "wholly watched"],
}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.long] if path.stem in LONG else [], id=path.stem)
        for path in sorted(NOTEBOOKS.glob("*.ipynb"))
    ],
)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_STORE", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOKS)}}
    ).execute()
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    text = "".join(o.get("data", {}).get("text/plain", "") + o.get("text", "") for o in outputs)
    for words in SAYS[path.stem]:
        assert words in text
