"""Stores with runs of different age and fate."""

from datetime import timedelta

import numpy as np
import pytest

from lab.annotation import utc_now
from lab.rules.rule import Debounce, Rule
from tests.builders import make_run, scores_of

RULE = Rule.coerce(Debounce(enter_threshold=0.5))


def age(store, run_ids, days):
    """Make runs that many days old."""
    ids = [run_ids] if isinstance(run_ids, str) else list(run_ids)
    with store.catalog.transaction() as db:
        db.execute(
            "UPDATE runs SET created_utc = ?, finished_utc = ? "
            "WHERE run_id IN (SELECT unnest(?::VARCHAR[]))",
            [*[utc_now() - timedelta(days=days)] * 2, ids],
        )


def old_run(folder, name, *, days=400, seen=True, rule=RULE):
    """A finished run of a clip of its own, that many days old, with the sightings of a rule."""
    scores = scores_of(50, [(10, 30)]) if seen else np.zeros(50, np.float32)
    run = make_run(folder, scores, name=name)
    if rule is not None:
        run.save_sightings(rule)
    age(run.store, run.run_id, days)
    return run.refresh()


@pytest.fixture
def old(tmp_path):
    """old(name, ...) adds a run to a store in the test's folder; see `old_run`."""
    return lambda name, **settings: old_run(tmp_path, name, **settings)
