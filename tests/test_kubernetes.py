"""What deploy/k8s holds: valid by Kubernetes' own schemas, and in step with image and lab."""

import re
import shutil
import subprocess
from ipaddress import ip_address, ip_network

import kubernetes_validate
import pytest
import yaml

from lab.app.cli.main import build_parser
from lab.app.server.application import our_routes
from lab.app.server.state import AppState
from lab.config import Config, load_config
from lab.feeds.metrics import metrics_text
from lab.jobs.queue.queued_job import STATES
from tests.serving import Serving
from tests.test_deploy import BLOCKS, DEPLOY, DOCKERFILE, GUIDE, ROOT, parsed

KUBERNETES = [file for file in sorted((DEPLOY / "k8s").glob("*.yaml")) if "kustom" not in file.name]


def resources():
    return [one for file in KUBERNETES for one in yaml.safe_load_all(file.read_text())]


def resource(kind, part):
    (found,) = [
        one for one in resources() if one["kind"] == kind and one["metadata"]["name"].endswith(part)
    ]
    return found


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


def test_there_is_memory_for_pictures_of_feeds():
    pod = resource("Deployment", "app")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (name,) = [m["name"] for m in container["volumeMounts"] if m["mountPath"] == "/dev/shm"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == name]
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Gi"}


def test_a_worker_keeps_no_more_clips_than_its_volume_takes():
    pod = resource("Deployment", "worker")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    worker = build_parser().parse_args(container["args"])
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    (volume,) = [one for one in pod["volumes"] if one["name"] == mounts[str(worker.clips)]]
    limit = re.fullmatch(r"(\d+)Gi", volume["emptyDir"]["sizeLimit"])[1]
    assert worker.keep_gb * 1e9 < 0.8 * int(limit) * 2**30


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
    assert build_parser().parse_args(worker["args"]).queue == url
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


def test_prometheus_asks_by_a_name_that_the_app_takes(tmp_path):
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yaml").read_text())["scrape_configs"]
    ((target,),) = [one["targets"] for one in job["static_configs"]]
    service, port = resource("Service", "sighting-lab"), target.partition(":")[2]
    namespace = re.search(r"kubectl create namespace (\S+)", GUIDE)[1]
    assert target == f"{service['metadata']['name']}.{namespace}.svc:{port}"
    assert int(port) == service["spec"]["ports"][0]["port"]
    (app,) = resource("Deployment", "app")["spec"]["template"]["spec"]["containers"]
    environ = {one["name"]: one["value"] for one in app["env"]}
    with Serving(tmp_path / "store", LAB_ALLOWED_HOSTS=environ["LAB_ALLOWED_HOSTS"]) as serving:
        assert serving.ask("/metrics", Host=target).status_code == 200
        assert serving.ask("/metrics", Host=f"10.1.2.3:{port}").status_code == 403


@pytest.fixture(scope="module")
def with_gpus(tmp_path_factory):
    """What is made of the kustomization with its component, by kind and name."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    folder = tmp_path_factory.mktemp("gpus") / "k8s"
    shutil.copytree(DEPLOY / "k8s", folder)
    file = folder / "kustomization.yaml"
    text = file.read_text().replace("# components: [cuda]", "components: [cuda]")
    file.write_text(text.replace("newTag: cpu", "newTag: cuda"))
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout)}


@pytest.mark.parametrize("part", ["app", "worker"])
def test_with_its_component_each_pod_has_a_gpu_and_uses_it(with_gpus, part):
    one = with_gpus["Deployment", f"sighting-lab-{part}"]
    kubernetes_validate.validate(one, "1.30", strict=True)
    (container,) = one["spec"]["template"]["spec"]["containers"]
    environ = {given["name"]: given["value"] for given in container["env"]}
    assert load_config(ROOT, environ).device == "cuda"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert container["image"] == "registry.example.org/sighting-lab:cuda"


def test_the_guide_asks_the_app_for_a_token_when_it_runs_and_uses_none_that_is_empty():
    (block,) = [one for one in BLOCKS if "kubectl create namespace" in one]
    lines = block.splitlines()
    (wait,) = [n for n, line in enumerate(lines) if line.startswith("kubectl rollout status")]
    (ask,) = [n for n, line in enumerate(lines) if "kubectl exec" in line]
    (keep,) = [n for n, line in enumerate(lines) if "kubectl patch secret" in line]
    assert wait < ask < keep
    assert resource("Deployment", "app")["metadata"]["name"] in lines[wait]
    assert lines[keep].startswith('test -n "$token" && ')


@pytest.mark.parametrize("part", ["app", "worker"])
def test_pods_reach_both_families_of_addresses_and_no_metadata_of_a_cloud(part):
    rules = resource("NetworkPolicy", part)["spec"]["egress"]
    blocks = [to["ipBlock"] for rule in rules for to in rule.get("to", []) if "ipBlock" in to]
    assert {one["cidr"] for one in blocks} == {"0.0.0.0/0", "::/0"}
    refused = [ip_network(one) for block in blocks for one in block["except"]]
    for address in map(ip_address, ("169.254.169.254", "fe80::a9fe:a9fe", "fd00:ec2::254")):
        assert any(address in one for one in refused), address


def test_the_kustomization_names_all_but_the_example():
    text = yaml.safe_load((DEPLOY / "k8s" / "kustomization.yaml").read_text())
    assert {*text["resources"], "secret.example.yaml"} == {file.name for file in KUBERNETES}
