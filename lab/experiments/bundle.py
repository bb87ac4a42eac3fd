"""The methods bundle: a zip with everything that a methods section and a reviewer need."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.atomic_file import write_atomically
from lab.errors import LabError, StoreError
from lab.evaluation.matching import Matching
from lab.experiments.entry import Experiment
from lab.formats.annotations.files import write_coverage, write_rows
from lab.formats.csv import to_csv
from lab.rules.describe import describe
from lab.rules.rule import Rule
from lab.runs.run import RULE_SIGHTING_COLUMNS, Run
from lab.score_log.parts import added_folders, part_files
from lab.score_log.recipe import environment
from lab.video.media import sha256

FORMAT = 1
DEFINITIONS = {
    "sighting": "one continuous presence of a label, as the rule finds it in the scores of the "
    "samples",
    "annotation": "a person's statement that a label was there from start to end",
    "coverage": "stretches that a person watched for a label, whether or not it was there",
    "tp": "sightings paired with an annotation, one to one and as many as possible, by the "
    "matching rule",
    "fp": "sightings inside covered stretches without such a pair",
    "fn": "annotations inside covered stretches without such a pair",
    "below_resolution": "annotations shorter than the sampling interval; they count as nothing",
    "covered_s": "seconds that were watched and analysed",
    "interval": "95 %: Clopper-Pearson for proportions, Garwood for rates (one-sided where "
    "nothing was false)",
}


def bundle_of(experiment: Experiment, *, split: Mapping[str, Any] | None = None) -> bytes:
    """The zip's bytes.

    split: folds and seed, where the rule was chosen by cross-validation; as the entry says, unless
        given.
    Raises LabError if the clip's file cannot be hashed because it changed.
    """
    run, rule = experiment.run, experiment.rule
    media_id = run.media["media_id"]
    annotations, coverage = (
        experiment.store.annotations(media_id),
        experiment.store.coverage(media_id),
    )
    sightings = [s.to_dict() for s in run.find(rule)]
    found = experiment.evaluation
    facts = {
        "format": FORMAT,
        "title": experiment.title,
        "notes": experiment.row["notes"],
        "conclusion": experiment.row["conclusion"],
        "run_id": run.run_id,
        "state": run.state,
        "recipe": run.recipe,
        "recipe_hash": run.recipe_hash,
        "protocol_hash": run.protocol_hash,
        "rule": rule.to_dict(),
        "rule_hash": rule.rule_hash,
        "versions": versions(run),
        "media": [media_facts(run)],
        "effort": run.effort().to_dict(),
        "matching": Matching().to_dict(),
        "split": split or (experiment.row["figures"] or {}).get("split"),
        "definitions": DEFINITIONS,
        "figures": found.to_dict() if found is not None else None,
        "audits": [a for a in experiment.store.audits() if a["rule_hash"] == rule.rule_hash],
        "weights_path": run.weights_path,
        "detector_settings": run.environment.get("detector_settings"),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("bundle.json", json.dumps(facts, indent=1, default=str))
        bundle.writestr("METHODS.md", methods(facts))
        bundle.writestr("sightings.csv", to_csv(sightings, RULE_SIGHTING_COLUMNS))
        bundle.writestr("sightings.json", json.dumps(sightings))
        bundle.writestr("annotations.csv", write_rows(annotations, coverage, [run.media], "csv"))
        bundle.writestr("coverage.csv", write_coverage(coverage, [run.media]))
        if run.damage is not None:
            raise StoreError(run.damage)
        folder = experiment.store.log_folder(run.run_id)
        for one in (folder, *added_folders(folder)):
            for file in (one / "manifest.json", *(f for pair in part_files(one) for f in pair)):
                bundle.write(file, f"log/{file.relative_to(folder)}")
    return out.getvalue()


def versions(run: Run) -> dict[str, Any]:
    """Of the lab, its packages and FFmpeg, as they were when the run was made, and are now."""
    import av

    import lab

    private = ("weights_path", "detector_settings", "imported")
    then = {k: v for k, v in run.environment.items() if k not in private}
    libraries = {name: ".".join(map(str, v)) for name, v in av.library_versions.items()}
    return {
        "lab": lab.__version__,
        "run": then,
        "now": environment(),
        "ffmpeg": {"version": av.ffmpeg_version_info, **libraries},
    }


def media_facts(run: Run) -> dict[str, Any]:
    """What identifies the clip; its full sha256 if the file can be read."""
    names = (
        "media_id",
        "name",
        "path",
        "relative_path",
        "site",
        "start_utc",
        "utc_offset_s",
        "size_bytes",
        "codec",
        "width_px",
        "height_px",
        "first_pts_us",
        "end_us",
        "frames",
    )
    facts = {n: run.media.get(n) for n in names}
    try:
        facts["sha256"] = sha256(run.media_path)
    except LabError:
        facts["sha256"] = None
    return facts


def methods(facts: Mapping[str, Any]) -> str:
    """A paragraph for a methods section, from the facts alone."""
    recipe, media, effort = facts["recipe"], facts["media"][0], facts["effort"]
    every = f"one frame every {recipe['every_s']:g} s" if recipe["every_s"] else "every frame"
    labels = recipe["labels"] or ["any label that the detector gives"]
    what = ", ".join(labels) if len(labels) <= 5 else f"{len(labels)} classes"
    text = (
        f"Video was analysed with Sighting Lab {facts['versions']['lab']}. "
        f"The detector {recipe['detector']}{_made_of(recipe)} was applied to {every} of "
        f"{media['name']} (sha256 {str(media['sha256'])[:16]}…) for {what}, "
        f"keeping detections of confidence {recipe['score_floor']:g} and more: "
        f"{effort['samples']} samples, {effort['failed']} of them failed"
        f"{_gated(recipe, effort)}, {effort['analysed_s']:.1f} s analysed. "
        f"{_rule_words(Rule.from_dict(facts['rule']))} "
        f"(protocol {facts['protocol_hash']}, rule {facts['rule_hash']})."
    )
    if facts["figures"]:
        f, m = facts["figures"]["overall"], facts["matching"]
        rule = f"temporal IoU of at least {m['tiou']:g}"
        if f["precision"] is not None and f["recall"] is not None:
            text += (
                f" Against annotations of {f['covered_s']:.0f} s of footage, matched one to one at "
                f"a {rule}, precision was {f['precision']:.3f} (95 % {_limits(f, 'precision')}), "
                f"recall {f['recall']:.3f} ({_limits(f, 'recall')}), and "
                f"{f['false_per_hour']:.2f} sightings an hour were false "
                f"({_limits(f, 'false_per_hour')})."
            )
    if facts["split"]:
        s = facts["split"]
        text += (
            f" The rule was chosen for the {s['goal']}, with figures held out by "
            f"{s['held_out_by']} ({s['groups']} groups, seed {s['seed']})."
        )
    return text + "\n"


def _rule_words(rule: Rule) -> str:
    """The whole rule, as a sentence without its full stop."""
    words = describe(rule)
    only = words.pop("labels", None)
    sentences = [f"For {label}, {text}" for label, text in words.items()]
    if only is not None:
        sentences.append(f"Sightings were looked for of {only}")
    return ". ".join(sentences)


def _made_of(recipe: Mapping[str, Any]) -> str:
    """What the detector's scores depend on, as part of a sentence."""
    known = []
    if "weights" in recipe:
        known.append(f"{recipe['weights']}, sha256 {str(recipe.get('weights_sha256'))[:16]}…")
    known += [
        f"{word} {recipe[name]}"
        for name, word in (("runtime", "runtime"), ("prompt_mode", "prompts in mode"))
        if name in recipe
    ]
    if "plugin" in recipe:
        known.append(f"plugin {recipe['plugin'].get('name')} {recipe['plugin'].get('version')}")
    return f" ({', '.join(known)})" if known else ""


def _gated(recipe: Mapping[str, Any], effort: Mapping[str, Any]) -> str:
    return (
        f" and {effort['gated']} held back by a {recipe['gate']['kind']} gate"
        if recipe.get("gate")
        else ""
    )


def _limits(row: Mapping[str, Any], name: str) -> str:
    limits = row[f"{name}_interval"]
    return "no interval" if limits is None else f"{limits[0]:.3f} to {limits[1]:.3f}"


def save_bundle(experiment: Experiment, path: str | Path) -> Path:
    """Write the bundle, whole or not at all; returns where. Raises OSError."""
    return write_atomically(path, bundle_of(experiment))
