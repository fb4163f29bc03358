"""How many rows a chunk takes: as many as keep it short."""

import pytest
from django.db import connection

from jobs.execution.chunks import BatchSize

pytestmark = pytest.mark.django_db


AIM = 0.1 if connection.vendor == "postgresql" else 0.03
LONG = 1.0  # far above what a chunk aims at, on either database


SHORT = 0.001


def batch_of(rows: int) -> BatchSize:
    batch = BatchSize()
    batch.rows = rows
    return batch


@pytest.mark.parametrize(
    ("seconds", "filled", "fewest", "most"),
    [(LONG, 400, 200, 200), (AIM / 0.8, 400, 315, 325), (SHORT, 400, 801, 801), (SHORT, 199, 400, 400)],
    ids=["halved at most", "shrunk in proportion", "doubled at most", "hardly filled: unchanged"],
)
def test_the_next_chunk_depends_on_how_long_one_took(seconds: float, filled: int, fewest: int, most: int):
    batch = batch_of(400)

    batch.learn(seconds, filled)

    assert fewest <= batch.rows <= most


def test_a_batch_stays_between_what_is_worth_a_chunk_and_the_most_that_memory_should_hold():
    shrinking, growing = batch_of(400), batch_of(400)

    for _ in range(30):
        shrinking.learn(LONG, 1)
        growing.learn(SHORT, 1_000_000)

    assert shrinking.rows == 50
    assert growing.rows == (10_000 if connection.vendor == "postgresql" else 2_000)


def test_a_batch_that_shrank_to_one_row_grows_again():
    batch = batch_of(1)

    for _ in range(10):
        batch.learn(SHORT, batch.rows)

    assert batch.rows > 500


@pytest.mark.parametrize(("tried", "halved"), [(400, 200), (3, 1), (1, 1)])
def test_a_conflict_halves_what_was_tried(tried: int, halved: int):
    batch = batch_of(10_000)

    batch.halve(tried)

    assert batch.rows == halved
