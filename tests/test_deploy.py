"""What deploy/ holds: valid by the rules of those who read it, and in step with the lab."""

import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose

from lab.app.cli.main import build_parser
from lab.config import load_config
from lab.feeds.feeds_file import read_feeds_file
from lab.store.store import Store

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def compose():
    """With the default of each variable."""
    text = (DEPLOY / "compose.yaml").read_text()
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def merged(text):
    """Without `<<`, which this reader does not know."""
    return yaml.safe_dump(yaml.safe_load(text))


def parsed(words):
    """Whether the command line knows them; the words `app` are of the image."""
    return words == ["app"] or build_parser().parse_args([str(word) for word in words])


# The guide

GUIDE = (ROOT / "docs" / "guide" / "deploy.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", GUIDE, re.S)


def commands(program):
    """The words of each command of the guide that a program is given."""
    lines = "\n".join(BLOCKS).splitlines()
    inner = re.findall(r"\$\((.*?)\)\"?$", "\n".join(lines), re.M)
    for line in [*lines, *inner]:
        words = shlex.split(line.split(" > ")[0].split(" && ")[-1])
        for i, word in enumerate(words):
            is_begun = i == 0 or words[i - 1] in ("--", "--no-deps", "-T")
            if (word == program and is_begun) or word.endswith("/bin/" + program):
                yield words[i + 1 :]


def test_every_command_of_lab_in_the_guide_is_one():
    found = list(commands("lab"))
    assert {words[0] for words in found} == {"serve", "token", "doctor"}
    assert all(parsed(words) for words in found)
    assert [Path(words[1]).name for words in commands("streamlit")] == ["app.py"]
    assert [words for words in commands("app") if parsed(words)]  # of `compose run app`


def test_every_file_and_variable_in_the_guide_is_there():
    made = {"deploy/secrets", "deploy/media", "deploy/feeds.env", "deploy/lab.env", "deploy/.env"}
    named = set(re.findall(r"(?<!lab )\b(?:deploy|locks)/[\w./-]*[\w]", GUIDE))
    for name in named:
        is_made = any(name == one or name.startswith(one + "/") for one in made)
        assert is_made or (ROOT / name).exists(), name
    assert {f"deploy/{one.name}" for one in DEPLOY.iterdir()} <= {
        *named, "deploy/prometheus", "deploy/nginx", "deploy/systemd", "deploy/healthy.py",
        "deploy/entry.sh", "deploy/Dockerfile.dockerignore", "deploy/compose.yaml",
        *(name for name in made if (ROOT / name).exists()),
    }  # fmt: skip
    ignored = (ROOT / ".gitignore").read_text().split()
    assert all({f"/{name}", f"/{name}/"} & set(ignored) for name in made)
    text = (DEPLOY / "compose.yaml").read_text()
    rows = dict(re.findall(r"^\| `(LAB_\w+)` \| `([^`]+)` \|", GUIDE, re.M))
    assert rows == dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))
    services = yaml.safe_load(compose())["services"]
    assert set(re.findall(r"^\| `(\w+)` \| [^|]+ \| (?:always|`--)", GUIDE, re.M)) == set(services)


def test_whoever_ends_it_waits_for_longer_than_it_takes():
    texts = [(DEPLOY / name).read_text() for name in (
        "compose.yaml", "k8s/app.yaml", "k8s/worker.yaml", "systemd/sighting-lab.service"
    )]  # fmt: skip
    key = r"(?:stop_grace_period: |GracePeriodSeconds: |TimeoutStopSec=)(\d+)"
    assert all(min(map(int, re.findall(key, text))) >= 20 for text in texts)


# The image


def test_the_dockerfile_has_no_fault_that_hadolint_finds():
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    spoilt = DOCKERFILE.replace("WORKDIR /app", "WORKDIR app")
    done = subprocess.run([hadolint, "-"], input=spoilt, capture_output=True, text=True)
    assert done.returncode == 1


def test_the_image_is_of_locked_packages_and_no_ones_root():
    installs = re.findall(r"pip install (.*?)(?:&&|\n\n)", DOCKERFILE.replace("\\\n", ""), re.S)
    assert len(installs) == 2
    assert all("--require-hashes" in one and "--no-cache-dir" in one for one in installs)
    for name in re.findall(r"lock=(\w+)", DOCKERFILE):
        assert (ROOT / "locks" / f"{name}.txt").is_file()
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.M)[-1] == "10001:10001"
    assert "HEALTHCHECK" in DOCKERFILE
    assert DOCKERFILE.count("\nFROM ") == 2


def test_nothing_is_taken_away_again_that_a_lock_has():
    text = DOCKERFILE.replace("\\\n", "")
    before, after = re.search(r"RUN python -m venv(.*?) install (.*?)\n\n", text, re.S).groups()
    for_cuda, rest = re.search(r"(if .*?fi )(.*)", after, re.S).groups()
    assert '$VARIANT" = cuda ]' in for_cuda
    removed = re.findall(r"uninstall --yes (.*)", rest)
    locks = "".join((ROOT / "locks" / f"{n}.txt").read_text() for n in ("server", "all"))
    assert removed == ["pip"]
    assert not re.search(r"^pip==", locks, re.M)
    assert "uninstall --yes --quiet setuptools" in before  # the one that venv has made


def test_what_is_copied_is_there_and_let_into_the_context_and_nothing_else():
    copied = set()
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M):
        copied |= set(line.split()[:-1])
    allowed = set(re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.M))
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)
    assert (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()[1] == "*"


def entered(*words, tmp_path, **environ):
    """What the entry starts: its words, and the token that it sees."""
    for name in ("lab", "streamlit"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@"\necho "$LAB_TOKEN"\n')
        (tmp_path / name).chmod(0o755)
    path = os.pathsep.join([str(tmp_path), "/usr/bin", "/bin"])
    command = ["sh", str(DEPLOY / "entry.sh"), *words]
    return subprocess.run(
        command, env={"PATH": path, **environ}, capture_output=True, text=True, check=False
    )


def test_the_entry_takes_a_secret_from_its_file_and_starts_app_or_command(tmp_path):
    (tmp_path / "secret").write_text("of the file\n")
    given = {"tmp_path": tmp_path, "LAB_TOKEN_FILE": str(tmp_path / "secret")}
    assert entered("watch", "a b.yaml", **given).stdout == "lab watch a b.yaml\nof the file\n"
    for words in ((), ("app",)):
        started, token = entered(*words, **given).stdout.splitlines()
        assert started.startswith("streamlit run /app/app.py --server.address 0.0.0.0")
        assert token == "of the file"
    missing = entered("serve", tmp_path=tmp_path, LAB_TOKEN_FILE=str(tmp_path / "none"))
    assert missing.returncode == 2
    assert "cannot read" in missing.stderr


def test_the_entry_of_a_worker_removes_what_a_killed_one_has_left(tmp_path):
    left = tmp_path / "lab-clips-7" / "tmp1"
    for words, is_there in (("serve", True), ("worker", False)):
        left.mkdir(parents=True, exist_ok=True)
        done = entered(words, tmp_path=tmp_path, LAB_CLIPS=str(tmp_path))
        assert (done.returncode, left.exists()) == (0, is_there)
    assert (tmp_path / "lab").exists()


# Compose


def test_the_compose_file_is_one_by_the_specification():
    made = PyCompose.from_yaml(merged(compose()))
    made.validate()
    assert set(made.service_names()) == {"app", "worker", "feeds", "mediamtx"}
    with pytest.raises(ValueError, match="ports"):
        spoilt = compose().replace("127.0.0.1:8501:8501", "nowhere:8501:x")
        PyCompose.from_yaml(merged(spoilt))


def test_each_service_of_compose_is_confined_and_checked():
    services = yaml.safe_load(compose())["services"]
    for name, one in services.items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", [])), name
        if name != "mediamtx":
            assert one["healthcheck"]["test"][:3] == ["CMD", "python", "deploy/healthy.py"]
        if name in ("app", "feeds"):  # which watch
            assert one["shm_size"] == "1g"
    assert {name for name, one in services.items() if "profiles" in one} == {"feeds", "mediamtx"}
    feeds = build_parser().parse_args(services["feeds"]["command"])
    assert feeds.take_over  # else it and the app's own would keep each other out
    worker = build_parser().parse_args(services["worker"]["command"])
    assert worker.queue == "http://app:8501"
    # On a disk, and each its own: processes of two containers have equal ids.
    assert str(worker.clips) in services["worker"]["volumes"]
    assert f" {worker.clips} " in re.search(r"install -d -o lab .*", DOCKERFILE)[0]
    assert "app" in services["app"]["environment"]["LAB_ALLOWED_HOSTS"].split(",")


def test_the_feeds_that_compose_watches_are_feeds(tmp_path, monkeypatch):
    services = yaml.safe_load(compose())["services"]
    for name in services["feeds"]["environment"]:
        monkeypatch.setenv(name, "known")
    (feed,) = read_feeds_file(DEPLOY / "feeds.yaml", store=Store(tmp_path)).feeds
    assert feed.feed_id == "gate"
    user = services["mediamtx"]["environment"]["MTX_AUTHINTERNALUSERS_0_USER"]
    assert feed.source["url"] == f"rtsp://{user}:known@mediamtx:8554/gate"


def test_who_publishes_needs_a_password_and_has_an_address_of_its_own():
    text = (DEPLOY / "compose.yaml").read_text()
    mediamtx = yaml.safe_load(text)["services"]["mediamtx"]
    assert not any("LAB_BIND" in port for port in mediamtx["ports"])
    assert len({port.partition(":-")[0] for port in mediamtx["ports"]}) == 1
    environ = yaml.safe_load(compose())["services"]["mediamtx"]["environment"]
    assert environ["MTX_AUTHINTERNALUSERS_0_USER"] not in ("", "any")
    # Unless one is given it does not start: these are the characters that it takes.
    taken = r"[a-zA-Z0-9!$()*+.;<=>\[\]^_\-{}@#&]+|(sha256|argon2):.*"
    assert not re.fullmatch(taken, environ["MTX_AUTHINTERNALUSERS_0_PASS"])
    assert re.fullmatch(taken, secrets.token_hex(16))


def test_with_cuda_each_service_of_the_lab_has_its_image_a_gpu_and_the_setting():
    services = yaml.safe_load(compose())["services"]
    beside = yaml.safe_load((DEPLOY / "compose.cuda.yaml").read_text())
    PyCompose.from_yaml(merged((DEPLOY / "compose.cuda.yaml").read_text())).validate()
    ours = {name for name, one in services.items() if one["image"] == "sighting-lab:cpu"}
    assert set(beside["services"]) == ours == {"app", "worker", "feeds"}
    for one in beside["services"].values():
        assert one["image"] == "sighting-lab:cuda"
        assert f"{one['build']['args']['VARIANT']}) lock=" in DOCKERFILE
        (device,) = one["deploy"]["resources"]["reservations"]["devices"]
        assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
        assert load_config(ROOT, one["environment"]).device == "cuda"


# A machine of one's own


def test_systemd_takes_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    text = (DEPLOY / "systemd" / "sighting-lab.service").read_text()
    started = re.search(r"^ExecStart=(\S+)", text, re.M)[1]
    # It looks for the program that is started, which is not installed here.
    (tmp_path / "sighting-lab.service").write_text(text.replace(started, "/bin/true"))
    command = ["systemd-analyze", "verify", str(tmp_path / "sighting-lab.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "sighting-lab.service" not in done.stderr, done.stderr
    assert (DEPLOY / "systemd").is_dir()
