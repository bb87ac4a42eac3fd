"""Seconds and megabytes of an installation: the core, the app, everything; by uv and by pip.

    python benchmarks/bench_install.py [--sets core,app,all] [--tools uv,pip]

Each is installed twice into a new environment: with an empty cache (cold: all is downloaded) and
with the cache that this left (warm). The app and everything are as locked, with hashes, as
`make run` installs them; the core is `pip install .` in those versions. `all` needs 20 GB of
disk for a while, and brings CUDA on Linux.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def size_mb(folder: Path) -> float:
    return (
        sum(f.lstat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink())
        / 1e6
    )


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pins(folder: Path) -> Path:
    """The app's lock without hashes: what constrains the core."""
    text = (ROOT / "locks" / "app.txt").read_text()
    path = folder / "pins.txt"
    path.write_text("\n".join(re.findall(r"^([\w.-]+==[^\\\n]+?) \\$", text, re.M)) + "\n")
    return path


def copied(folder: Path) -> Path:
    """The package's sources apart, so that no build is left among ours."""
    target = folder / "sources"
    if not target.exists():
        shutil.copytree(ROOT / "lab", target / "lab", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, target)
    return target


def install(tool: str, what: str, folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds, and seconds of CPU, to create an environment in `folder` and install into it."""
    source = ["-c", str(pins(folder.parent)), str(copied(folder.parent))]
    if what != "core":
        source = ["--require-hashes", "-r", str(ROOT / "locks" / f"{what}.txt")]
    begin, worked = time.perf_counter(), cpu_s()
    if tool == "uv":
        uv = shutil.which(
            "uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        )
        if uv is None:
            sys.exit("uv is not here: pip install uv")
        commands = [
            [uv, "venv", "-q", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "-q", "--python", str(folder / "bin" / "python"), *source],
        ]
    else:
        commands = [
            [sys.executable, "-m", "venv", str(folder)],
            [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *source],
        ]
    for command in commands:
        subprocess.run(
            command, check=True, env={**os.environ, **environment}, stderr=subprocess.DEVNULL
        )
    return time.perf_counter() - begin, cpu_s() - worked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", default="core,app")
    parser.add_argument("--tools", default="uv,pip")
    args = parser.parse_args()
    print(f"{'':<5} {'':<4} {'MB':>6} {'cold s':>8} {'CPU s':>6} {'warm s':>8} {'CPU s':>6}   load")
    for what in args.sets.split(","):
        for tool in args.tools.split(","):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                cache = str(folder / "cache")
                environment = {"UV_CACHE_DIR": cache, "PIP_CACHE_DIR": cache}
                load = os.getloadavg()[0]
                cold_s, cold_cpu_s = install(tool, what, folder / "cold", environment)
                megabytes = size_mb(folder / "cold")
                shutil.rmtree(folder / "cold")
                warm_s, warm_cpu_s = install(tool, what, folder / "warm", environment)
            print(f"{what:<5} {tool:<4} {megabytes:>6.0f} {cold_s:>8.1f} {cold_cpu_s:>6.1f} "
                  f"{warm_s:>8.1f} {warm_cpu_s:>6.1f}   {load:.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
