"""The buffer between the thread that claims jobs and the threads that run them."""

import pytest

from jobs.workers.buffer import ClaimBuffer, ClaimedJob
from tests.support.concurrency import InThread, until
from tests.support.execution import lease_of
from tests.support.factories import make_running_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def buffer() -> ClaimBuffer:
    return ClaimBuffer()


def make_entries(count: int) -> list[ClaimedJob]:
    jobs = [make_running_job() for _ in range(count)]
    return [ClaimedJob(job=job, lease=lease_of(job), begun=False) for job in jobs]


def test_jobs_are_taken_in_the_order_in_which_they_were_put_and_closing_returns_the_rest(buffer: ClaimBuffer):
    entries = make_entries(4)

    buffer.put(entries[:2])
    buffer.put(entries[2:])

    assert [buffer.get(), buffer.take(), buffer.get()] == entries[:3]
    assert buffer.close() == entries[3:]
    assert buffer.get() is None


def test_an_empty_buffer_returns_nothing_to_threads_that_do_not_wait(buffer: ClaimBuffer):
    assert buffer.take() is None
    assert buffer.take_all() == []
    assert (len(buffer), buffer.oldest()) == (0, 0.0)


def test_a_thread_that_waits_is_idle_until_there_is_a_job_for_it(buffer: ClaimBuffer):
    threads = [InThread(buffer.get) for _ in range(2)]
    until(lambda: buffer.idle == 2, what="two idle threads")
    (entry,) = make_entries(1)

    buffer.put([entry])

    assert buffer.idle == 1
    until(lambda: not len(buffer), what="a thread to take the job")
    assert buffer.idle == 1
    buffer.close()
    assert {thread.result() for thread in threads} == {entry, None}


def test_each_job_goes_to_one_thread(buffer: ClaimBuffer):
    entries = make_entries(20)
    threads = [InThread(lambda: list(iter(buffer.get, None))) for _ in range(4)]

    buffer.put(entries)
    until(lambda: not len(buffer), what="an empty buffer")
    buffer.close()

    got = [entry for thread in threads for entry in thread.result()]
    assert sorted(map(id, got)) == sorted(map(id, entries))


def test_the_buffer_says_how_long_its_oldest_job_has_waited(buffer: ClaimBuffer):
    entries = make_entries(2)
    entries[0].since -= 60
    buffer.put(entries)

    assert 60 <= buffer.oldest() < 70
