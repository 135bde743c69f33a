"""What one PostgreSQL answers, Ringway before four shards answers too: files of statements, and random queries.

By hand, for more of them: tests/e2e/differential/run.py.
"""

import os
import random

import pytest

from conftest import Factory
from differential import queries, stage

RANDOM_QUERIES = int(os.environ.get("RINGWAY_RANDOM_QUERIES", "500"))
SEED = int(os.environ.get("RINGWAY_RANDOM_SEED", random.SystemRandom().randrange(1 << 32)))
MOST_REFUSED = 0.02


@pytest.fixture(scope="module")
def mall(workspace):
    factory = Factory(workspace, lambda: None)
    made = stage.Stage(workspace, factory)
    yield made
    factory.stop_all()
    made.down()


@pytest.fixture
def comparison(mall):
    made = mall.comparison()
    yield made
    made.ours.close()
    made.theirs.close()


@pytest.mark.parametrize("path", stage.FILES, ids=lambda path: path.stem)
def test_statements(comparison, path):
    tally = comparison.file(path)
    tally.add(comparison.tables(stage.TABLES))
    print(tally, dict(tally.reasons))
    assert not tally.different, "\n".join(tally.different[:20])
    assert not tally.unexpected, "\n".join(tally.unexpected[:20])


def test_random_queries(comparison):
    print(f"seed {SEED}")
    tally = queries.run(comparison, RANDOM_QUERIES, SEED)
    print(tally, dict(tally.reasons))
    assert not tally.different, f"seed {SEED}\n" + "\n".join(tally.different[:20])
    assert tally.refused <= MOST_REFUSED * RANDOM_QUERIES, tally.reasons
