"""Packages of Camtrap DP from elsewhere: deployments, and the clips that their media name."""

import json
import zipfile
from dataclasses import replace
from datetime import datetime

import pytest

import lab
from lab.deployment import Deployment, Failure
from lab.errors import LabError
from lab.store.clocks import ClipStart
from lab.store.store import Store
from tests.builders import make_box_run, make_media

DEPLOYMENTS = """\
deploymentID,locationName,latitude,longitude,deploymentStart,deploymentEnd,deploymentTags
d1,creek,52.5,13.4,2026-05-01T12:00:00+02:00,2026-05-31T12:00:00+02:00,zone:Europe/Berlin | wet
d2,ridge,52.6,13.5,2026-05-01T12:00:00+02:00,2026-06-01T12:00:00+02:00,
"""
MEDIA = """\
mediaID,deploymentID,timestamp,filePath,filePublic,fileName,fileMediatype
m1,d1,2026-05-02T12:00:00+02:00,creek/IMG_0001.MP4,false,IMG_0001.MP4,video/mp4
m2,d2,2026-05-03T12:00:00+02:00,ridge/IMG_0001.MP4,false,IMG_0001.MP4,video/mp4
m3,d2,2027-05-03T12:00:00+02:00,ridge/IMG_0002.MP4,false,IMG_0002.MP4,video/mp4
m4,d9,2026-05-03T12:00:00+02:00,x/IMG_0009.MP4,false,IMG_0009.MP4,video/mp4
"""
CREEK = Deployment(
    deployment_id="c1", location_name="creek", latitude=1.5, longitude=2.5, camera_id="cam",
    start_utc=datetime(2026, 5, 1), end_utc=datetime(2026, 6, 1), zone="Europe/Berlin",
    details={"habitat": "reed", "deploymentTags": "wet", "timestampIssues": "false"},
    failures=(Failure(datetime(2026, 5, 3), datetime(2026, 5, 4), "battery"),),
)  # fmt: skip
FOX = ("fox", 0.9, (10, 20, 50, 60))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def package(tmp_path):
    """package(...) is a folder with these files; None takes one away."""

    def make(name="package", **changed):
        folder = tmp_path / name
        folder.mkdir()
        resources = [{"name": n, "path": f"{n}.csv"} for n in ("deployments", "media")]
        files = {"deployments.csv": DEPLOYMENTS, "media.csv": MEDIA,
                 "datapackage.json": json.dumps({"resources": resources})}  # fmt: skip
        for file, text in (files | {k.replace("__", "."): v for k, v in changed.items()}).items():
            if text is not None:
                (folder / file).write_text(text)
        return folder

    return make


def add(store, *paths):
    for path in paths:
        store.add_media(replace(make_media(path), path=path))


def clip(store, path):
    return store.find_media(path)


def test_a_package_brings_deployments_clips_and_their_starts(store, package, command):
    add(store, "/a/creek/IMG_0001.MP4", "/a/ridge/IMG_0001.MP4", "/b/IMG_0002.MP4", "/b/none.mp4")
    code, out, err = command("deployments", "import", package(), "--preview")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "2 deployments read: 2 new, 0 changed; nothing was saved"
    assert "/b/IMG_0002.MP4 -> d2, site ridge, outside of its period" in out
    assert "3 clips join, 0 cannot, 1 do not fit the package" in out
    assert (store.deployments(), clip(store, "/b/IMG_0002.MP4")["deployment_id"]) == ([], None)
    assert command("deployments", "import", package("again"))[0] == 0
    row = clip(store, "/a/creek/IMG_0001.MP4")
    assert (row["deployment_id"], row["site"]) == ("d1", "creek")
    assert (row["start_utc"], row["start_source"]) == (datetime(2026, 5, 2, 10), "table")
    one = store.deployment("d1")
    assert (one.zone, one.details) == ("Europe/Berlin", {"deploymentTags": "wet"})
    assert "3 were in a deployment" in command("deployments", "import", package("third"))[1]


def test_a_zip_is_read_as_its_folder_and_so_is_its_description(store, package, tmp_path):
    folder = package()
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"inside/{file.name}")
    for path in (folder, folder / "datapackage.json", tmp_path / "p.zip"):
        found = lab.read_camtrap_dp(path)
        assert [one.deployment_id for one in found.deployments] == ["d1", "d2"]
        assert len(found.media) == 4
    raw = (tmp_path / "p.zip").read_bytes()
    assert lab.read_camtrap_dp("upload.zip", raw=raw).deployments == found.deployments


def test_what_cannot_be_joined_is_named_with_the_reason(store, package):
    add(store, "/x/IMG_0001.MP4", "/x/IMG_0009.MP4", "/1/IMG_0002.MP4", "/2/IMG_0002.MP4")
    found = lab.join_camtrap_dp(store, lab.read_camtrap_dp(package()), preview=True).joined
    why = {one.clip: one.reason for one in found.not_joined}
    assert (
        "2 media of the package are called 'IMG_0001.MP4' (line 2, line 3)"
        in (why["/x/IMG_0001.MP4"])
    )
    assert "no deployment is called 'd9'" in why["/x/IMG_0009.MP4"]
    assert "2 clips here are called like 'ridge/IMG_0002.MP4'" in why["/1/IMG_0002.MP4"]
    assert found.joins == ()


def test_a_start_that_is_known_stays(store, package):
    add(store, "/a/creek/IMG_0001.MP4")
    at = datetime(2026, 5, 5)
    store.set_starts(
        {clip(store, "IMG_0001.MP4")["media_id"]: ClipStart(source="metadata", utc=at, offset_s=0)}
    )
    found = lab.read_camtrap_dp(package())
    store.put_deployments(found.deployments)
    assert lab.join_camtrap_dp(store, found).starts == 0
    assert clip(store, "IMG_0001.MP4")["start_utc"] == at


def test_what_is_exported_is_read_back(store, tmp_path):
    store.put_deployments([CREEK])
    add(store, "/study/creek/a.mp4")
    media_id = clip(store, "a.mp4")["media_id"]
    store.set_starts({media_id: ClipStart(source="name", camera_local=datetime(2026, 5, 2))})
    store.join_clips({media_id: "c1"})
    done = lab.export_camtrap_dp(
        store, tmp_path / "out.zip", title="t", contributors=["a"], sampling_design="targeted"
    )
    found = lab.read_camtrap_dp(done.path)
    assert found.deployments == (CREEK,)
    other = Store(tmp_path / "other")
    other.add_media(replace(make_media("/study/creek/a.mp4"), path="/elsewhere/a.mp4"))
    other.put_deployments(found.deployments)
    assert lab.join_camtrap_dp(other, found).starts == 1
    assert other.all_media()[0]["start_utc"] == datetime(2026, 5, 1, 22)


@pytest.fixture
def judged(store):
    """Four sightings at the creek: true, false, unsure, and a car that was taken for a fox."""
    found = [[FOX] if at % 2 else [] for at in range(9)]
    run = make_box_run(store.folder.parent, found, ["fox"], every_s=2.0)
    run.save_sightings(lab.Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1))
    store.put_deployments([CREEK])
    media_id = run.media["media_id"]
    store.set_starts({media_id: ClipStart(source="name", camera_local=datetime(2026, 5, 2))})
    store.join_clips({media_id: "c1"})
    ids = [row["sighting_id"] for row in store.sightings()]
    for sighting_id, verdict, new_label in zip(
        ids, ("accepted", "rejected", "unsure", "rejected"), (None, None, None, "car")
    ):
        store.judge_sightings(verdict, annotator="Ada", new_label=new_label,
                              sighting_id=sighting_id)  # fmt: skip
    return store


def export(store, path):
    return lab.export_camtrap_dp(
        store, path, title="t", contributors=["a"], sampling_design="targeted"
    ).path


def records(store):
    """Verdicts and annotations, without what a store gives them itself."""
    annotations, _, verdicts = store.all_records()
    return [replace(one, run_id=None) for one in verdicts], [
        replace(one, annotation_id="", created_utc=CREEK.end_utc) for one in annotations
    ]


def test_verdicts_go_out_and_come_in(judged, tmp_path, command):
    path = export(judged, tmp_path / "out")
    before = records(judged)
    assert (len(before[0]), [one.label for one in before[1]]) == (4, ["fox", "car"])
    # The same sightings elsewhere, which nobody has judged.
    verdicts, annotations = judged.all_records()[2], judged.annotations()
    judged.delete_records([one.verdict_id for one in verdicts])
    judged.delete_records([one.annotation_id for one in annotations])
    without = export(judged, tmp_path / "without")
    assert not (without / "sighting-verdicts.csv").exists()
    _, out, err = command("deployments", "import", path, "--preview")
    assert "0 starts taken, 4 verdicts taken; nothing was saved" in out, err
    assert judged.verdicts() == []
    assert command("deployments", "import", path)[0] == 0
    assert records(judged) == before
    again = export(judged, tmp_path / "again")
    for table in ("observations", "sighting-verdicts"):
        assert (again / f"{table}.csv").read_text() == (path / f"{table}.csv").read_text()
    assert "0 starts taken; saved" in command("deployments", "import", path)[1]
    assert records(judged) == before


def test_a_later_verdict_here_stays_and_an_earlier_one_goes(judged, tmp_path):
    first, second = (row["sighting_id"] for row in judged.sightings()[:2])
    early = export(judged, tmp_path / "early")
    judged.judge_sightings("rejected", annotator="Ada", sighting_id=first)
    judged.judge_sightings("accepted", annotator="Bob", sighting_id=second)
    late, before = export(judged, tmp_path / "late"), records(judged)
    assert lab.join_camtrap_dp(judged, lab.read_camtrap_dp(early)).verdicts == 0
    assert records(judged) == before
    judged.judge_sightings("accepted", annotator="Ada", sighting_id=first)
    stale = next(one for one in judged.verdicts() if one.annotator == "Ada")
    judged.add_records([replace(stale, created_utc=datetime(2020, 1, 1))])
    found = lab.join_camtrap_dp(judged, lab.read_camtrap_dp(late))
    assert (found.verdicts, found.verdicts_left_out) == (1, 0)
    assert records(judged) == before
    other = Store(tmp_path / "other")
    other.put_deployments([CREEK])
    found = lab.join_camtrap_dp(other, lab.read_camtrap_dp(late))
    assert (found.verdicts, found.verdicts_left_out) == (0, 5)
    assert found.words() == ["0 starts taken", "0 verdicts taken",
                             "5 verdicts of clips that are not here"]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (",accepted,", ",true,", "line 2: no verdict 'true'; known: accepted, rejected, unsure"),
        (",Ada,", ",,", "line 2: judgedBy is empty; each verdict needs mediaID, label"),
        (",2.0,2.0,", ",two,2.0,", "line 2: start_s must be seconds of the clip, got 'two'"),
        (",2.0,2.0,", ",2.0,1.0,", "line 2: end_s 1.0 lies before start_s 2.0; swap them"),
    ],
)
def test_a_wrong_verdict_is_one_line_and_brings_nothing(judged, tmp_path, command, old, new, says):
    path = export(judged, tmp_path / "out")
    file = path / "sighting-verdicts.csv"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    before = records(judged)
    code, out, err = command("deployments", "import", path)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert records(judged) == before


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"datapackage__json": None}, "datapackage.json cannot be read: No such file"),
        ({"datapackage__json": "{"}, "datapackage.json is not JSON"),
        ({"datapackage__json": "[]"}, "is no description of a data package"),
        ({"datapackage__json": "{}"}, "names no table of deployments; is it Camtrap DP?"),
        (
            {"datapackage__json": '{"resources": [{"name": "deployments", "path": "../d.csv"}]}'},
            "the table deployments lies outside of it, at '../d.csv'",
        ),
        (
            {"datapackage__json": '{"resources": [{"name": "deployments", "path": "https://x/d"}]}'},
            "is not in the package, but at 'https://x/d'; download it",
        ),
        ({"deployments__csv": None}, "deployments.csv cannot be read: No such file"),
        ({"deployments__csv": DEPLOYMENTS.replace("52.5", "152.5")}, "line 2: latitude must be"),
    ],
)  # fmt: skip
def test_a_package_that_is_wrong_is_one_line_and_brings_nothing(
    store, package, command, changed, says
):
    code, out, err = command("deployments", "import", package(**changed))
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert store.deployments() == []


def test_a_file_that_is_no_zip_says_so(tmp_path):
    (tmp_path / "p.zip").write_bytes(b"no zip")
    with pytest.raises(LabError, match=r"p.zip cannot be read: it is no zip, or damaged"):
        lab.read_camtrap_dp(tmp_path / "p.zip")
    with zipfile.ZipFile(tmp_path / "cut.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("datapackage.json", '{"resources": []}' * 100)
    raw = bytearray((tmp_path / "cut.zip").read_bytes())
    raw[50:60] = bytes(10)
    with pytest.raises(LabError, match=r"cannot be read: it is not there, or damaged|is not JSON"):
        lab.read_camtrap_dp("cut.zip", raw=bytes(raw))
    with pytest.raises(LabError, match=r"q.zip cannot be read: No such file"):
        lab.read_camtrap_dp(tmp_path / "q.zip")


def test_a_table_in_another_encoding_or_with_other_separators_says_so(tmp_path):
    table = tmp_path / "deployments.csv"
    text = DEPLOYMENTS.replace("creek", "Mühle")
    for encoding in ("utf-16", "utf-8-sig"):
        table.write_text(text.replace(",", ";"), encoding=encoding)
        assert lab.read_deployments(table).deployments[0].site == "Mühle"
    table.write_text(text, encoding="cp1252")
    with pytest.raises(LabError, match=r"is not text in UTF-8 or UTF-16 .* save it as UTF-8"):
        lab.read_deployments(table)
    table.write_text(text.replace(",", "|"))
    with pytest.raises(LabError, match=r"has one column, .* separate columns by , or ; or tabs"):
        lab.read_deployments(table)


def test_five_thousand_deployments_take_a_handful_of_queries(tmp_path, store, counts):
    rows = ["deployment,site,latitude,longitude,camera,start,end,zone"]
    rows += [
        f"d{i},site {i % 1000},{1 + i % 80},{1 + i % 80},cam{i},2026-0{1 + i // 1000}-01,"
        f"2026-0{1 + i // 1000}-28,Europe/Berlin"
        for i in range(5000)
    ]
    (tmp_path / "many.csv").write_text("\n".join(rows))
    read = lab.read_deployments(tmp_path / "many.csv")
    assert (len(read.deployments), read.warnings) == (5000, ())
    store.put_deployments(read.deployments)
    add(store, *[f"/s/site {i}/a{i}.mp4" for i in range(20)])
    store.set_starts(
        {row["media_id"]: ClipStart(source="name", camera_local=datetime(2026, 2, 5))
         for row in store.all_media()}
    )  # fmt: skip
    counts.clear()
    found = lab.join_deployments(store, "{site}/*")
    assert len(found.joins) == 20
    assert counts.queries < 20
