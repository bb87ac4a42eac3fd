"""`lab serve` behind nginx with TLS, by the example of deploy/nginx."""

import shutil
import socket
import ssl
import subprocess

import pytest
import requests
from websockets.sync.client import connect

from tests.browser.server import free_port
from tests.faults.test_batch_killed import wait_until
from tests.serving import SECRET, Serving
from tests.test_deploy import DEPLOY


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
            ("/var/log/nginx/sighting-lab-error.log", str(tmp_path / "of_requests.log")),
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
    serving.process.kill()
    serving.process.wait(60)
    answer = session.get(url + "/gone", params={"token": SECRET})
    assert answer.status_code == 502
    wait_until(lambda: "/gone 502" in log.read_text())
    texts = [one.read_text() for one in folder.glob("*.log")]
    assert len(texts) >= 2
    assert not any(SECRET in text for text in texts)
