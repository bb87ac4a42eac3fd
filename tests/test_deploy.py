"""What deploy/ holds: valid by the rules of those who read it, and in step with the lab."""

import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import requests
import yaml
from compose_spec import PyCompose
from websockets.sync.client import connect

from lab.app.cli.main import build_parser
from lab.app.server.application import our_routes
from lab.app.server.state import AppState
from lab.config import Config, load_config
from lab.feeds.feeds_file import read_feeds_file
from lab.feeds.metrics import metrics_text
from lab.jobs.queue.queued_job import STATES
from lab.store.store import Store
from tests.browser.server import free_port
from tests.faults.test_batch_killed import wait_until
from tests.serving import SECRET, Serving

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
KUBERNETES = [file for file in sorted((DEPLOY / "k8s").glob("*.yaml")) if "kustom" not in file.name]


def resources():
    return [one for file in KUBERNETES for one in yaml.safe_load_all(file.read_text())]


def resource(kind, part):
    (found,) = [
        one for one in resources() if one["kind"] == kind and one["metadata"]["name"].endswith(part)
    ]
    return found


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
    made = {"deploy/secrets", "deploy/media", "deploy/feeds.env", "deploy/.env"}
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
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert "--no-cache-dir" in installs[0]
    for name in re.findall(r"lock=(\w+)", DOCKERFILE):
        assert (ROOT / "locks" / f"{name}.txt").is_file()
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.M)[-1] == "10001:10001"
    assert "HEALTHCHECK" in DOCKERFILE
    assert DOCKERFILE.count("\nFROM ") == 2


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
    assert {name for name, one in services.items() if "profiles" in one} == {"feeds", "mediamtx"}
    assert parsed(services["feeds"]["command"])
    assert services["worker"]["command"] == ["worker", "--queue", "http://app:8501"]
    assert "app" in services["app"]["environment"]["LAB_ALLOWED_HOSTS"].split(",")


def test_the_feeds_that_compose_watches_are_feeds(tmp_path):
    (feed,) = read_feeds_file(DEPLOY / "feeds.yaml", store=Store(tmp_path)).feeds
    assert feed.feed_id == "gate"


# Kubernetes


@pytest.mark.parametrize("file", KUBERNETES, ids=lambda file: file.name)
def test_kubernetes_takes_each_resource(file):
    for one in yaml.safe_load_all(file.read_text()):
        for version in ("1.30", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(one, version, strict=True)
        assert "namespace" not in one["metadata"]
        spoilt = {**one, "spek": {}}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(spoilt, "1.30", strict=True)


def test_pods_are_confined_and_have_no_token_of_the_cluster():
    for name in ("app", "worker"):
        pod = resource("Deployment", name)["spec"]["template"]["spec"]
        account = resource("ServiceAccount", name)
        assert account["automountServiceAccountToken"] is False
        assert pod["automountServiceAccountToken"] is False
        assert pod["serviceAccountName"] == account["metadata"]["name"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        mounts = {one["mountPath"] for one in container["volumeMounts"]}
        volumes = re.findall(r'"(/\w+)"', re.search(r"^VOLUME (.+)$", DOCKERFILE, re.M)[1])
        assert {*volumes, "/tmp"} <= mounts
        assert {one["name"] for one in container["volumeMounts"]} == {
            one["name"] for one in pod["volumes"]
        }


def test_the_app_is_one_pod_that_is_replaced_and_probed_where_it_answers(tmp_path):
    spec = resource("Deployment", "app")["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    (container,) = spec["template"]["spec"]["containers"]
    here = AppState(Config(store=tmp_path / "store"))
    paths = {route.path for route in our_routes(here)}
    here.close()
    probed = {key: one["httpGet"]["path"] for key, one in container.items() if "Probe" in key}
    assert probed == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    assert set(probed.values()) <= paths
    assert spec["template"]["metadata"]["annotations"]["prometheus.io/path"] in paths


def test_names_and_labels_of_the_resources_fit_together():
    labels = {
        name: resource("Deployment", name)["spec"]["template"]["metadata"]["labels"]
        for name in ("app", "worker")
    }
    for name, found in labels.items():
        assert resource("Deployment", name)["spec"]["selector"]["matchLabels"] == found
        assert resource("NetworkPolicy", name)["spec"]["podSelector"]["matchLabels"] == found
    service = resource("Service", "sighting-lab")
    assert service["spec"]["selector"] == labels["app"]
    (port,) = service["spec"]["ports"]
    (worker,) = resource("Deployment", "worker")["spec"]["template"]["spec"]["containers"]
    url = f"http://{service['metadata']['name']}:{port['port']}"
    assert worker["args"] == ["worker", "--queue", url]
    (app,) = resource("Deployment", "app")["spec"]["template"]["spec"]["containers"]
    environ = {one["name"]: one["value"] for one in app["env"]}
    assert service["metadata"]["name"] in load_config(ROOT, environ).allowed_hosts
    assert parsed(app["args"])
    secret = resource("Secret", "sighting-lab")
    for name in labels:
        volumes = resource("Deployment", name)["spec"]["template"]["spec"]["volumes"]
        (mounted,) = [one["secret"] for one in volumes if "secret" in one]
        assert mounted["secretName"] == secret["metadata"]["name"]
        assert {one["key"] for one in mounted["items"]} <= set(secret["stringData"])


def test_workers_are_scaled_by_a_metric_that_the_app_has():
    scaling = resource("HorizontalPodAutoscaler", "worker")["spec"]
    target = resource("Deployment", scaling["scaleTargetRef"]["name"])
    assert "replicas" not in target["spec"]  # else each `apply` would set it back
    (metric,) = scaling["metrics"]
    adapter = yaml.safe_load((DEPLOY / "prometheus" / "adapter.yaml").read_text())
    (rule,) = adapter["rules"]["external"]
    assert rule["name"]["as"] == metric["external"]["metric"]["name"]
    series = re.match(r"\w+", rule["seriesQuery"])[0]
    states = re.search(r'state=~"([\w|]+)"', rule["metricsQuery"])[1].split("|")
    lines = metrics_text({}, dict.fromkeys(states, 3)).splitlines()
    assert {f'{series}{{state="{state}"}} 3.0' for state in states} <= set(lines)
    assert set(states) < set(STATES)
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yaml").read_text())["scrape_configs"]
    assert f'job="{job["job_name"]}"' in rule["seriesQuery"]


def test_the_kustomization_names_all_but_the_example():
    text = yaml.safe_load((DEPLOY / "k8s" / "kustomization.yaml").read_text())
    assert {*text["resources"], "secret.example.yaml"} == {file.name for file in KUBERNETES}


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


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def proxy(tmp_path):
    """nginx with our example before `lab serve`; gives (address, authority, what serves)."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None or shutil.which("openssl") is None:
        pytest.skip("nginx is not installed")
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    pair = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*make, *name, *pair], check=True, capture_output=True)
    with Serving(tmp_path / "store") as serving:
        port = free_port()  # nginx takes no 0
        text = (DEPLOY / "nginx" / "sighting-lab.conf").read_text()
        for before, after in (
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("http://127.0.0.1:8501", serving.url),
            ("/etc/ssl/lab.example.org.pem", str(tmp_path / "cert.pem")),
            ("/etc/ssl/private/lab.example.org.key", str(tmp_path / "key.pem")),
            ("/var/log/nginx/sighting-lab.log", str(tmp_path / "access.log")),
        ):
            assert before in text
            text = text.replace(before, after)
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n"
            f"events {{}} http {{ client_body_temp_path {tmp_path}/body; {text} }}"
        )
        command = [nginx, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
        running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: is_open(port), running)
            yield f"https://localhost:{port}", str(tmp_path / "cert.pem"), serving, tmp_path
        finally:
            running.terminate()
            running.wait(20)


def test_through_the_proxy_origin_and_sockets_are_those_of_the_name_outside(proxy):
    url, authority, serving, folder = proxy
    session = requests.Session()
    session.verify, session.headers["Authorization"] = authority, f"Bearer {SECRET}"
    session.trust_env = False  # this authority alone
    assert session.get(url + "/livez").text == "ok"
    assert session.get(url + "/api/health", headers={"Origin": url}).status_code == 200
    for origin in (url.replace("https", "http"), serving.url, "https://evil.example"):
        answer = session.get(url + "/api/health", headers={"Origin": origin})
        assert answer.status_code == 403, origin
    context = ssl.create_default_context(cafile=authority)
    address = url.replace("https", "wss") + f"/ws/live/gate?token={SECRET}"
    with connect(address, ssl=context, origin=url, open_timeout=60) as live:
        assert live.recv(timeout=60)
    log = folder / "access.log"
    wait_until(lambda: log.exists() and "/ws/live/gate" in log.read_text())
    assert SECRET not in log.read_text()
