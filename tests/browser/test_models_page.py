"""The Models page in a real Chromium."""

import http.server
import threading
from contextlib import suppress

import pytest
import yaml
from playwright.sync_api import TimeoutError as NotShown

from tests.browser.page_actions import settled, until
from tests.browser.server import Server

CONTENT = bytes(range(256)) * 16384  # 4 MiB
BLOCK_BYTES = 65_536


class Files:
    """Serves one file, slowly until `go_on` is set; `asked` are the ranges it was asked for."""

    def __init__(self):
        self.go_on, self.asked = threading.Event(), []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.answer(self)

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/own.pt"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, to):
        asked = to.headers.get("Range")
        self.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        to.send_response(206 if asked else 200)
        if asked:
            to.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        to.send_header("ETag", '"one"')
        to.send_header("Content-Length", str(len(CONTENT) - start))
        to.end_headers()
        try:
            for at in range(start, len(CONTENT), BLOCK_BYTES):
                to.wfile.write(CONTENT[at : at + BLOCK_BYTES])
                to.wfile.flush()
                self.go_on.wait(0.2)
        except OSError:
            pass  # the other side has stopped

    def stop(self):
        self.go_on.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def files():
    made = Files()
    yield made
    made.stop()


@pytest.fixture
def models_folder(tmp_path, monkeypatch):
    for name in ("YOLO_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("LAB_MODELS", str(folder))
    return folder


@pytest.fixture
def app(fork_server, models_folder, tmp_path):
    made = Server(tmp_path, [tmp_path], fork_server.start)
    yield made
    made.stop()


def show(page, app, tab):
    page.goto(f"{app.url}/models")
    page.get_by_role("tab", name=tab).click()


@pytest.mark.long
def test_a_download_is_watched_stopped_and_goes_on_where_it_stopped(
    page, app, files, models_folder
):
    (models_folder / "catalogue.toml").write_text(
        f'["own.pt"]\nurl = "{files.url}"\nlicence = "mine"\n'
    )
    show(page, app, "Known")
    page.get_by_label("Filter").fill("mine")
    page.get_by_label("Filter").press("Enter")
    button = page.locator(".st-key-get_own-pt button")
    button.dblclick()
    page.get_by_text("of 4.0 MiB").wait_for()
    assert button.is_disabled()
    assert "Downloading" in button.inner_text()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("the next download continues from there").wait_for()
    assert files.asked == [None], "two clicks are one download"
    assert not (models_folder / "own.pt").exists()
    kept = (models_folder / "own.pt.part").stat().st_size
    assert 0 < kept < len(CONTENT)

    files.go_on.set()
    button.filter(has_text="Continue from").click()
    page.get_by_text("own.pt is downloaded and verified.").wait_for()
    assert files.asked == [None, f"bytes={kept}-"]
    assert (models_folder / "own.pt").read_bytes() == CONTENT
    page.get_by_text("It is here:").wait_for()
    assert button.count() == 0


@pytest.mark.long
def test_a_model_is_opened_and_its_classes_searched(page, app, models, models_folder):
    (models_folder / "yolo26n.pt").write_bytes((models / "yolo26n.pt").read_bytes())
    show(page, app, "Here")
    page.get_by_text("1 model.").wait_for()
    click_cell(page, row=1)
    page.get_by_text("used by detector yolo").wait_for()
    page.get_by_text("9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef").wait_for()
    page.get_by_label("Search its classes").fill("bear")
    page.get_by_label("Search its classes").press("Enter")
    page.get_by_text("2 of 80 classes").wait_for()


def click_cell(page, row):
    """In the first column of text of the table; row 1 is the first below the head."""
    page.get_by_test_id("data-grid-canvas").first.wait_for()
    page.wait_for_timeout(500)  # the grid measures itself
    box = page.get_by_test_id("data-grid-canvas").first.bounding_box()
    page.mouse.click(box["x"] + 80, box["y"] + 35 * row + 17)


def write_cell(page, row, text):
    editor = page.locator("#portal textarea")

    def opens():  # the table takes no key while it is drawn again
        click_cell(page, row)
        page.keyboard.press("Enter")
        with suppress(NotShown):
            editor.wait_for(timeout=2_000)
        return editor.count()

    until(page, opens)
    editor.fill(text)
    page.keyboard.press("Enter")


@pytest.mark.long
def test_a_mistake_in_a_list_loses_nothing_and_a_list_without_one_is_kept(page, app, models_folder):
    show(page, app, "Brands")
    page.get_by_text("34 brands, as built in.").wait_for()
    write_cell(page, 2, "adidas")
    page.get_by_text("the name 'adidas' is there twice").wait_for()
    assert page.get_by_role("button", name="Save", exact=True).is_disabled()

    page.get_by_role("tab", name="Scenes").click()
    page.get_by_text("23 scenes, as built in.").wait_for()
    page.get_by_role("tab", name="Brands").click()
    page.get_by_text("the name 'adidas' is there twice").wait_for()

    write_cell(page, 2, "Otterworks")
    page.get_by_text("34 brands, not saved yet.").wait_for()
    page.get_by_label("Save as").fill("../mine")
    page.get_by_label("Save as").press("Enter")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("a list's name has 1 to 64 letters").wait_for()
    page.get_by_label("Save as").fill("mine")
    page.get_by_label("Save as").press("Enter")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("34 brands, as saved.").wait_for()
    kept = yaml.safe_load((models_folder / "brands" / "mine.yaml").read_text())
    assert [brand["name"] for brand in kept[:2]] == ["Adidas", "Otterworks"]
    assert not (models_folder / "mine.yaml").exists()


@pytest.mark.long
def test_embeddings_are_imported_and_looked_up(page, app, tmp_path):
    import numpy as np

    file = tmp_path / "words.npz"
    np.savez(
        file, names=np.array(["sea otter", "river otter", "cat"]), emb=np.eye(3, 512, dtype="f4")
    )
    show(page, app, "Text embeddings")
    page.get_by_text("No embedding is stored yet").wait_for()
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Import embeddings").click()
    page.get_by_text("3 embeddings saved, 0 were in the store already.").wait_for()
    page.get_by_label("Prompt", exact=True).fill("otter swimming")
    page.get_by_label("Prompt", exact=True).press("Enter")
    page.get_by_text("is not known").wait_for()
    page.get_by_text("Closest names: sea otter, river otter").wait_for()

    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"not an archive")
    page.locator("input[type=file]").set_input_files(broken)
    page.get_by_text("broken.npz").wait_for()
    page.get_by_role("button", name="Import embeddings").click()
    page.get_by_text("broken.npz is not an embeddings file").wait_for()


@pytest.mark.long
@pytest.mark.parametrize("width", [1440, 800])
def test_models_are_a_gear_at_the_right_end_of_the_navigation(page, app, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{app.url}/library")
    settled(page)
    gear = page.get_by_role("link", name="Models", exact=True)
    assert gear.count() == 1
    box, header = gear.bounding_box(), page.locator("header.stAppHeader").bounding_box()
    assert box["x"] + box["width"] > width - 40
    assert box["width"] < 48, "no more than the gear is shown"
    assert box["y"] + box["height"] < header["y"] + header["height"]
    pages = page.get_by_test_id("stTopNav").bounding_box()
    assert pages["x"] + pages["width"] <= box["x"]
    gear.hover()
    page.get_by_role("tooltip").get_by_text("Models").wait_for()
    gear.focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Models").wait_for()
    assert page.url.endswith("/models")
