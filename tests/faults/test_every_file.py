"""Damage to any file of a store: what is said afterwards is true, or it says what is damaged."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

import lab
from lab.annotation import Annotation, Coverage
from lab.app.cli.doctor import examine_store
from lab.app.cli.main import main
from lab.store.store import Store
from lab.tuning.rule_grid import RuleGrid
from tests.builders import make_run
from tests.quick_set import mostly_long

RULE = ["--enter-threshold", "0.5"]
SCORES = np.tile(np.repeat([0.0, 0.9], 10), 20)
# Nothing that is said of runs, sightings or annotations is read from these.
NOT_EVIDENCE = {"lock", "catalog.lock", "catalog.lock.holder", "catalog.next", "open_app_1.html"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with all kinds of files, and what is said of it."""
    place = tmp_path_factory.mktemp("made")
    run = make_run(place, SCORES)
    media_id = run.media["media_id"]
    run.store.add_records(
        [
            Annotation(media_id=media_id, label="x", start_us=2_000_000, end_us=4_000_000),
            Coverage(media_id=media_id, label="x", start_us=0, end_us=40_000_000),
        ]
    )
    run.save_sightings(lab.Debounce(enter_threshold=0.5))
    swept = lab.sweep(run, None, label="x", grid=RuleGrid(enter_threshold=[0.5]))
    run.store.sweep_file("one").parent.mkdir()
    swept.save(run.store.sweep_file("one"))
    run.store.pictures_folder(media_id).mkdir(parents=True)
    (run.store.pictures_folder(media_id) / "0.jpg").write_bytes(b"\xff\xd8 picture")
    run.store.catalog.make_copy(if_older_s=0)
    run.store.catalog.give_up()
    return run


def kinds(run):
    """One file of each kind, by its place in the store."""
    files = [f.relative_to(run.store.folder) for f in sorted(run.store.folder.rglob("*"))]
    return [str(f) for f in files if (run.store.folder / f).is_file()]


def cut(content, chance):
    return content[: len(content) // 2]


def flip(content, chance):
    at = chance.randrange(max(1, len(content)))
    return content[:at] + bytes([content[at] ^ (1 << chance.randrange(8))]) + content[at + 1 :]


def emptied(content, chance):
    return b""


def other(content, chance):
    return b"something else entirely\n" * 40


DAMAGE = {"cut": cut, "flip": flip, "emptied": emptied, "other": other, "removed": None}


def said_of(folder, run_id, capsys):
    """What the commands say: exit code, output, errors, by command."""
    out = {}
    for words in (["sightings", run_id, *RULE], ["evaluate", run_id, *RULE], ["export", "effort"]):
        code = main([*words, "--store", str(folder)])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        out[words[0]] = (code, said.out.replace(str(folder), "STORE"), said.err)
    return out


def test_the_effort_of_a_damaged_run_says_so(made, tmp_path, capsys):
    shutil.copytree(made.store.folder, tmp_path / "s")
    next((tmp_path / "s" / "logs").glob("*/samples-*.parquet")).unlink()
    assert main(["export", "effort", "--store", str(tmp_path / "s")]) == 1
    said = capsys.readouterr()
    assert ",damaged," in said.out
    assert "it is missing" in said.out
    assert made.run_id in said.err


@pytest.mark.long
@pytest.mark.parametrize("how", mostly_long(DAMAGE, "cut", "removed"))
def test_after_damage_the_truth_is_said_or_the_damage(made, how, tmp_path, capsys):
    sound = said_of(made.store.folder, made.run_id, capsys)
    made.store.catalog.give_up()
    chance = random.Random(how)
    for name in kinds(made):
        folder = tmp_path / name.replace("/", "-")
        shutil.copytree(made.store.folder, folder)
        file = folder / name
        content = file.read_bytes()
        if how == "removed":
            file.unlink()
        elif content:
            file.write_bytes(DAMAGE[how](content, chance))
        for command, (code, out, err) in said_of(folder, made.run_id, capsys).items():
            is_as_before = (code, out) == sound[command][:2]
            assert is_as_before or (code != 0 and err.strip()), (name, command, out, err)
            assert is_as_before or Path(name).name not in NOT_EVIDENCE, (name, command, err)
        examine_store(Store(folder))
        if name == "catalog.duckdb":  # the command makes each detector as well, a second each time
            code = main(["doctor", "--store", str(folder)])
            assert "Traceback" not in capsys.readouterr().err
            assert code in (0, 1)
        Store(folder).catalog.give_up()
        shutil.rmtree(folder)
