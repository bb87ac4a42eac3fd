"""`prompts`, `embeddings`, `gate`: what a detector is asked for, and what it is spared."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from lab.app.cli.rule_options import add_rule_options, note_unfinished, rule_of
from lab.detectors.open_vocabulary.prompts import tidy
from lab.errors import SettingError

Command = Callable[..., argparse.ArgumentParser]


def _prompts(args: argparse.Namespace) -> int:
    from lab.runs.add_prompts import add_prompts
    from lab.store.store import Store

    run = add_prompts(
        Store(args.store), args.run, args.prompts, from_s=args.from_s, progress=sys.stderr.isatty()
    )
    if args.json:
        print(
            json.dumps(
                {**run.summary(), "labels": list(run.labels), "unfinished": list(run.log.adding)},
                indent=1,
            )
        )
    else:
        print(
            f"{run.run_id}  {run.media['path']}: {', '.join(x for x in run.labels if x not in run.log.adding)}"
        )
    note_unfinished(run)
    return 0


def _embeddings(args: argparse.Namespace) -> int:
    from lab.detectors.open_vocabulary.text_features import check_encoder, read_embeddings
    from lab.store.store import Store

    store = Store(args.store)
    if args.what == "list":
        if args.names:
            raise SettingError(f"list takes no names, got {args.names[0]!r}")
        names = store.embedding_names(args.encoder)
        if not names:
            print(f"lab: note: no embeddings are kept for {args.encoder}", file=sys.stderr)
        print(json.dumps(names, ensure_ascii=False, indent=1) if args.json else "\n".join(names))
        return 0
    if args.what == "remove":
        if not args.names:
            raise SettingError("name the prompts: lab embeddings remove PROMPT")
        gone = store.remove_embeddings(args.encoder, [tidy(name) for name in args.names])
        print(
            json.dumps({"encoder": args.encoder, "removed": gone})
            if args.json
            else f"{gone} embeddings of {args.encoder} removed"
        )
        return 0 if gone else 1
    if len(args.names) != 1:
        raise SettingError("name one file: lab embeddings import FILE.npz")
    (file,) = args.names
    vectors = read_embeddings(file)
    check_encoder(args.encoder, vectors, store)
    other = store.differing_embeddings(args.encoder, vectors)
    if args.replace:
        store.remove_embeddings(args.encoder, other)
    fresh = store.save_embeddings(args.encoder, vectors, str(file))
    row: dict[str, Any] = {
        "encoder": args.encoder,
        "read": len(vectors),
        "new": fresh,
        "replaced": len(other) if args.replace else 0,
        "differ": 0 if args.replace else len(other),
    }
    known = len(vectors) - fresh
    print(
        json.dumps(row)
        if args.json
        else f"{fresh} embeddings kept for {args.encoder}, {known} were known"
    )
    if other and not args.replace:
        few = ", ".join(map(repr, other[:5])) + (
            f" and {len(other) - 5} more" if len(other) > 5 else ""
        )
        print(
            f"lab: note: {few}: known with another embedding, which stays; --replace takes those of the file",
            file=sys.stderr,
        )
    return 0


def _gate(args: argparse.Namespace) -> int:
    from lab.evaluation.gate_report import gate_report
    from lab.runs.run import Run
    from lab.store.store import Store

    run = Run(Store(args.store), args.run)
    report = gate_report(run, args.labels, rule_of(args, run), tiou=args.tiou)
    if args.json:
        print(json.dumps(report.to_dict(), indent=1))
        return 0
    print(
        f"{report.gated} of {report.samples} samples held back ({report.saved:.1%}, {report.gated_s:.1f} s of media)"
    )
    for label, row in report.labels.items():
        recall, whole = row["recall"], row["recall_without_gate"]
        text = f"{label}: {row['annotations']} annotated, {row['hidden']} never looked at"
        text += "" if recall is None else f", recall {recall:.3f}"
        print(text + ("" if whole is None else f", without the gate {whole:.3f}"))
        for why in dict.fromkeys(row["refused"].values()):
            print(f"  not given: {why}")
    return 0


def add(command: Command) -> list[argparse.ArgumentParser]:
    p = command("prompts", _prompts, "Look for more prompts in a finished run; the others stay as they are.",
                'lab prompts 20261121 "sea otter" "otter swimming" --from 12.5')  # fmt: skip
    p.add_argument("run", metavar="RUN", help="a finished run in mode independent")
    p.add_argument("prompts", nargs="+", metavar="PROMPT")
    p.add_argument("--from", type=float, dest="from_s", metavar="SECONDS", help="where to begin")
    e = command("embeddings", _embeddings, "Text embeddings that the store keeps for prompts.",
                "lab embeddings import vocabulary.npz")  # fmt: skip
    e.add_argument("what", choices=["import", "list", "remove"])
    e.add_argument(
        "names",
        nargs="*",
        metavar="FILE.npz|PROMPT",
        help="import: an .npz with names (n,) and emb (n, dimensions); remove: prompts",
    )
    e.add_argument(
        "--replace", action="store_true", help="import: take the file's where the store has others"
    )
    e.add_argument("--encoder", default="clip:ViT-B/32")
    g = command("gate", _gate, "What a gate saved, and on annotated clips what it cost in recall.",
                "lab gate 20261121 --labels truth.csv")  # fmt: skip
    g.add_argument("run", metavar="RUN", help="a run that was made with --gate")
    g.add_argument(
        "--labels", metavar="FILE", help="what is true; the annotations of the store, unless given"
    )
    g.add_argument("--tiou", type=float, default=0.5)
    add_rule_options(g)
    return [p, e, g]
