"""Do what the Dockerfile says in a clean Debian root, where no container engine runs.

python3 deploy/check_image.py --root FOLDER [--variant cpu] [--keep]      (as root, on Debian)

Makes the root with debootstrap and Debian's own Python 3.11 in the place of the base image, does
ARG, ENV, WORKDIR, COPY and RUN of each stage in it, starts `lab serve` there as USER says, in a
root that cannot be written but for the volumes, and asks its probes. Prints what it does; exit
code 0 if all of it worked.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = "python3,python3-venv,ca-certificates"
PORT = 18501
_CHROOT = shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin") or "chroot"


def instructions(text: str) -> list[tuple[str, str]]:
    """(name, rest) of each, with continued lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    return [
        (name.upper(), rest.strip())
        for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


def make_base(root: Path, mirror: str, certificates: Path | None) -> None:
    """A Debian with Python, once: later ones are copies."""
    if (root / "usr/bin/python3").exists():
        return
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm"]
    subprocess.run([*command, str(root), mirror], check=True)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    if certificates is not None:  # of a network with an authority of its own
        shutil.copy(certificates, root / "etc/ssl/certs/ca-certificates.crt")


class Stage:
    """A root, and what the instructions so far have set."""

    def __init__(self, root: Path, base: Path) -> None:
        self.root, self.folder, self.user = root, "/", "0:0"
        self.environment: dict[str, str] = {}
        self.arguments: dict[str, str] = {}
        self.volumes: list[str] = []
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "-a", str(base), str(root)], check=True)
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")

    def command(self, *words: str, user: str = "0:0") -> list[str]:
        return [_CHROOT, f"--userspec={user}", str(self.root), *words]

    def seen(self) -> dict[str, str]:
        path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        return {**path, "HOME": "/root", **self.arguments, **self.environment}

    def run(self, script: str) -> None:
        text = f"cd {shlex.quote(self.folder)}\n{script}"
        subprocess.run(self.command("/bin/sh", "-ec", text), env=self.seen(), check=True)

    def copy(self, rest: str, stages: dict[str, Stage]) -> None:
        words = shlex.split(rest)
        source = REPOSITORY
        if words[0].startswith("--from="):
            source = stages[words.pop(0).partition("=")[2]].root
        *names, target = words
        place = self.root / Path(self.folder).joinpath(target).relative_to("/")
        for name in names:
            found = source / name.lstrip("/")
            is_folder_wanted = target.endswith("/") or len(names) > 1
            to = place / found.name if is_folder_wanted and found.is_file() else place
            to.parent.mkdir(parents=True, exist_ok=True)
            if found.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(found, to, symlinks=True, ignore=ignored, dirs_exist_ok=True)
            else:
                shutil.copy(found, to)

    def set(self, rest: str) -> None:
        for word in shlex.split(rest):
            name, _, value = word.partition("=")
            self.environment[name] = value


def build(folder: Path, given: dict[str, str]) -> Stage:
    """Every stage; the last one."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for name, rest in instructions((REPOSITORY / "deploy/Dockerfile").read_text()):
        print(f"--- {name} {rest[:100]}", flush=True)
        if name == "FROM":
            label = rest.partition(" AS ")[2] or "final"
            stage = stages[label] = Stage(folder / label, folder / "base")
        elif stage is None:
            continue  # an ARG of the base
        elif name == "ARG":
            key, _, value = rest.partition("=")
            stage.arguments[key] = given.get(key, value)
        elif name == "ENV":
            stage.set(rest)
        elif name == "WORKDIR":
            stage.folder = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            stage.copy(rest, stages)
        elif name == "RUN":
            stage.run(rest)
        elif name == "USER":
            stage.user = rest
        elif name == "VOLUME":
            stage.volumes = json.loads(rest)
    assert stage is not None
    return stage


def mount(stage: Stage) -> list[str]:
    """The root so that it cannot be written, but for volumes, /tmp and devices; what to unmount."""
    root, mounted = str(stage.root), []

    def done(*words: str, at: str) -> None:
        subprocess.run(["mount", *words, at], check=True)
        mounted.append(at)

    done("--bind", root, at=root)
    for volume in stage.volumes:
        kept = stage.root.parent / f"volume{volume.replace('/', '-')}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(f"{root}{volume}", kept)
        uid, _, gid = stage.user.partition(":")
        os.chown(kept, int(uid), int(gid))
        done("--bind", str(kept), at=f"{root}{volume}")
    done("-t", "tmpfs", "tmpfs", at=f"{root}/tmp")
    done("-t", "proc", "proc", at=f"{root}/proc")
    done("--bind", "/dev", at=f"{root}/dev")
    subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
    return mounted


def asked(path: str, token: str | None = None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def try_out(stage: Stage, command: list[str], health: str) -> None:
    """Start it as its user, ask it, end it. Raises AssertionError."""
    token = "a-token-of-the-check-of-the-image"
    environment = {**stage.environment, "LAB_TOKEN": token, "LAB_PORT": str(PORT)}
    entry = f"cd {stage.folder} && exec /app/deploy/entry.sh {shlex.join(command)}"
    running = subprocess.Popen(
        stage.command("/bin/sh", "-c", entry, user=stage.user), env=environment
    )
    try:
        until = time.monotonic() + 120
        while asked("/livez") != (200, "ok"):
            assert running.poll() is None, f"it ended with {running.returncode}"
            assert time.monotonic() < until, "it does not answer"
            time.sleep(0.2)
        ready = asked("/readyz")
        for path in ("/livez", "/readyz", health, "/api/health", "/metrics"):
            print(f"    {path}: {asked(path)[0]}, with the token {asked(path, token)[0]}")
        assert ready == (200, "ok"), ready
        assert asked("/api/health")[0] == 401
        assert asked("/api/health", token)[0] == 200
        checked = stage.command("python", f"{stage.folder}/deploy/healthy.py", user=stage.user)
        subprocess.run(checked, env=environment, check=True)
        owner = Path(f"/proc/{running.pid}").stat().st_uid
        assert owner == int(stage.user.partition(":")[0]), owner
    finally:
        began = time.monotonic()
        running.send_signal(signal.SIGTERM)
        code = running.wait(60)
        print(f"    ended with {code} after {time.monotonic() - began:.1f} s")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--root", type=Path, required=True, help="a folder for the roots")
    options.add_argument("--variant", choices=["cpu", "cuda"], default="cpu")
    options.add_argument("--mirror", default="http://deb.debian.org/debian")
    options.add_argument("--certificates", type=Path, help="a file of authorities to trust")
    options.add_argument("--keep", action="store_true", help="leave the roots where they are")
    given = options.parse_args()
    make_base(given.root / "base", given.mirror, given.certificates)
    stage = build(given.root, {"VARIANT": given.variant})
    size = subprocess.run(["du", "-sm", str(stage.root)], capture_output=True, text=True)
    print(f"--- the image's root has {size.stdout.split()[0]} MB", flush=True)
    assert not (stage.root / "root/.cache").exists(), "pip's cache is left"
    mounted = mount(stage)
    try:
        for command, health in (
            (["serve", "--host", "127.0.0.1", "--port", str(PORT)], "/"),
            (["app"], "/_stcore/health"),
        ):
            print(f"--- {' '.join(command)}", flush=True)
            try_out(stage, command, health)
    finally:
        for place in reversed(mounted):
            subprocess.run(["umount", place], check=True)
    if not given.keep:
        for name in ("packages", "final"):
            shutil.rmtree(given.root / name)
    print("--- all of it works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
