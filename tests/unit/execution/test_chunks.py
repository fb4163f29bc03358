"""How many rows a chunk takes: as many as keep it short."""

import pytest
from django.db import connection

from jobs.execution.chunks import BatchSize

pytestmark = pytest.mark.django_db

LONG = 1.0  # far above what a chunk aims at, on either database
SHORT = 0.001


def batch_of(rows: int) -> BatchSize:
    batch = BatchSize()
    batch.rows = rows
    return batch


def test_a_long_chunk_halves_the_next_one_at_most():
    batch = batch_of(400)

    batch.learn(LONG, 400)

    assert batch.rows == 200


def test_a_chunk_somewhat_too_long_shrinks_the_next_one_in_proportion():
    batch = batch_of(400)
    aim = 0.1 if connection.vendor == "postgresql" else 0.03

    batch.learn(aim / 0.8, 400)

    assert 315 <= batch.rows <= 325


def test_a_short_full_chunk_doubles_the_next_one_at_most():
    batch = batch_of(400)

    batch.learn(SHORT, 400)

    assert batch.rows == 801


def test_a_short_chunk_that_was_hardly_filled_says_nothing():
    batch = batch_of(400)

    batch.learn(SHORT, 199)

    assert batch.rows == 400


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
