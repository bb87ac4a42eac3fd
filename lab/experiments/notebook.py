"""An entry as a Jupyter notebook that reproduces it through `lab`."""

from __future__ import annotations

import pprint

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lab.detectors.make import detector_settings
from lab.experiments.entry import Experiment
from lab.formats.markdown import plain, prose


def notebook_of(experiment: Experiment) -> str:
    """The notebook's text (nbformat 4)."""
    run, row = experiment.run, experiment.row
    labels = experiment.rule.wanted(run.labels)
    label = (
        labels[0]
        if len(labels) == 1
        else max(labels, key=lambda x: float(run.series(x).scores.max(initial=0)))
    )
    rule = pprint.pformat(experiment.rule.to_dict(), width=90, sort_dicts=False)
    recipe = run.recipe
    settings = detector_settings(recipe, run.environment)
    arguments = ", ".join(
        f"{k}={v!r}" for k, v in {"detector": settings.pop("name"), **settings}.items()
    )
    cells = [
        new_markdown_cell(
            f"# {plain(experiment.title)}\n\nRun `{run.run_id}`, protocol `{run.protocol_hash}`, "
            f"rule `{experiment.rule.rule_hash}`.\n\n{prose(row['notes'] or '')}"
        ),
        new_code_cell(
            "import lab\n\n"
            f"store = lab.open_store({str(run.store.folder)!r})\n"
            f"run = store.run({run.run_id!r})\n"
            "# The same run again, on a machine that has the clip and the weights:\n"
            f"# run = lab.analyze({run.media['path']!r}, every_s={recipe['every_s']!r}, "
            f"{arguments})\n"
            "run.summary()"
        ),
        new_code_cell(f"rule = lab.Rule.from_dict(\n{rule}\n)\nrun.sightings(rule)"),
        new_markdown_cell("## Against the annotations"),
        new_code_cell(
            "found = lab.evaluate(run, rule=rule)\n"
            "for note in [*found.notes, *dict.fromkeys(found.overall.refused.values())]:\n"
            "    print(note)\n"
            "found.to_frame()"
        ),
        new_code_cell("import pandas as pd\n\npd.DataFrame([m.to_dict() for m in found.moments])"),
        new_markdown_cell("## Scores and decisions"),
        new_code_cell(
            "import plotly.graph_objects as go\n\n"
            f"label = {label!r}\n"
            "scores = run.scores()\n"
            "chart = go.Figure(go.Scatter(x=scores['pts_s'], y=scores[label], name=label))\n"
            "for s in run.find(rule):\n"
            "    if s.label == label:\n"
            "        chart.add_vrect(x0=s.onset_s, x1=s.offset_s, fillcolor='green', "
            "opacity=0.15, line_width=0)\n"
            "chart.add_hline(y=rule.of(label).debounce.enter_threshold, line_dash='dot')\n"
            "chart.update_layout(xaxis_title='s', yaxis_title='score')\n"
            "chart"
        ),
        new_code_cell("run.decisions(label, rule)"),
    ]
    if row["conclusion"]:
        cells.append(new_markdown_cell(f"## Conclusion\n\n{prose(row['conclusion'])}"))
    made = new_notebook(cells=cells)
    made.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    for i, cell in enumerate(made.cells):
        cell["id"] = f"cell-{i}"
    return nbformat.writes(made)
