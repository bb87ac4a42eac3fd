"""An entry as an HTML file on its own: no file beside it, no address to fetch."""

from __future__ import annotations

import base64
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment
from markdown_it import MarkdownIt
from markupsafe import Markup

from lab.experiments.entry import Experiment
from lab.formats.markdown import prose
from lab.rules.describe import describe
from lab.sighting import Sighting

_MAX_PICTURES = 60
_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data: blob:;
style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #8884;
  vertical-align: top; }
.scroll { overflow-x: auto; } code { font-size: .9em; overflow-wrap: anywhere; }
.pictures { display: flex; flex-wrap: wrap; gap: .6rem; }
.pictures figure { margin: 0; width: 10rem; } .pictures img { width: 100%; border-radius: 4px; }
figcaption { font-size: .8rem; }
.tag { border: 1px solid #8886; border-radius: 1rem; padding: 0 .6rem; margin-right: .3rem;
  font-size: .85rem; }
</style></head><body>
<h1>{{ title }}{{ " ★" if row.starred }}</h1>
<p>{% for tag in row.tags %}<span class="tag">{{ tag }}</span>{% endfor %}</p>
<p>Run <code>{{ run.run_id }}</code> of {{ run.media.name }},
made {{ row.created_utc.strftime("%Y-%m-%d %H:%M") }} UTC; rule <code>{{ rule_hash }}</code>.</p>
{{ notes }}
{% if conclusion %}<h2>Conclusion</h2>{{ conclusion }}{% endif %}
<h2>Figures</h2>
{% if figures %}<div class="scroll"><table>
<tr><th></th><th>found</th><th>false</th><th>missed</th><th>precision</th><th>recall</th>
<th>F1</th><th>false an hour</th><th>watched</th></tr>
{% for f in figures %}<tr><td>{{ f.label }}</td>
<td>{{ f.tp }}</td><td>{{ f.fp }}</td><td>{{ f.fn }}</td>
<td>{{ f.precision }}</td><td>{{ f.recall }}</td><td>{{ f.f1 }}</td>
<td>{{ f.false_per_hour }}</td><td>{{ f.covered }}</td></tr>{% endfor %}</table></div>
{% for text in refused %}<p><small>{{ text }}</small></p>{% endfor %}
{% else %}<p>Nothing of this clip was annotated for these labels.</p>{% endif %}
<h2>Scores</h2>{{ chart }}
<h2>Sightings ({{ sightings|length }})</h2>
<div class="scroll"><table>
<tr><th>label</th><th>onset</th><th>offset</th><th>duration</th><th>peak</th></tr>
{% for s in sightings[:500] %}<tr><td>{{ s.label }}</td>
<td>{{ "%.2f s"|format(s.onset_s) }}</td><td>{{ "%.2f s"|format(s.offset_s) }}</td>
<td>{{ "%.2f s"|format(s.duration_s) }}</td><td>{{ "%.2f"|format(s.peak_confidence) }}</td></tr>
{% endfor %}</table></div>
{% if pictures %}<div class="pictures">{% for p in pictures %}
<figure><img alt="{{ p.text }}" src="{{ p.src }}"><figcaption>{{ p.text }}</figcaption></figure>
{% endfor %}</div>{% endif %}
<h2>Rule</h2>
<table>{% for k, v in settings.items() %}<tr><td>{{ k }}</td><td>{{ v }}</td></tr>
{% endfor %}</table>
<h2>Protocol</h2>
<table>{% for k, v in protocol.items() %}<tr><td>{{ k }}</td><td><code>{{ v }}</code></td></tr>
{% endfor %}</table>
<h2>Effort</h2>
<table>{% for k, v in effort.items() %}<tr><td>{{ k }}</td><td>{{ v }}</td></tr>
{% endfor %}</table>
</body></html>
"""


def markdown(text: str | None) -> Markup:
    """Markdown as HTML; HTML and pictures in it are text."""
    return Markup(MarkdownIt("js-default").disable("image").render(prose(text or "")))


def report_of(experiment: Experiment) -> str:
    """The whole page."""
    run, rule = experiment.run, experiment.rule
    sightings = run.find(rule)
    found = experiment.evaluation
    figures, refused = [], set()
    if found is not None:
        for label, f in [*found.labels.items(), ("all labels", found.overall)]:
            refused |= set(f.refused.values())
            row = f.to_dict()
            figures.append(
                {
                    "label": label,
                    "covered": f"{f.covered_s:.0f} s",
                    **{n: row[n] for n in ("tp", "fp", "fn")},
                    **{n: _rate(row, n) for n in ("precision", "recall", "f1", "false_per_hour")},
                }
            )
    template = Environment(autoescape=True).from_string(_TEMPLATE)
    return template.render(
        title=experiment.title,
        row=experiment.row,
        run=run,
        rule_hash=rule.rule_hash,
        notes=markdown(experiment.row["notes"]),
        conclusion=markdown(experiment.row["conclusion"]) if experiment.row["conclusion"] else None,
        figures=figures,
        refused=sorted(refused),
        chart=Markup(
            score_chart(experiment, sightings).to_html(full_html=False, include_plotlyjs="inline")
        ),
        sightings=sightings,
        pictures=_pictures(experiment, sightings),
        settings=describe(rule),
        protocol=experiment.protocol,
        effort=run.effort().to_dict(),
    )


def _rate(row: dict[str, Any], name: str) -> str:
    value, limits = row[name], row[f"{name}_interval"]
    if value is None:
        return "–"
    return f"{value:.3f}" + (f" [{limits[0]:.3f}, {limits[1]:.3f}]" if limits else "")


def score_chart(
    experiment: Experiment, sightings: list[Sighting] | None = None, max_labels: int = 4
) -> go.Figure:
    """Scores over time with sightings and annotations, for the labels that score highest."""
    run, rule = experiment.run, experiment.rule
    found = run.find(rule) if sightings is None else sightings
    labels = sorted(
        rule.wanted(run.labels), key=lambda x: -float(run.series(x).scores.max(initial=0))
    )[:max_labels]
    chart = go.Figure()
    for label in labels:
        seconds = run.series(label).pts_us / 1e6
        chart.add_trace(
            go.Scatter(x=seconds, y=run.series(label, rule).scores, name=label, mode="lines")
        )
        present = experiment.truth.of(run.media["media_id"], label).present / 1e6
        for a, b in present[:300].tolist():
            chart.add_shape(
                type="rect", x0=a, x1=b, y0=-0.06, y1=-0.01, fillcolor="#16a34a", line_width=0
            )
    for s in found[:300]:
        if s.label in labels:
            chart.add_vrect(
                x0=s.onset_s, x1=s.offset_s, fillcolor="#0ea5e9", opacity=0.12, line_width=0
            )
    chart.update_layout(
        xaxis_title="s",
        yaxis_title="score",
        yaxis_range=[-0.08, 1.02],
        height=280,
        margin={"l": 50, "r": 10, "t": 10, "b": 40},
        legend={"orientation": "h", "y": 1.15},
    )
    return chart


def _pictures(experiment: Experiment, sightings: list[Sighting]) -> list[dict[str, str]]:
    """Pictures that exist already; a report decodes nothing."""
    folder = experiment.store.pictures_folder(experiment.run.media["media_id"])
    out = []
    for s in sightings[:_MAX_PICTURES]:
        file = folder / f"{s.peak_us}.jpg"
        if file.exists():
            data = base64.b64encode(file.read_bytes()).decode()
            out.append(
                {
                    "src": f"data:image/jpeg;base64,{data}",
                    "text": f"{s.label} at {s.peak_us / 1e6:.2f} s",
                }
            )
    return out
