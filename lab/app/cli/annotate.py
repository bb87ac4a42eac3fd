"""`annotate`: the pictures of a run with boxes and sightings, as a video."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from lab.app.cli.rule_options import add_rule_options, rule_of
from lab.counted import counted
from lab.errors import SettingError, printable

Command = Callable[..., argparse.ArgumentParser]


def _annotate(args: argparse.Namespace) -> int:
    from lab.runs.annotated import save_annotated
    from lab.runs.run import Run
    from lab.store.store import Store

    out = Path(args.out)
    if out.suffix.lower() != ".mp4":
        raise SettingError(f"--out must be a file that ends with .mp4, got {printable(out)}")
    if out.exists() and not args.replace:
        raise SettingError(f"{printable(out)} exists; name another file, or add --replace")
    run = Run(Store(args.store), args.run)
    made = save_annotated(
        run,
        out,
        rule_of(args, run),
        from_s=args.from_s,
        until_s=args.until_s,
        progress=_progress_bar(),
    )
    if args.json:
        print(json.dumps(made.to_dict(), indent=1))
    else:
        span = f"{made.from_us / 1e6:.2f} s to {made.until_us / 1e6:.2f} s"
        print(f"{printable(made.path)}: {counted(made.frames, 'frame')}, {span}")
    return 0


def _progress_bar() -> Callable[[int, int | None], None] | None:
    """Reports frames on a terminal; None where there is none."""
    if not sys.stderr.isatty():
        return None
    from tqdm.auto import tqdm

    bar = tqdm(unit="frame", leave=False)

    def report(done: int, total: int | None) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return report


def add(command: Command) -> list[argparse.ArgumentParser]:
    a = command("annotate", _annotate, "Write the pictures of a run with boxes and sightings.",
                "lab annotate 20261121 --out boxes.mp4 --from 10 --until 20")  # fmt: skip
    a.add_argument("run", metavar="RUN", help="a run id, or the beginning of one")
    a.add_argument("--out", required=True, metavar="FILE", help="the MP4 to write")
    a.add_argument("--replace", action="store_true", help="write over a file that is there")
    a.add_argument("--from", dest="from_s", type=float, metavar="S",
                   help="media time of the first frame; default: all")  # fmt: skip
    a.add_argument("--until", dest="until_s", type=float, metavar="S",
                   help="media time of the last frame; default: all")  # fmt: skip
    add_rule_options(a)
    return [a]
