"""Score logs that go: what stays, what is kept, and what a run without its log says."""

import json

import pytest

import lab
from lab.annotation import Annotation
from lab.app.cli.doctor import check_health
from lab.app.cli.main import main
from lab.errors import LogRemovedError, SettingError, StoreError
from lab.retention.plan import preview
from lab.retention.policy import Policy, read_policy, write_policy
from lab.retention.removal import apply, last_removed
from lab.score_log.removal import LogRemoval
from lab.score_log.score_log import _read_parts
from lab.score_log.seal import log_state
from lab.score_log.writer import ScoreLogWriter
from lab.store.repair import repair, unknown_runs
from lab.store.tables import effort_rows
from tests.faults.processes import Other
from tests.retention.conftest import RULE

YEAR = Policy(logs={"older_than_days": 365})


def going(plan, kind="logs"):
    return {item.key for item in plan.kinds[kind].going}


def kept(plan, kind="logs"):
    return {why: one.count for why, one in plan.kinds[kind].kept.items()}


def test_without_a_policy_all_stays(old):
    run = old("a")
    plan = preview(run.store)
    assert plan.count == 0
    assert plan.size_bytes == 0
    assert plan.kinds["logs"].count == 1
    assert plan.kinds["logs"].size_bytes > 0
    assert apply(run.store, plan).count == 0


def test_age_counts_from_the_end_of_a_run_and_a_preview_changes_nothing(old):
    young, aged = old("young", days=100), old("aged", days=400)
    plan = preview(aged.store, YEAR)
    assert going(plan) == {aged.run_id}
    assert plan.size_bytes > 0
    assert aged.refresh().log_removed_utc is None
    assert len(aged.refresh().log.pts_us) == len(young.log.pts_us) == 50


def test_the_oldest_go_until_the_kind_is_no_larger(old):
    runs = [old(name, days=days) for name, days in (("c", 1), ("a", 30), ("b", 10))]
    total = preview(runs[0].store).kinds["logs"].size_bytes
    limit = Policy(logs={"larger_than_bytes": total - 1})
    assert going(preview(runs[0].store, limit)) == {runs[1].run_id}
    none = Policy(logs={"larger_than_bytes": 0})
    assert going(preview(runs[0].store, none)) == {run.run_id for run in runs}
    assert not going(preview(runs[0].store, Policy(logs={"larger_than_bytes": total})))


def test_only_where_nothing_was_found(old):
    seen, empty = old("seen"), old("empty", seen=False)
    only = Policy(logs={"older_than_days": 1, "only": "unsighted"})
    assert going(preview(seen.store, only)) == {empty.run_id}


def test_sightings_effort_and_facts_stay(old):
    run = old("a")
    store = run.store
    found, effort = run.find(RULE), run.effort()
    saved = store.sightings(run_id=run.run_id)
    removed = apply(store, preview(store, YEAR))
    assert removed.counts == {"logs": 1}
    assert removed.total_bytes > 0
    after = run.refresh()
    assert after.log_removed_utc is not None
    assert after.state == "done"
    assert "log was removed" in repr(after)
    assert after.effort() == effort
    assert after.labels == run.labels
    assert after.end_us == run.end_us
    (before,), (now,) = saved, store.sightings(run_id=run.run_id)
    assert before["most_at_once"] is None
    assert now == {**before, "most_at_once": 1}  # counted while there were boxes
    assert len(saved) == len(found) == 1
    folder = store.log_folder(run.run_id)
    assert not list(folder.glob("*.parquet"))
    assert {f.name for f in folder.iterdir()} >= {"manifest.json", "run.json", "outcome.json"}
    assert last_removed(store)["counts"] == {"logs": 1}


def test_what_needs_scores_says_why_there_are_none(old, capsys):
    run = old("a")
    apply(run.store, preview(run.store, YEAR))
    for row in (run.refresh(), lab.open_store(run.store.folder).run(run.run_id)):
        with pytest.raises(LogRemovedError, match=rf"removed to make room .*--resume {run.run_id}"):
            row.find(RULE)
    with pytest.raises(LogRemovedError):
        run.refresh().effort("x")
    capsys.readouterr()
    assert main(["sightings", run.run_id, "--store", str(run.store.folder)]) == 1
    assert "was removed to make room" in capsys.readouterr().err
    assert "log_removed_utc" in run.refresh().summary()


def test_a_log_that_was_removed_is_no_damage(old, recwarn):
    run = old("a")
    apply(run.store, preview(run.store, YEAR))
    (row,) = effort_rows(run.store)
    assert row["state"] == "done"
    assert row["log_removed_utc"] is not None
    assert row["sightings"] == 1
    assert not log_state(run.store.log_folder(run.run_id), run.run_id).damaged
    assert not check_health(run.store)
    assert not [w for w in recwarn if "damaged" in str(w.message)]


def test_the_rule_of_all_clips_leaves_such_a_run_out_and_says_so(old):
    gone, stays = old("gone"), old("stays", days=1)
    apply(gone.store, preview(gone.store, YEAR))
    applied = lab.apply(gone.store, lab.Debounce(enter_threshold=0.7))
    assert [one.run_id for one in applied.left_out] == [gone.run_id]
    assert "removed to make room" in applied.left_out[0].reason
    assert [one.run_id for one in applied.clips] == [stays.run_id]


def test_a_preview_says_which_logs_can_be_made_again(old):
    there, gone = old("there"), old("gone")
    clip = there.store.folder.parent / "there.mp4"
    clip.touch()
    with there.store.catalog.transaction() as db:
        db.execute(
            "UPDATE media SET path = ? WHERE media_id = ?", [str(clip), there.media["media_id"]]
        )
    plan = preview(gone.store, YEAR).kinds["logs"]
    assert (len(plan.going), plan.for_good) == (2, 1)
    assert plan.to_dict()["going"]["for_good"] == 1
    assert plan.made_again.startswith("1 can be made again")
    assert "1 cannot be made again: the file" in plan.made_again


def test_what_was_reviewed_named_or_tuned_on_is_kept_and_why(old):
    runs = {
        name: old(name)
        for name in ("free", "marked", "watched", "noted", "parent", "tuned", "current", "drawn")
    }
    store = runs["free"].store
    media = {name: run.media["media_id"] for name, run in runs.items()}
    store.add_records(
        [Annotation(media_id=media["marked"], label="x", start_us=0, end_us=1_000_000)]
    )
    store.add_records(
        [lab.Coverage(media_id=media["watched"], label="x", start_us=0, end_us=1_000_000)]
    )
    parent = f"run-{runs['parent'].run_id}"
    store.add_entry(runs["noted"].run_id, RULE, title="a rule", parents=[parent])
    store.save_rule("mine", RULE, runs["tuned"].run_id)
    store.set_current_rule(runs["current"].protocol_hash, RULE, run_id=runs["current"].run_id)
    store.add_audit({"audit_id": "1", "strata": [{"drawn": [media["drawn"]]}]})
    plan = preview(store, YEAR)
    assert going(plan) == {runs["free"].run_id}
    assert kept(plan) == {"reviewed": 2, "audited": 1, "noted": 2, "tuned": 2}
    text = json.dumps(plan.to_dict())
    assert "annotated, judged or watched" in text
    assert "run-" not in text
    assert apply(store, plan).counts == {"logs": 1}


def test_runs_that_are_not_finished_or_without_a_rule_are_kept(old):
    stopped, without, failed = old("stopped"), old("without", rule=None), old("failed")
    store = stopped.store
    store.set_run_state(stopped.run_id, "cancelled")
    store.set_run_state(failed.run_id, "failed")
    assert kept(preview(store, YEAR)) == {"unfinished": 2, "unapplied": 1}
    more = Policy(logs={"older_than_days": 365, "unapplied": True})
    assert going(preview(store, more)) == {without.run_id}
    assert apply(store, preview(store, more)).counts == {"logs": 1}


def test_a_rule_that_found_nothing_was_applied_too(old):
    run = old("empty", seen=False)
    assert going(preview(run.store, YEAR)) == {run.run_id}


def test_a_run_that_lacks_the_current_rule_is_kept(old):
    run = old("a")
    run.store.set_current_rule(
        run.protocol_hash, lab.Rule.coerce(lab.Debounce(enter_threshold=0.9))
    )
    assert kept(preview(run.store, YEAR)) == {"lacking": 1}
    lab.apply(run.store, lab.Debounce(enter_threshold=0.9))
    assert going(preview(run.store, YEAR)) == {run.run_id}


def test_what_was_annotated_after_the_preview_is_kept(old):
    run, other = old("a"), old("b")
    plan = preview(run.store, YEAR)
    run.store.add_records(
        [Annotation(media_id=run.media["media_id"], label="x", start_us=0, end_us=1)]
    )
    removed = apply(run.store, plan)
    assert removed.counts == {"logs": 1}
    assert removed.kept == {"logs": {"reviewed": 1}}
    assert len(run.refresh().log.pts_us) == 50
    assert other.refresh().log_removed_utc is not None


def test_a_log_that_is_being_written_is_kept(old):
    run = old("a")
    plan = preview(run.store, YEAR)
    with ScoreLogWriter(run.store.log_folder(run.run_id), {}):
        assert apply(run.store, plan).kept == {"logs": {"running": 1}}
    assert len(run.refresh().log.pts_us) == 50


def test_prompts_that_are_being_added_keep_the_log(old):
    run = old("a")
    folder = run.store.log_folder(run.run_id)
    plan = preview(run.store, YEAR)
    with ScoreLogWriter(folder / "added" / "001", {"run_id": run.run_id, "labels": ["y"]}):
        assert apply(run.store, plan).kept == {"logs": {"running": 1}}
    assert len(run.refresh().log.pts_us) == 50
    assert run.refresh().log_removed_utc is None


def test_nobody_resumes_a_run_while_its_log_goes(old):
    run = old("a")
    folder = run.store.log_folder(run.run_id)
    with LogRemoval(folder), pytest.raises(StoreError, match="being written by another process"):
        ScoreLogWriter(folder, {"run_id": run.run_id})


def test_another_process_that_goes_on_with_a_run_keeps_its_log(old):
    run, free = old("a"), old("b")
    plan = preview(run.store, YEAR)
    run.store.catalog.give_up()
    other = Other(run.store.folder)
    try:
        other.do(
            "from lab.score_log.writer import ScoreLogWriter; "
            f"log = ScoreLogWriter(store.log_folder({run.run_id!r}), {{}})"
        )
        removed = apply(run.store, plan)
        assert removed.counts == {"logs": 1}
        assert removed.kept == {"logs": {"running": 1}}
        other.do("log.__exit__()")
    finally:
        other.kill()
        other.process.wait()
    assert len(run.refresh().log.pts_us) == 50
    assert free.refresh().log_removed_utc is not None


def test_who_reads_a_log_while_it_goes_is_told_that_it_went(old, monkeypatch):
    run = old("a")
    unread, plan, read = lab.open_store(run.store.folder).run(run.run_id), [], _read_parts

    def read_too_late(folder, manifest, **how):
        if not plan:
            plan.append(preview(run.store, YEAR))
            apply(run.store, plan[0])
        return read(folder, manifest, **how)

    monkeypatch.setattr("lab.score_log.score_log._read_parts", read_too_late)
    with pytest.raises(LogRemovedError):
        _ = unread.log


def test_the_command_shows_saves_removes_and_says_what_is_kept(old, capsys):
    run, noted = old("a"), old("b")
    store = ["--store", str(run.store.folder)]
    run.store.add_entry(noted.run_id, RULE, title="a rule")

    def told(*words):
        code = main(["retention", *words, *store])
        said = capsys.readouterr()
        return code, said.out + said.err

    assert "no policy: all stay" in told()[1]
    code, said = told("logs", "--older-than", "1y", "--larger-than", "20G", "--save")
    assert code == 0
    assert "1 score log would go" in said
    assert "1 cannot be made again: the file" in said
    assert "kept: 1 score log" in said
    assert "a notebook entry names the run" in said
    assert "--apply" in said
    assert read_policy(run.store).logs.to_dict() == {
        "older_than_days": 365,
        "larger_than_bytes": 20 << 30,
    }
    assert "removed: 1 score log" in told("--apply")[1]
    assert run.refresh().log_removed_utc is not None
    assert noted.refresh().log_removed_utc is None
    assert told("logs", "--off")[0] == 0
    assert not read_policy(run.store).is_active


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--older-than", "3"], "name the kind of files"),
        (["log", "--older-than", "3"], "no kind of files 'log'"),
        (["logs", "--older-than", "soon"], "an age is a number of days"),
        (["logs", "--larger-than", "many"], "a size is a number of bytes"),
        (["logs", "--off", "--older-than", "3"], "--off takes no conditions"),
        (["clips", "--older-than", "3", "--only", "reviewed"], "reviewed clips are kept"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path, capsys, words, said):
    assert main(["retention", *words, "--store", str(tmp_path / "s")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not (tmp_path / "s").exists()


def test_two_removals_at_once_do_not_meet(old):
    from filelock import FileLock

    run = old("a")
    with (
        FileLock(run.store.folder / "retention.lock"),
        pytest.raises(StoreError, match="another process is removing"),
    ):
        apply(run.store, preview(run.store, YEAR))


def test_a_damaged_log_is_kept_for_its_repair(old):
    run = old("a")
    (run.store.log_folder(run.run_id) / "manifest.json").write_text("{}")
    assert apply(run.store, preview(run.store, YEAR)).kept == {"logs": {"damaged": 1}}


def test_a_resumed_run_has_the_same_log_again(analysed, samples, tmp_path):
    (run,) = analysed(tmp_path / "store", (samples / "cat_then_person.mp4", {"detector": "motion"}))
    before = run.log
    policy = Policy(logs={"older_than_days": 0, "unapplied": True})
    assert apply(run.store, preview(run.store, policy)).counts == {"logs": 1}
    with pytest.raises(LogRemovedError):
        _ = run.refresh().log
    again = lab.resume(run.store, run.run_id, progress=False)
    assert again.log_removed_utc is None
    assert (again.log.confidence == before.confidence).all()
    assert (again.log.box_xyxy_px == before.box_xyxy_px).all()
    assert (again.log.pts_us == before.pts_us).all()
    assert not log_state(run.store.log_folder(run.run_id), run.run_id).damaged


def test_a_lost_catalog_finds_runs_without_a_log_again(old):
    run = old("a")
    store = run.store
    apply(store, preview(store, YEAR))
    with store.catalog.transaction() as db:
        db.execute("DELETE FROM runs")
    assert unknown_runs(store) == [run.run_id]
    repair(store)
    assert store.run(run.run_id)["log_removed_utc"] is not None


def test_a_policy_is_kept_in_the_store(old):
    run = old("a")
    policy = Policy(logs={"older_than_days": 365}, copies={"larger_than_bytes": 0})
    write_policy(run.store, policy)
    assert read_policy(run.store) == policy == Policy.from_dict(policy.to_dict())
    assert going(preview(run.store)) == {run.run_id}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"logs": {"only": "reviewed"}}, "reviewed clips are kept"),
        ({"logs": {"older": 3}}, "no setting 'older'"),
        ({"logs": {"older_than_days": -1}}, "0 or more, got -1"),
        ({"logs": {"older_than_days": float("nan")}}, "0 or more"),
        ({"logs": {"larger_than_bytes": "20"}}, "got '20'"),
        ({"log": {}}, "no kind of files 'log'"),
        ({"copies": {"unapplied": True}}, "setting of logs"),
        ({"logs": 3}, "must be a mapping"),
    ],
)
def test_a_policy_that_is_not_valid_says_so(given, said):
    with pytest.raises(SettingError, match=said):
        Policy.from_dict(given)


def test_a_policy_file_that_is_damaged_removes_nothing(old):
    run = old("a")
    (run.store.folder / "retention.json").write_text('{"logs": ')
    with pytest.raises(SettingError, match=r"retention.json is not valid JSON"):
        preview(run.store)


def test_every_table_is_asked_or_known_to_name_no_review(old):
    """A new table that names runs or clips must be considered by what is kept."""
    run = old("a")
    known = {
        *("media", "runs", "sightings", "rules", "current_rules", "applied_rules", "embeddings"),
        *(
            "annotations",
            "coverage",
            "verdicts",
            "entries",
            "audits",
            "sighting_marks",
            "saved_views",
        ),
        *("deployments", "deployment_failures", "clock_anchors", "taxa", "study", "schema_version"),
    }
    rows = run.store.catalog.rows("SELECT table_name FROM duckdb_tables()")
    assert {row["table_name"] for row in rows} == known
