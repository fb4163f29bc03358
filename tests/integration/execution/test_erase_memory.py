"""The memory of an erase: as much as a chunk needs, however many rows there are."""

import tracemalloc
from typing import Any

import pytest
from django.db import connection

from tests.support.execution import ANA, make_context, make_recordings, make_visits, visits_of
from tests.support.hostapp.models import Click, Recording

pytestmark = pytest.mark.django_db


def peak_of(rows: Any) -> int:
    context = make_context()
    tracemalloc.start()
    context.erase("rows", rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.timeout(600)  # to trace memory makes it several times as slow
def test_erasing_many_rows_takes_no_more_memory_than_a_chunk():
    make_visits(ANA, 25_000)

    assert peak_of(visits_of(ANA)) < 1_000_000


@pytest.mark.timeout(600)
def test_erasing_many_rows_with_others_takes_memory_for_their_keys_only():
    recordings = make_recordings(ANA, 25_000)
    Click.objects.bulk_create((Click(recording=recording) for recording in recordings), batch_size=5_000)
    del recordings
    connection.check_constraints()

    peak = peak_of(Recording.objects.filter(owner=ANA))

    assert peak < 2_000_000
    assert not Click.objects.exists()
