"""The line between the thread that claims and the threads that run."""

import pytest

from jobs.workers.buffer import ClaimBuffer, ClaimedJob
from tests.support.concurrency import InThread, until
from tests.support.execution import lease_of
from tests.support.factories import make_running_job

pytestmark = pytest.mark.django_db


def make_entry() -> ClaimedJob:
    job = make_running_job()
    return ClaimedJob(job=job, lease=lease_of(job), begun=False)


def test_jobs_leave_the_line_in_the_order_they_joined_it():
    line, entries = ClaimBuffer(), [make_entry() for _ in range(3)]

    line.put(entries[:2])
    line.put(entries[2:])

    assert [line.get(), line.take(), line.get()] == entries


def test_an_empty_line_gives_nothing_to_those_who_do_not_wait():
    line = ClaimBuffer()

    assert line.take() is None
    assert line.take_all() == []
    assert (len(line), line.oldest()) == (0, 0.0)


def test_a_thread_that_waits_is_idle_until_a_job_stands_in_line_for_it():
    line = ClaimBuffer()
    threads = [InThread(line.get) for _ in range(2)]
    until(lambda: line.idle == 2, what="two idle threads")
    entry = make_entry()

    line.put([entry])

    assert line.idle == 1
    until(lambda: not len(line), what="a thread to take the job")
    assert line.idle == 1
    line.close()
    assert {thread.result() for thread in threads} == {entry, None}


def test_each_job_goes_to_one_thread():
    line, entries = ClaimBuffer(), [make_entry() for _ in range(20)]

    def drain() -> list[ClaimedJob]:
        mine = []
        while (entry := line.get()) is not None:
            mine.append(entry)
        return mine

    threads = [InThread(drain) for _ in range(4)]
    line.put(entries)
    until(lambda: not len(line), what="an empty line")
    line.close()

    got = [entry for thread in threads for entry in thread.result()]
    assert sorted(map(id, got)) == sorted(map(id, entries))


def test_closing_returns_what_will_not_be_run_and_sends_everybody_home():
    line, entry = ClaimBuffer(), make_entry()
    line.put([entry])

    left = line.close()

    assert left == [entry]
    assert line.get() is None


def test_the_oldest_in_line_says_how_long_it_has_waited():
    line, entry = ClaimBuffer(), make_entry()
    entry.since -= 60
    line.put([entry, make_entry()])

    assert 60 <= line.oldest() < 70
