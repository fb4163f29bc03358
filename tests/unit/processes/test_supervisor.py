"""The parent of several workers: how long it waits before it starts another process, and what it exits with."""

import time

import pytest

from jobs.processes.supervisor import FIRST_RESTART_SECONDS, LIVED_SECONDS, LONGEST_RESTART_SECONDS, Supervisor, _Child


def parent(*, drain: bool = False) -> Supervisor:
    return Supervisor(lambda _: None, count=1, drain=drain)


def end(supervisor: Supervisor, child: _Child, *, status: int, after: float = 0.0) -> float:
    """Let a process end that has lived for ``after`` seconds; return the seconds until the next one starts."""
    child.pid, child.started_at = 4_000_000, time.monotonic() - after
    supervisor._note_end(child, status)
    return child.start_at - time.monotonic()


def test_the_wait_grows_with_each_process_that_ends_early_up_to_half_a_minute():
    supervisor = parent()
    (child,) = supervisor._children

    waits = [end(supervisor, child, status=-9) for _ in range(12)]

    assert waits[0] <= 2 * FIRST_RESTART_SECONDS
    assert all(before < 2.1 * FIRST_RESTART_SECONDS * 2**n for n, before in enumerate(waits))
    assert LONGEST_RESTART_SECONDS / 2 - 1 < waits[-1] <= LONGEST_RESTART_SECONDS


def test_a_process_that_has_lived_for_a_while_is_replaced_soon():
    supervisor = parent()
    (child,) = supervisor._children
    for _ in range(12):
        end(supervisor, child, status=1)

    assert end(supervisor, child, status=1, after=LIVED_SECONDS + 1) <= FIRST_RESTART_SECONDS


@pytest.mark.parametrize(
    ("drain", "stopped", "status", "ended"),
    [
        (False, False, 0, False),
        (True, False, 0, True),
        (True, False, 3, False),
        (False, True, 0, True),
        (False, True, 3, True),
    ],
)
def test_a_process_is_replaced_unless_all_stop_or_its_drain_is_done(
    drain: bool, stopped: bool, status: int, ended: bool
):
    supervisor = parent(drain=drain)
    (child,) = supervisor._children
    supervisor._stop_at = time.monotonic() if stopped else None

    end(supervisor, child, status=status)

    assert child.has_ended is ended
    assert supervisor._exit_status == (3 if stopped and status else 0)
