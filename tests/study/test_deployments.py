"""Deployments from tables, the clips in them, and their effort."""

import csv
import io
import json
from datetime import datetime

import pytest

import lab
from lab.errors import LabError
from lab.store.store import Store
from tests.builders import make_media, make_run, scores_of

CAMTRAP_DP = """\
deploymentID,locationID,locationName,latitude,longitude,coordinateUncertainty,deploymentStart,\
deploymentEnd,setupBy,cameraID,habitat,baitUse
d1,L1,creek,52.5,13.4,10,2026-05-01T12:00:00+02:00,2026-05-31T12:00:00+02:00,Ann,cam1,forest,false
d2,L2,ridge,-33.9,18.4,,2026-05-01T12:00:00Z,2026-06-01T12:00:00Z,,cam2,,
"""
OWN = """\
deployment;site;latitude;longitude;camera;start;end;zone;failures
c1;creek;52,5;13,4;cam1;2026-05-01 12:00;2026-05-31;Europe/Berlin;\
2026-05-10/2026-05-11 battery|2026-05-11T12:00/2026-05-12T12:00
"""
CAMTRAPR = """\
Station,Setup_date,Retrieval_date,Problem1_from,Problem1_to
A,2026-05-01,2026-05-10,2026-05-03,2026-05-04
"""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def table(tmp_path):
    def write(text, name="deployments.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def put(store, path, **options):
    store.put_deployments(lab.read_deployments(path, **options).deployments)


def add_clips(store, *paths):
    """Clips that are nowhere, at these paths."""
    from dataclasses import replace

    for path in paths:
        store.add_media(replace(make_media(path), path=f"/study/{path}"))


def of(store, path):
    return store.find_media(f"/study/{path}")


def test_camtrap_dp_is_read_as_it_is_written(store, table, command):
    code, out, err = command("deployments", "import", table(CAMTRAP_DP))
    assert (code, err) == (0, "")
    assert out == "2 deployments read: 2 new, 0 changed; saved\n"
    one, two = store.deployments()
    assert (one.deployment_id, one.location_id, one.site) == ("d1", "L1", "creek")
    assert (one.latitude, one.longitude, one.camera_id) == (52.5, 13.4, "cam1")
    assert (one.start_utc, one.zone) == (datetime(2026, 5, 1, 10), "+02:00")
    assert one.details == {
        "coordinateUncertainty": "10", "setupBy": "Ann", "habitat": "forest", "baitUse": "false"
    }  # fmt: skip
    assert (two.zone, two.working_s) == ("UTC", 31 * 86400)
    assert command("deployments", "import", table(CAMTRAP_DP))[1].startswith(
        "2 deployments read: 0 new, 0 changed"
    )


def test_an_own_table_has_a_zone_and_failures(store, table):
    put(store, table(OWN))
    (one,) = store.deployments()
    assert (one.latitude, one.zone) == (52.5, "Europe/Berlin")
    assert one.start_utc == datetime(2026, 5, 1, 10)
    assert one.end_utc == datetime(2026, 5, 31, 22)  # a date alone is to its end
    assert [f.reason for f in one.failures] == ["battery", ""]
    # 30.5 days less the 10th, the 11th and the morning of the 12th, each once.
    assert one.working_s == (30.5 - 2.5) * 86400


def test_the_table_of_camtrapr_is_read(store, table):
    put(store, table(CAMTRAPR), zone="Asia/Kuala_Lumpur")
    (one,) = store.deployments()
    assert (one.deployment_id, one.site) == ("A_2026-05-01", "A")
    assert one.working_s == 8 * 86400


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("52.5", "95.2", "line 2: latitude must be decimal degrees between -90 and 90, got '95.2'"),
        ("18.4", "18°24'", "line 3: longitude must be decimal degrees between -180 and 180"),
        (
            "2026-05-31T12",
            "2026-04-30T12",
            "line 2: deploymentEnd 2026-04-30T12:00:00+02:00 is not",
        ),
        ("2026-05-01T12:00:00Z", "2026-05-01T12:00:00", "line 3: deploymentStart '2026-05-01T12"),
        ("2026-05-01T12:00:00Z", "01.05.2026", "line 3: deploymentStart '01.05.2026' is no date"),
        ("d2,", "d1,", "line 3: deploymentID 'd1' is that of line 2, too"),
        ("d2,", ",", "line 3: deploymentID is empty"),
        ("deploymentStart", "begin", "has no column 'deploymentStart'; got deploymentID"),
        ("setupBy", "deployment", "has 'deploymentID' in columns deploymentID, deployment; keep"),
        (",Ann,", ",Ann,too,many,", "line 2: more fields than columns"),
    ],
)
def test_a_wrong_row_is_named_in_one_line_and_nothing_is_imported(
    store, table, command, old, new, says
):
    assert old in CAMTRAP_DP
    code, out, err = command("deployments", "import", table(CAMTRAP_DP.replace(old, new, 1)))
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert store.deployments() == []


ROW = "deployment,site,latitude,longitude,camera,start,end,zone\n" + (
    "d1,creek,52.5,13.4,c1,2026-05-01 10:00,2026-05-31 10:00,Europe/Berlin\n"
)
FAILED = ROW.replace("zone", "zone,failures").replace("Berlin", "Berlin,{}").format


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + ROW,
        ROW.encode("utf-16"),
        ROW.replace(",", ";").replace("52.5", "52,5").replace("13.4", "13,4"),
        "sep=;\n" + ROW.replace(",", ";"),
        ROW.replace("\n", "\r\n"),
        ROW.replace("\n", ",,\n"),  # as spreadsheets write empty columns
        ROW.replace("start,end", "Start date,End_Date"),
        ROW.replace("2026-05-01", "2026/05/01").replace("2026-05-31", "2026:5:31"),
        ROW.replace("2026-05-01 10:00", "2026-05-01  10:00:00 +02:00"),
        ROW.replace("Europe/Berlin", "europe/berlin"),
        ROW.replace("52.5", "\u002b52.5"),
    ],
    ids=lambda text: repr(text[:40]),
)
def test_what_spreadsheets_and_cameras_write_is_read(store, text, table):
    raw = text if isinstance(text, bytes) else text.encode()
    (one,) = lab.read_deployments("d.csv", raw=raw).deployments
    assert (one.site, one.latitude, one.longitude) == ("creek", 52.5, 13.4)
    assert one.start_utc == datetime(2026, 5, 1, 8)
    assert one.end_utc == datetime(2026, 5, 31, 8)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ROW.replace("2026-05-01 10:00", "46143.41667"), "line 2: deploymentStart '46143.41667' is "
         "no date and time; spreadsheets keep days as such numbers: format the cells as dates"),
        (ROW.replace("2026-05-31 10:00", "5/31/2026 10:00 PM"), "line 2: deploymentEnd '5/31/2026 "
         "10:00 PM' is no date and time; which number is the day and which the month is in doubt"),
        (ROW.replace("2026-05-31 10:00", "2026-05-31 24:30"), "'2026-05-31 24:30' is no date and"),
        (ROW.replace("2026-05-31 10:00", ""), "line 2: deploymentEnd is empty; each row needs "
         "deploymentID, deploymentStart, deploymentEnd, of a camera that is still there the day"),
        (ROW.replace("2026-05-31 10:00", "9999-12-31"), "'9999-12-31' has the year 9999"),
        (ROW.replace("52.5,13.4", "13.4,nan"), "line 2: longitude must be decimal degrees between"),
        (ROW.replace("52.5", "52.5.0"), "line 2: latitude must be decimal degrees between"),
        (ROW.replace("Europe/Berlin", "MESZ"), "'MESZ' is no zone of time; such short names stand "
         "for several; write one like Europe/Berlin, or +01:00"),
        (ROW.replace("d1", "d\0"), "deploymentID 'd\\x00' has a line break or another control"),
        (ROW.replace("creek", "e" * 256), "line 2: locationName has more than 255 bytes; shorten"),
        (ROW + '"d2,creek\n', "not a CSV (unexpected end of data)"),
        (FAILED("2026-05-05/2026-05-02"), "a failure ends at 2026-05-02, not after its start"),
        (b"PK\x03\x04 and more", "d.csv is a spreadsheet's own file; save its table as CSV"),
        (ROW.replace("creek", "b\u00e4ch").encode("latin-1"), "is not text in UTF-8 or UTF-16"),
    ],
    ids=lambda text: repr(text[-30:]),
)  # fmt: skip
def test_what_is_in_doubt_is_refused_in_one_line(text, says):
    with pytest.raises(LabError) as error:
        lab.read_deployments("d.csv", raw=text if isinstance(text, bytes) else text.encode())
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_the_end_of_a_day_an_open_failure_and_what_r_writes(table):
    text = (
        FAILED("/2026-05-03 snow|2026-05-30/").replace("31 10:00", "31 24:00").replace("c1", "NA")
    )
    (one,) = lab.read_deployments(table(text)).deployments
    assert one.end_utc == datetime(2026, 5, 31, 22)
    assert [(f.start_utc, f.end_utc, f.reason) for f in one.failures] == [
        (datetime(2026, 5, 1, 8), datetime(2026, 5, 3, 22), "snow"),
        (datetime(2026, 5, 29, 22), datetime(2026, 5, 31, 22), ""),
    ]
    assert one.camera_id is None
    (found,) = lab.read_deployments(table(ROW.replace("creek,52.5", "NA,NA"))).deployments
    assert (found.site, found.latitude) == ("NA", None)
    (said,) = lab.read_deployments(table(FAILED("2026-04-20/2026-05-02"))).warnings
    assert "line 2: the failure from 2026-04-20T00:00:00+02:00 to 2026-05-03" in said
    assert "reaches out of the deployment; what lies in it counts" in said


def test_coordinates_that_look_swapped_or_empty_are_warnings(table):
    head, row = ROW.splitlines()
    rows = [row.replace("d1", f"d{i}").replace("c1", f"c{i}") for i in range(8)]
    rows[1] = rows[1].replace("52.5,13.4", "13.41,52.51")
    rows[2] = rows[2].replace("52.5,13.4", "0,0")
    rows[3] = rows[3].replace("52.5,13.4", "-33.9,18.4")  # far away, and not swapped
    empty, swapped = sorted(lab.read_deployments(table("\n".join([head, *rows]))).warnings)[::-1]
    assert "line 4: deployment 'd2' is at 0, 0, in the Atlantic; leave both empty" in empty
    assert "line 3: deployment 'd1' is at 13.41, 52.51, far from the others" in swapped


def test_names_in_any_script_stay_as_they_are(store, table, command):
    name = "\u05e0\u05d7\u05dc \U0001f98a"
    put(store, table(ROW.replace("creek", name)))
    add_clips(store, f"{name}/a.mp4")
    assert command("deployments", "join", "{site}/*")[0] == 0
    assert of(store, f"{name}/a.mp4")["site"] == name
    assert json.loads(command("deployments", "--json")[1])[0]["site"] == name


def test_an_unknown_zone_and_a_failure_elsewhere_are_named(table):
    with pytest.raises(LabError, match=r"line 2: 'Europe/Berln' is no zone of time; did you mean"):
        lab.read_deployments(table(OWN.replace("Berlin", "Berln")))
    with pytest.raises(LabError, match=r"line 2: a failure from 2026-07-10 to .* lies outside"):
        lab.read_deployments(table(OWN.replace("2026-05-10/2026-05-11", "2026-07-10/2026-07-11")))
    with pytest.raises(LabError, match="is no stretch; write 2026-05-01T06:00/"):
        lab.read_deployments(table(OWN.replace("2026-05-10/2026-05-11 battery", "battery")))


def test_what_can_be_kept_but_should_be_looked_at_is_a_warning(store, table, command):
    text = CAMTRAP_DP.replace(",cam2,", ",cam1,").replace("-33.9,18.4", ",")
    text = text.replace("setupBy", "weather")
    code, _, err = command("deployments", "import", table(text))
    assert (code, len(store.deployments())) == (0, 2)
    lacking, overlap, unknown = err.strip().splitlines()
    assert "line 3: deployment 'd2' has no coordinates" in lacking
    assert "line 3: camera 'cam1' is in 'd1' until 2026-05-31T12:00:00+02:00 and in" in overlap
    assert "columns left out: weather" in unknown


@pytest.mark.parametrize(
    ("start", "says"),
    [("2026-10-25 02:30", "is there twice, and the first"), ("2026-03-29 02:30", "is there never")],
)
def test_a_period_that_begins_at_a_change_of_the_clock_is_a_warning(table, start, says):
    text = "deployment,start,end,zone\nd,{},2026-12-01,Europe/Berlin\n".format
    *_, doubt = lab.read_deployments(table(text(start))).warnings
    assert f"line 2: deploymentStart {start} {says}" in doubt
    (lacking,) = lab.read_deployments(table(text(f"{start}+01:00"))).warnings
    assert "no coordinates" in lacking


def test_a_preview_saves_nothing_and_a_change_is_counted(store, table, command):
    assert "nothing was saved" in command("deployments", "import", table(OWN), "--preview")[1]
    assert store.deployments() == []
    put(store, table(OWN))
    put(store, table(CAMTRAP_DP))
    moved = OWN.replace("52,5", "53,5")
    assert "0 new, 1 changed" in command("deployments", "import", table(moved))[1]
    assert store.deployment("c1").latitude == 53.5


# --- clips join


@pytest.mark.parametrize(
    ("pattern", "path", "joins"),
    [
        ("{site}/{camera}_*", "creek/cam1_0001.mp4", "d1"),
        ("{site}/{camera}_*", "Creek/CAM1_0001.mp4", "d1"),
        ("{site}/**/*", "card 1/ridge/DCIM/100MEDIA/IMG 'é' 🦊.mp4", "d2"),
        ("{deployment}/*", "d2/a.mp4", "d2"),
        ("{deployment}-*.mp4", "x/d1-a.mp4", "d1"),
        ("{site}_{deployment}_???", "ridge_d2_001.mp4", "d2"),
        ("{site}/{camera}_*", "creek/cam2_0001.mp4", None),
        ("{site}/*", "elsewhere/a.mp4", None),
    ],
)
def test_clips_join_by_folder_and_name(store, table, pattern, path, joins):
    put(store, table(CAMTRAP_DP))
    add_clips(store, path)
    found = lab.join_deployments(store, pattern)
    row = of(store, path)
    assert row["deployment_id"] == joins
    assert row["site"] == (None if joins is None else {"d1": "creek", "d2": "ridge"}[joins])
    if joins is None:
        (other,) = found.not_joined
        assert "no deployment has" in other.reason


def test_a_preview_says_what_would_change_and_saves_nothing(store, table, command):
    put(store, table(CAMTRAP_DP))
    add_clips(store, "creek/a.mp4", "ridge/b.mp4", "moor/c.mp4", "d.mp4")
    store.edit_media(of(store, "ridge/b.mp4")["media_id"], site="old")
    before = store.all_media()
    code, out, err = command("deployments", "join", "study/{site}/*", "--preview")
    assert code == 1
    assert "/study/ridge/b.mp4 -> d2, site ridge (site was old)" in out
    assert "2 clips join, 1 cannot, 1 do not fit the pattern" in out
    assert "nothing was saved" in out
    assert err.strip() == (
        "lab: not joined: /study/moor/c.mp4: no deployment has site 'moor'; "
        "known: creek, l1, l2, ridge"
    )
    assert store.all_media() == before
    command("deployments", "join", "study/{site}/*")
    assert of(store, "ridge/b.mp4")["site"] == "ridge"
    assert "2 were in a deployment" in command("deployments", "join", "study/{site}/*")[1]


def test_a_pattern_that_fits_nothing_says_what_paths_are_like(store, table, command):
    put(store, table(CAMTRAP_DP))
    add_clips(store, "creek/a.mp4")
    code, _, err = command("deployments", "join", "{site}_*.avi", "--preview")
    assert code == 1
    assert err == (
        "lab: no path fits the pattern '{site}_*.avi'; paths are such as /study/creek/a.mp4\n"
    )


SEASONS = """\
deploymentID,site,deploymentStart,deploymentEnd,zone
spring,creek,2026-04-01,2026-05-31,Europe/Berlin
summer,creek,2026-06-01,2026-08-31,Europe/Berlin
"""


def test_of_several_deployments_at_a_site_the_period_tells(store, table):
    put(store, table(SEASONS))
    add_clips(store, "creek/20260510_120000.mp4", "creek/20260710_120000.mp4", "creek/x.mp4",
              "creek/20270101_120000.mp4")  # fmt: skip
    lab.read_starts(store, "name", "{time:%Y%m%d_%H%M%S}")
    found = lab.join_deployments(store, "{site}/*")
    assert of(store, "creek/20260510_120000.mp4")["deployment_id"] == "spring"
    assert of(store, "creek/20260710_120000.mp4")["deployment_id"] == "summer"
    assert of(store, "creek/20260710_120000.mp4")["start_utc"] == datetime(2026, 7, 10, 10)
    reasons = {one.clip.rsplit("/")[-1]: one.reason for one in found.not_joined}
    assert "may be of spring, summer: its start is not known" in reasons["x.mp4"]
    assert "in the period of none of them" in reasons["20270101_120000.mp4"]


def test_a_clip_in_two_overlapping_periods_is_named_and_stays_out(store, table):
    put(store, table(SEASONS.replace("2026-06-01", "2026-05-01")))
    add_clips(store, "creek/20260510_120000.mp4")
    lab.read_starts(store, "name", "{time:%Y%m%d_%H%M%S}")
    (one,) = lab.join_deployments(store, "{site}/*").not_joined
    assert "it begins in all of their periods" in one.reason
    store.join_clips({one.media_id: "summer"})
    assert store.deployment_facts()["summer"]["clips"] == 1


def test_a_wrong_clock_is_corrected_before_the_period_is_looked_at(store, table, command):
    put(store, table(SEASONS))
    add_clips(store, "creek/20000101_120000.mp4")  # a camera whose clock was never set
    lab.read_starts(store, "name", "{time:%Y%m%d_%H%M%S}")
    command("clock", "add", "summer", "2000-01-01T00:00:00", "2026-07-01T00:00:00+02:00")
    lab.join_deployments(store, "{site}/*")
    row = of(store, "creek/20000101_120000.mp4")
    assert row["deployment_id"] == "summer"
    assert store.deployment_facts()["summer"]["outside"] == 0


def test_one_clip_is_put_into_a_deployment_and_taken_out(store, table, command):
    put(store, table(CAMTRAP_DP))
    add_clips(store, "x/a.mp4")
    row = json.loads(command("media", "set", "a.mp4", "--deployment", "d1", "--json")[1])
    assert (row["deployment_id"], row["site"]) == ("d1", "creek")
    row = json.loads(command("media", "set", "a.mp4", "--deployment", "", "--json")[1])
    assert (row["deployment_id"], row["site"]) == (None, "creek")
    code, _, err = command("media", "set", "a.mp4", "--deployment", "d3", "--site", "x")
    assert code == 2
    assert "no deployment is called 'd3' here; known: d1, d2" in err
    assert of(store, "x/a.mp4")["site"] == "creek"


def test_a_removed_deployment_leaves_its_clips(store, table, command):
    put(store, table(CAMTRAP_DP))
    add_clips(store, "creek/a.mp4")
    lab.join_deployments(store, "{site}/*")
    assert command("deployments", "remove", "d1")[0] == 0
    row = of(store, "creek/a.mp4")
    assert (row["deployment_id"], row["site"]) == (None, "creek")
    assert [one.deployment_id for one in store.deployments()] == ["d2"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["join", "*/*"], "names nothing; it needs {deployment} or {site} or {camera}"),
        (["join", "{place}/*"], "unknown part 'place'"),
        (["join"], "use: lab deployments join PATTERN"),
        (["join", "{site}/*"], "the store has no deployments; first: lab deployments import"),
        (["remove", "d9"], "no deployment is called 'd9'"),
        (["list", "x.csv"], "use: lab deployments import FILE"),
        (["import", "no.csv"], "no.csv cannot be read: No such file"),
        (["import", "a.csv", "b.csv"], "one at a time, got 2"),
    ],
)
def test_wrong_words_are_one_line_with_the_way_out(command, words, says):
    code, out, err = command("deployments", *words)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_deployments_are_listed_with_their_clips(store, table, command):
    put(store, table(CAMTRAP_DP))
    add_clips(store, "creek/20260510_120000.mp4", "creek/20270101_120000.mp4", "creek/x.mp4")
    lab.read_starts(store, "name", "{time:%Y%m%d_%H%M%S}")
    lab.join_deployments(store, "{site}/*")
    frame = lab.deployments(store).set_index("deployment_id")
    assert frame.loc["d1", ["clips", "without_start", "outside"]].tolist() == [3, 1, 1]
    assert frame.loc["d2", "clips"] == 0
    line = command("deployments")[1].splitlines()[0]
    assert line.startswith("d1: creek (52.50000, 13.40000), camera cam1, 2026-05-01T12:00:00+02:00")
    assert "3 clips, 1 without a start, 1 outside of the period" in line
    assert lab.deployments(Store(store.folder / "none")).empty


def test_effort_by_deployment_leaves_failures_out(tmp_path, table, command, store):
    run = make_run(tmp_path, scores_of(60, [(10, 20)]), every_s=1.0)
    put(store, table(OWN))
    store.join_clips({run.media["media_id"]: "c1"})
    code, out, err = command("export", "effort", "--by", "deployment")
    (row,) = csv.DictReader(io.StringIO(out))
    assert (code, err) == (0, "")
    assert (row["days"], row["failed_days"], row["working_days"]) == ("30.5", "2.5", "28.0")
    assert (row["clips"], row["clips_analysed"], row["analysed_s"]) == ("1", "1", "60.0")
    assert command("export", "sightings", "--by", "deployment")[0] == 2
