"""What other pages in the same browser can do, and what texts of others can make it fetch."""

import http.server
import threading

import pytest

import lab
from lab.app.server.token import write_opening_page
from lab.experiments.entry import Experiment, save_rule_entry
from lab.experiments.report import report_of
from tests.browser.server import TOKEN
from tests.builders import make_run, scores_of

EVIL = "![x](https://evil.example/x.png) <img src=https://evil.example/y.png>"
# A page of another port: tries all that it can, and writes down what came of it.
FOREIGN = """<!doctype html><pre></pre><script>
const app = "%s", said = {};
const tell = (what, how) => {
  said[what] = how;
  document.querySelector("pre").textContent = JSON.stringify(said);
};
const socket = new WebSocket(app.replace("http", "ws") + "/_stcore/stream");
socket.onopen = () => tell("socket", "open");
socket.onerror = () => tell("socket", "refused");
fetch(app + "/api/replay", { method: "POST", body: "{}", mode: "no-cors", credentials: "include" })
  .then(() => tell("post", "sent"), () => tell("post", "failed"));
const image = new Image();
image.onload = () => tell("image", "shown");
image.onerror = () => tell("image", "refused");
image.src = app + "/favicon.png";
const frame = document.createElement("iframe");
frame.onload = () => tell("frame", frame.contentDocument ? "open" : "closed");
frame.src = app;
document.body.append(frame);
</script>"""


class ForeignSite:
    """A server on another port of 127.0.0.1; a context manager that gives its address."""

    def __init__(self, app: str) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                content = (FOREIGN % app).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.http.server_port}"

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


def test_a_page_of_another_port_gets_nothing_though_the_browser_was_let_in(page, server):
    page.goto(server.url)
    page.get_by_role("heading", name="Sighting Lab").wait_for()
    answers = []
    page.on("response", lambda a: answers.append((a.url, a.status)))
    with ForeignSite(server.url) as foreign:
        page.goto("about:blank")
        answers.clear()
        page.goto(foreign)
        said = page.locator("pre")
        page.wait_for_function(
            "() => Object.keys(JSON.parse(document.querySelector('pre')?.textContent || '{}'))"
            ".length === 4"
        )
        assert '"socket":"refused"' in said.text_content()
        assert '"image":"refused"' in said.text_content()
        assert '"frame":"closed"' in said.text_content()
    ours = {(url, status) for url, status in answers if url.startswith(server.url)}
    assert {status for _, status in ours} == {403}, ours


@pytest.mark.long
def test_without_the_token_the_page_says_what_to_do_and_the_file_of_the_store_leads_in(
    browser, server, monkeypatch, tmp_path
):
    from lab.app.server import token

    context = browser().new_context()
    page = context.new_page()
    page.goto(server.url)
    page.get_by_text("has not been let in").wait_for()
    monkeypatch.setattr(token, "startup_token", lambda: TOKEN)
    opening = write_opening_page(tmp_path, server.url, 1)
    page.goto(opening.as_uri())
    page.get_by_role("heading", name="Sighting Lab").wait_for()
    assert page.url == f"{server.url}/"
    context.close()


@pytest.mark.long
def test_no_label_and_no_note_makes_a_page_or_the_report_fetch_anything(page, server, tmp_path):
    run = make_run(tmp_path, {EVIL: scores_of(60, [(10, 20)])}, every_s=1.0, name=f"{EVIL[:20]}")
    entry_id = save_rule_entry(run, lab.Rule(), EVIL)
    run.store.write_entry(entry_id, notes=EVIL, conclusion=EVIL, tags=[EVIL], title=EVIL)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}/review?run={run.run_id}")
    page.get_by_text("evil.example").first.wait_for()
    for address in ("measure", "notebook"):
        page.goto(f"{server.url}/{address}")
        page.get_by_text("evil.example").first.wait_for()
        page.wait_for_timeout(1000)
    report = tmp_path / "report.html"
    report.write_text(report_of(Experiment.load(run.store, entry_id)))
    page.goto(report.as_uri())
    page.locator(".main-svg").first.wait_for()
    assert not [address for address in asked if "evil.example" in address.split("?")[0]]
    kinds = {address.split("/")[2].split(":")[0] for address in asked if "://" in address}
    assert kinds <= {"127.0.0.1", ""}
