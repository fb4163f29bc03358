"""How many rows a chunk takes: as many as keep it short."""

from random import Random
from statistics import median

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
    [(LONG, 400, 200, 200), (AIM / 0.8, 400, 315, 325), (SHORT, 400, 1_600, 1_600), (SHORT, 199, 400, 400)],
    ids=["halved at most", "shrunk in proportion", "four times at most", "hardly filled: unchanged"],
)
def test_the_next_chunk_depends_on_how_long_one_took(seconds: float, filled: int, fewest: int, most: int):
    batch = batch_of(400)

    batch.learn(seconds, filled)

    assert fewest <= batch.rows <= most


def test_a_batch_stays_between_what_is_worth_a_chunk_and_the_most_that_memory_should_hold():
    shrinking, growing = batch_of(400), batch_of(400)

    for _ in range(30):
        shrinking.learn(shrinking.rows * LONG, shrinking.rows)
        growing.learn(SHORT, 1_000_000)

    assert shrinking.rows == 10
    assert growing.rows == 10_000


@pytest.mark.parametrize("of_a_row", [0.02, 0.1, 0.5, 2.0, 8.0])
def test_rows_that_take_long_make_no_chunk_longer_than_the_smallest(of_a_row: float):
    batch, timeout, sizes = BatchSize(), 30, []

    for _ in range(60):
        sizes.append(batch.rows)
        seconds = batch.rows * of_a_row
        if seconds < timeout:
            batch.learn(seconds, batch.rows)
        else:
            batch.shrink(batch.rows, by=10)

    assert max(sizes[30:]) * of_a_row <= min(max(10 * of_a_row, 4.0), timeout)


@pytest.mark.parametrize("first", [10, 50, 200, 5_000])
@pytest.mark.parametrize("rest", [0.0, AIM / 4, AIM, 2 * AIM, 10 * AIM])
def test_the_rows_of_a_chunk_take_a_fair_part_of_its_time_whatever_else_takes_time(rest: float, first: int):
    batch, of_a_row = batch_of(first), AIM / 1_000

    for _ in range(20):
        seconds = rest + batch.rows * of_a_row
        batch.learn(seconds, batch.rows)

    for_rows = batch.rows * of_a_row
    assert for_rows >= AIM / 11
    assert rest + for_rows <= max(3.2 * AIM, rest + AIM / 2)


def test_a_bad_reading_now_and_then_does_not_keep_a_batch_small():
    random, batch, sizes = Random(7), BatchSize(), []

    for chunk in range(300):
        seconds = batch.rows * AIM / 1_000 + random.random() * (AIM / 5 if chunk % 3 else 4 * AIM)
        batch.learn(seconds, batch.rows)
        sizes.append(batch.rows)

    assert median(sizes[30:]) > 300
    assert max(sizes) <= 2_000


def test_a_batch_that_shrank_to_one_row_grows_again():
    batch = batch_of(1)

    for _ in range(10):
        batch.learn(SHORT, batch.rows)

    assert batch.rows > 500


@pytest.mark.parametrize(("tried", "halved"), [(400, 200), (3, 1), (1, 1)])
def test_a_conflict_halves_what_was_tried(tried: int, halved: int):
    batch = batch_of(10_000)

    batch.shrink(tried, by=2)

    assert batch.rows == halved
