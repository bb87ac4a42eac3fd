"""A study as Camtrap DP: what is exported, and that it is what the standard says."""

import csv
import io
import json
import re
import shutil
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

import lab
from lab.annotation import Annotation
from lab.clock import Anchor
from lab.deployment import Deployment, Failure
from lab.errors import LabError
from lab.store.clocks import ClipStart
from lab.store.store import Store
from lab.store.taxa import Taxon
from tests.builders import make_box_run, make_media
from tests.study.camtrap_dp_schemas import TIME, schema

STANDARD = ("deployments", "media", "observations")
SAID = {
    "title": "Otters of the créek 2026",
    "contributors": ["Ann Lee"],
    "sampling_design": "targeted",
}
FOX = ("fox", 0.875, (10, 20, 50, 100))
CREEK = Deployment(
    deployment_id="c1", location_id="L1", location_name="creek", latitude=52.5, longitude=-13.4,
    camera_id="cam1", start_utc=datetime(2026, 10, 1, 10), end_utc=datetime(2026, 11, 1, 10),
    zone="Europe/Berlin", details={"habitat": "reed, wet", "baitUse": "fish", "cameraTilt": "-5"},
    failures=(Failure(datetime(2026, 10, 3), datetime(2026, 10, 4), "battery"),),
)  # fmt: skip
RIDGE = Deployment(
    deployment_id="r1", location_name="ridge", latitude=52.75, longitude=-13.25,
    start_utc=datetime(2026, 10, 1, 10), end_utc=datetime(2026, 11, 1, 10, 0, 0, 500_000),
    zone="+01:00",
)  # fmt: skip


def clip_at(path):
    return replace(make_media(path, 12.0), path=path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two clips of foxes at the creek, the second at the change of the clock; at the ridge one
    that is blank, one with a failed sample, and one that was never analysed.
    """
    folder = tmp_path_factory.mktemp("camtrap")
    first = [[], [FOX], [FOX, FOX], [FOX], [], []]
    for path, boxes in (
        ("/study/creek/a.mp4", first),
        ("/study/creek/..b.AVI", [*first[1:], []]),
        ("/study/ridge/c.mp4", [[]] * 6),
    ):
        run = make_box_run(folder, boxes, ["fox"], every_s=2.0, media=clip_at(path))
    store = run.store
    store.add_media(clip_at("/study/ridge/new.mp4"))
    store.put_deployments([CREEK, RIDGE])
    lab.join_deployments(store, "{site}/*")
    starts = {
        "a": datetime(2026, 10, 10, 11, 0, 0, 500_000),
        "..b": datetime(2026, 10, 25, 2, 30),
        "c": datetime(2026, 10, 5, 12),
        "new": datetime(2026, 10, 6, 12),
    }
    by_name = {m["name"].rpartition(".")[0]: m["media_id"] for m in store.all_media()}
    store.set_starts(
        {by_name[n]: ClipStart(source="name", camera_local=at) for n, at in starts.items()}
    )
    lab.apply(store, lab.Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1))
    store.put_taxa(
        [
            Taxon(label="fox", observation_type="animal", scientific_name="Vulpes vulpes",
                  english_name="red fox", taxon_rank="species", taxon_id="5BSG3"),
            Taxon(label="car", observation_type="vehicle"),
        ]
    )  # fmt: skip
    store.catalog.give_up()
    return store.folder


@pytest.fixture
def store(made, tmp_path):
    shutil.copytree(made, tmp_path / "store")
    return Store(tmp_path / "store")


def rows_of(folder, table):
    with (folder / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def value_of(text, kind):
    if kind == "boolean":
        return {"true": True, "false": False}[text]
    if kind == "datetime":
        return datetime.strptime(text, TIME)
    if kind == "object":
        return json.loads(text)
    return {"integer": int, "number": float}.get(kind, str)(text)


def check(folder):
    """Every cell is of the type, and within the limits, that the standard gives its column."""
    tables = {name: rows_of(folder, name) for name in STANDARD}
    for name, rows in tables.items():
        wanted = schema(name)
        assert (folder / f"{name}.csv").read_text().splitlines()[0] == ",".join(
            field["name"] for field in wanted["fields"]
        )
        for field in wanted["fields"]:
            texts, demands = [row[field["name"]] for row in rows], field["constraints"]
            assert all(texts) or not demands.get("required"), field["name"]
            assert len(set(texts)) == len(texts) or not demands.get("unique"), field["name"]
            for text in filter(None, texts):
                value = value_of(text, field["type"])
                assert value in demands.get("enum", [value]), (field["name"], text)
                assert re.fullmatch(demands.get("pattern", ".*"), text), (field["name"], text)
                if "minimum" in demands:
                    assert demands["minimum"] <= value <= demands.get("maximum", value)
        for key in wanted["foreignKeys"]:
            known = {row[key["fields"]] for row in tables[key["reference"]["resource"]]}
            assert {row[key["fields"]] for row in rows} - {""} <= known
    about = json.loads((folder / "datapackage.json").read_text())
    for resource in about["resources"]:
        assert (folder / resource["path"]).exists()
        assert resource["profile"] == "tabular-data-resource"
        if resource["name"] in STANDARD:
            assert "1.0.2" in resource["schema"]
    return tables, about


def test_the_package_is_what_the_standard_says(store, tmp_path):
    done = lab.export_camtrap_dp(store, tmp_path / "out", **SAID)
    tables, about = check(done.path)
    assert done.rows == {
        "deployments": 2, "media": 4, "observations": 6, "video-sightings": 2,
        "deployment-failures": 1,
    }  # fmt: skip
    creek, ridge = tables["deployments"]
    assert (creek["deploymentStart"], creek["deploymentEnd"]) == (
        "2026-10-01T12:00:00+02:00", "2026-11-01T11:00:00+01:00",
    )  # fmt: skip
    assert ridge["deploymentEnd"] == "2026-11-01T11:00:01+01:00"  # up to the second
    assert (creek["timestampIssues"], ridge["timestampIssues"]) == ("true", "false")
    assert (creek["baitUse"], creek["deploymentComments"]) == ("", "baitUse:fish")
    assert "zone:Europe/Berlin" in creek["deploymentTags"]
    assert any("baitUse 'fish' is none of the standard's" in note for note in done.notes)
    (failure,) = rows_of(done.path, "deployment-failures")
    assert (failure["failureStart"], failure["failureReason"]) == (
        "2026-10-03T02:00:00+02:00", "battery",
    )  # fmt: skip
    media = {row["fileName"]: row for row in tables["media"]}
    assert media["a.mp4"]["filePath"] == "creek/a.mp4"
    assert media["..b.AVI"]["filePath"] == "creek/%2E%2Eb.AVI"
    assert media["..b.AVI"]["fileMediatype"] == "video/x-msvideo"
    assert media["a.mp4"]["timestamp"] == "2026-10-10T11:00:00+02:00"  # down to the second
    assert media["..b.AVI"]["mediaComments"] == "timestampIssue:ambiguous"
    assert about["temporal"] == {"start": "2026-10-01", "end": "2026-11-01"}
    assert about["spatial"]["bbox"] == [-13.4, 52.5, -13.25, 52.75]
    assert about["name"] == "otters-of-the-creek-2026"
    assert about["taxonomic"] == [
        {"scientificName": "Vulpes vulpes", "taxonID": "5BSG3", "taxonRank": "species",
         "vernacularNames": {"eng": "red fox"}}
    ]  # fmt: skip
    assert about["eventDefinition"]["rule"] == "lastRecord"


def test_a_sighting_is_a_row_of_its_clip_and_an_event_one_with_its_max_n(store, tmp_path):
    folder = lab.export_camtrap_dp(store, tmp_path / "out", **SAID).path
    rows = rows_of(folder, "observations")
    events = [row for row in rows if row["observationLevel"] == "event"]
    sightings = [row for row in rows if row["mediaID"] and row["eventID"]]
    assert [(row["count"], row["observationType"]) for row in events] == [("2", "animal")] * 2
    one = next(row for row in sightings if row["deploymentID"] == "c1")
    assert {row["eventID"] for row in sightings} == {row["observationID"] for row in events}
    assert [one[n] for n in ("bboxX", "bboxY", "bboxWidth", "bboxHeight")] == [
        "0.1", "0.2", "0.4", "0.8",
    ]  # fmt: skip
    # From 2 s to 6 s of a clip that begins half a second after eleven.
    assert (one["eventStart"], one["eventEnd"]) == (
        "2026-10-10T11:00:02+02:00", "2026-10-10T11:00:07+02:00",
    )  # fmt: skip
    assert (one["count"], one["classificationProbability"]) == ("2", "0.875")
    assert (one["scientificName"], one["observationTags"]) == ("Vulpes vulpes", "label:fox")
    exact = {row["observationID"]: row for row in rows_of(folder, "video-sightings")}
    assert {row["observationID"] for row in sightings} == set(exact)
    found = exact[one["observationID"]]
    assert [found[n] for n in ("onset_s", "offset_s", "offset_latest_s", "peak_s")] == [
        "2.0", "6.0", "8.0", "2.0",
    ]  # fmt: skip
    assert {row["stayingTimeCensoringtype"] for row in exact.values()} == {"complete", "left"}


def judge(store, verdict, name, **options):
    store.judge_sightings(verdict, annotator="Ada", name=name, **options)


def observed(folder):
    """Rows of observations that are of media, by the name of the clip's file."""
    names = {row["mediaID"]: row["fileName"] for row in rows_of(folder, "media")}
    rows = [row for row in rows_of(folder, "observations") if row["mediaID"]]
    assert len({row["mediaID"] for row in rows}) == len(rows)
    return {names[row["mediaID"]]: row for row in rows}


CLASSIFIED = ("classificationMethod", "classifiedBy", "classificationProbability")


def test_what_a_human_said_of_a_sighting_is_in_its_row(store, tmp_path):
    folder = lab.export_camtrap_dp(store, tmp_path / "before", **SAID).path
    by_machine = [observed(folder)["a.mp4"][name] for name in CLASSIFIED]
    assert (by_machine[0], by_machine[2]) == ("machine", "0.875")
    judge(store, "unsure", "a.mp4")
    judge(store, "rejected", "..b.AVI", new_label="car")
    done = lab.export_camtrap_dp(store, tmp_path / "first", **SAID)
    check(done.path)
    rows = observed(done.path)
    unsure, car = rows["a.mp4"], rows["..b.AVI"]
    assert [unsure[name] for name in CLASSIFIED] == by_machine
    assert unsure["observationTags"] == "label:fox | verdict:unsure"
    assert [car[name] for name in CLASSIFIED] == ["human", "Ada", ""]
    assert (car["observationType"], car["scientificName"]) == ("vehicle", "")
    assert car["observationTags"] == "label:car | machineLabel:fox"
    assert car["classificationTimestamp"].startswith(str(datetime.now().year))
    judge(store, "accepted", "a.mp4")
    judge(store, "rejected", "..b.AVI")
    done = lab.export_camtrap_dp(store, tmp_path / "second", **SAID)
    tables, _ = check(done.path)
    rows = observed(done.path)
    assert [rows["a.mp4"][name] for name in CLASSIFIED] == ["human", "Ada", ""]
    (event,) = (row for row in tables["observations"] if row["observationLevel"] == "event")
    assert [event[name] for name in CLASSIFIED] == ["human", "Ada", ""]
    # All of it was analysed, and what was found in it is false.
    assert rows["..b.AVI"]["observationType"] == "blank"
    assert [rows["..b.AVI"][name] for name in CLASSIFIED] == ["human", "Ada", ""]
    assert "1 sighting left out, judged to be false" in done.notes
    verdicts = [row["verdict"] for row in rows_of(done.path, "sighting-verdicts")]
    assert sorted(verdicts) == ["accepted", "rejected"]


def test_a_clip_in_which_somebody_saw_something_is_not_blank(store, tmp_path):
    clip = next(one for one in store.all_media() if one["name"] == "c.mp4")
    store.add_records(
        [Annotation(media_id=clip["media_id"], label="otter", start_us=0, end_us=1_000_000)]
    )
    done = lab.export_camtrap_dp(store, tmp_path / "out", **SAID)
    assert observed(done.path)["c.mp4"]["observationType"] == "unclassified"
    assert any("somebody annotated what no sighting is of" in note for note in done.notes)


def test_a_clip_is_blank_only_where_a_rule_decided_on_all_of_it(store, tmp_path):
    folder = lab.export_camtrap_dp(store, tmp_path / "out", **SAID).path
    names = {row["mediaID"]: row["fileName"] for row in rows_of(folder, "media")}
    types = {names[row["mediaID"]]: row["observationType"]
             for row in rows_of(folder, "observations") if row["mediaID"]}  # fmt: skip
    assert (types["c.mp4"], types["new.mp4"]) == ("blank", "unclassified")
    for protocol in {run["protocol_hash"] for run in store.runs()}:
        lab.undo_apply(store, protocol)
    folder = lab.export_camtrap_dp(store, tmp_path / "again", **SAID).path
    rows = rows_of(folder, "observations")
    assert "blank" not in {row["observationType"] for row in rows}


def test_a_corrected_clock_counts_and_what_the_camera_said_is_kept(store, tmp_path):
    said, true = datetime(2026, 10, 1, 13), datetime(2026, 10, 1, 10)
    store.set_anchors(
        "c1",
        [Anchor(said, true), Anchor(said + timedelta(days=30, seconds=90),
                                    true + timedelta(days=30, hours=1))],
    )  # fmt: skip
    folder = lab.export_camtrap_dp(store, tmp_path / "out", **SAID).path
    row = next(row for row in rows_of(folder, "media") if row["fileName"] == "a.mp4")
    assert row["timestamp"] == "2026-10-10T09:59:33+02:00"
    comments = row["mediaComments"].split(" | ")
    assert comments[0] == "cameraClock:2026-10-10T11:00:00.500000"
    assert comments[1].startswith("clockCorrection:-362")


def test_what_is_left_out_is_said(store, tmp_path):
    store.delete_taxa(["fox"])
    store.add_media(clip_at("/elsewhere/x.mp4"))
    late = clip_at("/study/ridge/late.mp4")
    store.add_media(late)
    store.join_clips({late.media_id: "r1"})
    done = lab.export_camtrap_dp(store, tmp_path / "out", **SAID)
    tables, _ = check(done.path)
    assert len(tables["media"]) == 4
    said = "\n".join(done.notes)
    assert "1 clip left out, in none of the deployments; see: lab deployments join" in said
    assert "1 clip left out, whose start is not known; see: lab starts" in said
    assert "1 label without a taxon, so of unknown type: fox" in said
    assert {r["observationType"] for r in tables["observations"] if r["eventID"]} == {"unknown"}


def test_a_zip_is_the_same_and_nothing_is_written_over_unasked(store, tmp_path, command):
    words = ["export", "camtrap-dp", "--title", "Creek", "--contributor", "Ann Lee",
             "--sampling-design", "targeted", "--output", tmp_path / "out.zip"]  # fmt: skip
    code, out, err = command(*words)
    assert (code, "6 observations" in out) == (0, True), err
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert sorted(archive.namelist()) == [
            "datapackage.json", "deployment-failures.csv", "deployments.csv", "media.csv",
            "observations.csv", "video-sightings.csv",
        ]  # fmt: skip
        found = archive.read("observations.csv").decode()
    assert len(list(csv.DictReader(io.StringIO(found)))) == 6
    code, _, err = command(*words)
    assert (code, "out.zip is there; name another, or add --replace" in err) == (2, True)
    assert json.loads(command(*words, "--replace", "--json")[1])["rows"]["media"] == 4
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    with pytest.raises(LabError, match="has other files in it; name an empty folder"):
        lab.export_camtrap_dp(store, tmp_path / "mine", **SAID)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"title": " "}, "needs a title of the project"),
        ({"contributors": []}, "needs who made it"),
        ({"sampling_design": "random"}, "unknown sampling design 'random'; known: clusteredRandom"),
        ({"capture_method": "film"}, "unknown capture method 'film'; known: activityDetection"),
        ({"rule": "first"}, "unknown rule 'first'"),
    ],
)
def test_what_the_standard_needs_is_asked_for_in_one_line(store, tmp_path, change, says):
    with pytest.raises(LabError, match=says):
        lab.export_camtrap_dp(store, tmp_path / "out", **{**SAID, **change})
    assert not (tmp_path / "out").exists()


def test_deployments_without_coordinates_are_named_or_left_out(store, tmp_path, command):
    store.put_deployments([replace(RIDGE, latitude=None)])
    words = ["export", "camtrap-dp", "--title", "Creek", "--contributor", "Ann Lee",
             "--sampling-design", "targeted", "--output", tmp_path / "out"]  # fmt: skip
    code, _, err = command(*words)
    assert code == 2
    assert "1 deployment without coordinates: r1; Camtrap DP needs latitude and longitude" in err
    assert len(err.strip().splitlines()) == 1
    assert command(*words, "--without-coordinates")[0] == 0
    tables, about = check(tmp_path / "out")
    assert [row["deploymentID"] for row in tables["deployments"]] == ["c1"]
    assert about["spatial"] == {"type": "Point", "coordinates": [-13.4, 52.5]}


def test_the_command_asks_for_what_it_needs(store, tmp_path, command):
    assert "--output FOLDER" in command("export", "camtrap-dp")[2]
    code, _, err = command("export", "camtrap-dp", "--output", tmp_path / "out")
    assert (code, "needs a title of the project, such as --title" in err) == (2, True)
    words = ("export", "camtrap-dp", "--output", tmp_path / "out", "--title", "Creek")
    assert "needs who made it, such as --contributor" in command(*words)[2]
    code, _, err = command(*words, "--contributor", "Ann Lee")
    assert (code, "--sampling-design, one of simpleRandom" in err) == (2, True)


def test_what_was_said_of_the_study_is_remembered(store, tmp_path, command):
    with pytest.raises(LabError, match="needs a title"):
        lab.export_camtrap_dp(store, tmp_path / "first")
    said = {**SAID, "contributors": ["Ann Lee", "Bob"], "capture_method": "timeLapse"}
    lab.export_camtrap_dp(store, tmp_path / "first", **said)
    code, _, err = command("export", "camtrap-dp", "--output", tmp_path / "second")
    assert code == 0, err
    assert (
        command("export", "camtrap-dp", "--output", tmp_path / "third", "--title", "Creek")[0] == 0
    )

    def about(name):
        found = json.loads((tmp_path / name / "datapackage.json").read_text())
        project = found["project"]
        return [found["title"], [one["title"] for one in found["contributors"]],
                project["samplingDesign"], project["captureMethod"]]  # fmt: skip

    expected = [SAID["title"], ["Ann Lee", "Bob"], "targeted", ["timeLapse"]]
    assert about("first") == about("second") == expected
    assert about("third") == ["Creek", *expected[1:]]
    assert store.about_study().title == "Creek"


def test_frictionless_finds_nothing_wrong(store, tmp_path, peers):
    frictionless = peers("frictionless")
    judge(store, "rejected", "a.mp4", new_label="car")
    judge(store, "rejected", "..b.AVI")
    folder = lab.export_camtrap_dp(store, tmp_path / "out", **SAID).path
    about = json.loads((folder / "datapackage.json").read_text())
    for resource in about["resources"]:
        if resource["name"] in STANDARD:  # the network is not needed for the standard's own
            resource["schema"] = schema(resource["name"])
    del about["profile"]
    report = frictionless.Package(about, basepath=str(folder)).validate()
    assert report.flatten(["type", "rowNumber", "fieldName", "note"]) == []
    assert report.stats["tasks"] == 6
