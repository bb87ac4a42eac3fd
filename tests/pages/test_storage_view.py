"""The view of storage, and what other pages say of runs whose logs were removed."""

import pytest

import lab
from lab.app.cli.main import main
from lab.retention.plan import preview
from lab.retention.policy import Policy, read_policy
from lab.retention.removal import apply
from tests.pages.test_pages import show
from tests.retention.conftest import old_run

SAVE = "Save, and show what would go"


def texts(page):
    found = (*page.markdown, *page.caption, *page.info, *page.success, *page.warning)
    return "\n".join(str(one.value) for one in found)


def field(page, label):
    return next(one for one in page.number_input if one.label == label)


def press(page, begin):
    return next(b for b in page.button if b.label.startswith(begin)).click().run()


@pytest.fixture
def runs(store):
    made = [old_run(store.parent, "a|b *c*"), old_run(store.parent, "young", days=3)]
    assert made[0].store.folder == store
    return made


def test_an_empty_store_shows_nothing_that_may_go(store):
    page = show("library", view="storage")
    assert not page.exception
    assert "0 bytes" in texts(page)
    assert not store.exists()


def test_policy_preview_and_removal(runs):
    page = show("library", view="storage")
    assert "Nothing goes by itself" in texts(page)
    assert len(page.dataframe[0].value)
    # Each field has a name of its own, which a narrow window shows.
    fields = [one for one in page.number_input if one.label.startswith("Score logs: ")]
    assert [one.proto.label_visibility.value for one in fields] == [0, 0]
    field(page, "Score logs: older than, days").set_value(365.0)
    field(page, "Browser copies: more than, GiB").set_value(0.0)
    page = press(page, SAVE)
    assert not page.exception
    assert "**1 score log, " in texts(page)
    assert "1 cannot be made again" in texts(page)
    assert runs[0].refresh().log_removed_utc is None
    policy = read_policy(runs[0].store)
    assert policy.logs.older_than_days == 365
    assert policy.copies.larger_than_bytes == 0
    page = press(page, "Remove 1 item")
    assert "This cannot be undone." in texts(page)
    page = next(b for b in reversed(page.button) if b.label.startswith("Remove ")).click().run()
    assert not page.exception
    assert "Removed 1 item" in texts(page)
    assert "The last removal" in texts(page)
    assert runs[0].refresh().log_removed_utc is not None
    assert runs[1].refresh().log_removed_utc is None


def test_what_is_kept_is_told_with_its_reason(runs):
    runs[0].store.save_rule("mine", runs[0].default_rule, runs[0].run_id)
    page = show("library", view="storage")
    field(page, "Score logs: older than, days").set_value(1.0)
    page = press(page, SAVE)
    assert "Kept: 1 score log" in texts(page)
    assert "rule was tuned on the run" in texts(page)


def test_a_damaged_policy_is_one_line(runs):
    (runs[0].store.folder / "retention.json").write_text("[")
    page = show("library", view="storage")
    assert not page.exception
    assert "not valid JSON" in page.error[0].value


@pytest.fixture
def without_log(runs):
    apply(runs[0].store, preview(runs[0].store, Policy(logs={"older_than_days": 365})))
    return runs[0]


def test_review_says_that_the_log_was_removed_and_lists_what_was_saved(without_log):
    page = show("review", run=without_log.run_id)
    assert not page.exception
    assert not page.error
    assert "was removed to make room" in texts(page)
    assert f"lab analyze --resume {without_log.run_id}" in texts(page)
    assert page.dataframe[0].value["Label"].tolist() == ["x"]
    assert without_log.run_id not in str(show("review").selectbox[0].options)


def test_review_says_so_where_no_run_has_a_log(without_log):
    store = without_log.store
    apply(store, preview(store, Policy(logs={"older_than_days": 0})))
    page = show("review")
    assert not page.exception
    assert "The score logs of all runs were removed" in texts(page)


def test_measure_counts_them_and_measures_the_others(without_log):
    page = show("measure")
    assert not page.exception
    assert "1 run of this protocol has no score log any more" in texts(page)


def test_the_notebook_lists_them_without_figures(without_log):
    page = show("notebook")
    assert not page.exception
    assert "this run has no score log" in texts(page)


def test_a_bundle_of_a_run_without_a_log_is_refused(without_log, tmp_path, capsys):
    rule = lab.Rule.coerce(lab.Debounce(enter_threshold=0.5))
    entry = without_log.store.add_entry(without_log.run_id, rule, title="kept")
    folder = str(without_log.store.folder)
    words = ["experiments", entry, "--format", "bundle", "--out", str(tmp_path / "b.zip")]
    assert main([*words, "--store", folder]) == 1
    assert "was removed to make room" in capsys.readouterr().err
