"""The fragmentation report: what went wrong, as events to review.

After Ward, Lukowicz and Gellersen, ACM TIST 2 (2011) 6: one kind does not exclude another.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from lab.evaluation.counts import Pairing, offset_errors, onset_errors
from lab.evaluation.matching import Matching, Presences

Kind = Literal[
    "missed", "false", "split", "merged", "early", "late", "ends_early", "ends_late",
    "censored", "below_resolution", "not_analysed",
]  # fmt: skip


@dataclass(frozen=True)
class EvaluationEvent:
    """An event to review, in a media from `start_us` to `end_us`.

    kind is one of:
        `missed`: no sighting touches the annotation.
        `false`: the sighting touches no annotation.
        `split`: several sightings touch one annotation.
        `merged`: one sighting touches several annotations.
        `early`, `late`: the first sighting of an annotation begins before or after it, by more
            than the tolerance beyond its bracket.
        `ends_early`, `ends_late`: the same for the end of the last sighting.
        `censored`: cut by an end of the media or of the coverage, so the edge is not known.
        `below_resolution`: the annotation is shorter than the sampling interval.
        `not_analysed`: no sample in the annotation was analysed.
    """

    kind: Kind
    media_id: str
    label: str
    start_us: int
    end_us: int
    text: str

    def to_dict(self) -> dict[str, Any]:
        row = asdict(self)
        row["start_s"], row["end_s"] = row.pop("start_us") / 1e6, row.pop("end_us") / 1e6
        return row


def fragmentation_events(
    p: Pairing, presences: Presences, matching: Matching, media_id: str, label: str
) -> list[EvaluationEvent]:
    """The events of one label in one media, in order of time."""
    out: list[EvaluationEvent] = []

    def add(kind: Kind, span: np.ndarray, text: str) -> None:
        out.append(EvaluationEvent(kind, media_id, label, int(span[0]), int(span[1]), text))

    from lab.evaluation import kernels

    touching = kernels.touching_pairs(p.edges, p.truth)
    for j, span in enumerate(p.truth):
        if not p.counted[j]:
            length = (span[1] - span[0]) / 1e6
            if p.analysed[j]:
                add(
                    "below_resolution",
                    span,
                    f"lasts {length:.2f} s, less than the sampling interval",
                )
            else:
                add("not_analysed", span, "no sample in it was analysed")
            continue
        rows = touching[touching[:, 1] == j, 0]
        if not len(rows):
            add("missed", span, "no sighting")
            continue
        if len(rows) > 1:
            add("split", span, f"{len(rows)} sightings for one presence")
        others = touching[np.isin(touching[:, 0], rows[[0, -1]])]
        _edges(p, presences, matching, j, rows, others, add)
    for i, edge in enumerate(p.edges):
        rows = touching[touching[:, 0] == i, 1]
        span = edge[1:3]
        if not len(rows):
            add("false", span, "nothing is annotated there")
        elif p.counted[rows].sum() > 1:
            add("merged", span, f"one sighting over {int(p.counted[rows].sum())} presences")
        cut = [
            text for side, text in enumerate(("beginning", "end")) if p.is_cut(presences, side)[i]
        ]
        if cut:
            add("censored", span, f"cut at the {' and the '.join(cut)}")
    return sorted(out, key=lambda m: (m.start_us, m.kind))


def _edges(
    p: Pairing,
    presences: Presences,
    matching: Matching,
    j: int,
    rows: np.ndarray,
    others: np.ndarray,
    add: Any,
) -> None:
    """Early or late; not where the sighting reaches over from a neighbour: that is `merged`."""
    tolerance = round(matching.edge_tolerance_s * 1e6)
    first, last, span = rows[0], rows[-1], p.truth[j]
    if p.copied[j]:
        return
    from_before = (others[others[:, 0] == first, 1] < j).any()
    into_next = (others[others[:, 0] == last, 1] > j).any()
    if not (from_before or p.is_cut(presences, 0)[first] or p.annotation[j, 1]):
        error = int(onset_errors(p.edges[[first]], span[:1])[0])
        if abs(error) > tolerance:
            kind, word = ("early", "before") if error < 0 else ("late", "after")
            add(kind, span, f"begins {abs(error) / 1e6:.2f} s {word} it")
    if not (into_next or p.is_cut(presences, 1)[last] or p.annotation[j, 2]):
        error = int(offset_errors(p.edges[[last]], span[1:])[0])
        if abs(error) > tolerance:
            kind, word = ("ends_early", "before") if error < 0 else ("ends_late", "after")
            add(kind, span, f"ends {abs(error) / 1e6:.2f} s {word} it")
