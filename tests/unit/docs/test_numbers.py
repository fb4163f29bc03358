"""Numbers in the pages' sentences are those of the code."""

import inspect
import math
import re
from typing import Any, Final

import pytest

import jobsite.settings
from jobs import action, conf
from jobs.admin.jobs.change_list import MOST_ROWS
from jobs.admin.projects import MOST_JOBS as MOST_DELETED
from jobs.api.etags import LATE_SECONDS, SOON_SECONDS
from jobs.api.pagination import JobPages
from jobs.api.parsing import MAX_BATCH_BYTES
from jobs.api.serializers import MOST_SECONDS
from jobs.api.throttling import WINDOW_SECONDS
from jobs.api.views import LARGE_BATCH
from jobs.db.connection import LIMITS_MS
from jobs.execution.outcomes import LONGEST_INTERRUPTION_WAIT, SHORT_WAIT
from jobs.processes.process import EXIT_AT_THE_LATEST_SECONDS, POLL_WITH_NOTIFY_SECONDS
from jobs.processes.rescuer import SECOND_CHECK_AFTER_BEAT
from jobs.processes.watchdog import SHORTEST_SECONDS
from jobs.services.commands.schedule_batch import MOST_JOBS
from jobs.services.reports.history import MOST_EVENTS
from jobs.services.search.api_pages import NEAR_OFFSET
from jobs.services.search.facets import MOST_COUNTED
from jobs.services.search.staff_search import WINDOW
from jobs.services.tenants.api_keys import MAX_LIFETIME, MAX_OVERLAP
from jobs.services.validation import MAX_REASON_CHARACTERS
from jobs.workers.dispatch_order import LONGEST_REST_SECONDS, MOST_DOUBLINGS, MOST_IN_FLIGHT
from jobs.workers.worker import SHORTEST_POLL_SECONDS
from jobsite import gunicorn_conf
from tests.support.source import ROOT

DEFAULTS: Final = conf.JobsSettings()
RESERVE: Final = DEFAULTS.reserve_seconds

# What a page says, and what it must say; "#" stands for a number.
SAID: Final[dict[str, list[tuple[str, tuple[Any, ...]]]]] = {
    "docs/admin.md": [
        ("its newest # entries", (WINDOW,)),
        ("Lists end after # jobs", (MOST_ROWS,)),
        ("such as `#+`", (MOST_COUNTED,)),
        ("nor with more than # jobs", (MOST_DELETED,)),
    ],
    "docs/api.md": [
        ("creates # to # jobs, all or none", (1, MOST_JOBS)),
        ("`limit` is #–#, else #", (1, JobPages.max_page_size, JobPages.page_size)),
        ("a chunk was in the way for # s", (DEFAULTS.cancel_wait_seconds,)),
        ("413 above # MiB", (MAX_BATCH_BYTES // 1024**2,)),
        ("the newest #, oldest first", (MOST_EVENTS,)),
        ("the seconds in `Retry-After`: # to #", (SOON_SECONDS, LATE_SECONDS)),
        ("`reason` has # to # characters", (1, MAX_REASON_CHARACTERS)),
        ('"key";q=#;w=#', (DEFAULTS.requests_per_minute, WINDOW_SECONDS)),
        ("A value up to 10^# is refused", (math.log10(MOST_SECONDS),)),
        ("pages by number beyond # jobs", (NEAR_OFFSET,)),
        ("one batch of more than # jobs", (LARGE_BATCH,)),
    ],
    "docs/engines.md": [
        ("At most # jobs of one queue are reserved at a time", (MOST_IN_FLIGHT,)),
        ("in the engine's queue**, which is at most # jobs", (MOST_IN_FLIGHT,)),
        ("grows by up to # messages every # min", (MOST_IN_FLIGHT, RESERVE * 2**MOST_DOUBLINGS / 60)),
        ("after # s, then # to # min", (RESERVE, RESERVE * 2 / 60, RESERVE * 2**MOST_DOUBLINGS / 60)),
        ("less and less often, but at least every # s", (LONGEST_REST_SECONDS,)),
    ],
    "docs/explanation/leases.md": [
        ("| beat | # s |", (DEFAULTS.beat_seconds,)),
        ("| lease | # s |", (DEFAULTS.lease_seconds,)),
        ("| sweep | # s |", (DEFAULTS.sweep_seconds,)),
        ("| second check | # s |", (DEFAULTS.beat_seconds + SECOND_CHECK_AFTER_BEAT.total_seconds(),)),
        ("its `deadline` of # min", (inspect.signature(action).parameters["deadline"].default.total_seconds() / 60,)),
        ("for a lease (# s at least)", (SHORTEST_SECONDS,)),
        ("watchdog is set to # s", (EXIT_AT_THE_LATEST_SECONDS,)),
    ],
    "docs/explanation/lifecycle.md": [
        (
            "the next attempt is # s at least and doubles up to # minutes",
            (SHORT_WAIT.total_seconds(), LONGEST_INTERRUPTION_WAIT.total_seconds() / 60),
        ),
        ("by more than # s without a statement", (LIMITS_MS["idle_in_transaction_session_timeout"] / 1000,)),
    ],
    "docs/how-to/pgbouncer.md": [
        ("for due jobs every # s instead of every # s", (SHORTEST_POLL_SECONDS, POLL_WITH_NOTIFY_SECONDS)),
        ("longer than the lease (# s)", (DEFAULTS.lease_seconds,)),
        ("(idle # s, statement # s, lock # s)", tuple(milliseconds / 1000 for milliseconds in LIMITS_MS.values())),
    ],
    "docs/how-to/production.md": [
        ("does nothing for a lease (# s)", (DEFAULTS.lease_seconds,)),
        ("has not ended # s after SIGTERM", (EXIT_AT_THE_LATEST_SECONDS,)),
        ("stay open for # s (`keepalive`", (gunicorn_conf.keepalive,)),
        ("threads (# a process;", (gunicorn_conf.threads,)),
        ("a timeout above the # s that a cancel may wait", (DEFAULTS.cancel_wait_seconds,)),
    ],
    "docs/how-to/staff-login.md": [("Sessions end after # hours", (jobsite.settings.SESSION_COOKIE_AGE / 3600,))],
    "docs/reference/commands.md": [
        ("days until it expires, at most # |", (MAX_LIFETIME.days,)),
        ("the old key still works, at most # |", (MAX_OVERLAP.total_seconds() / 3600,)),
    ],
    "docs/reference/settings.md": [
        ("may ask for per minute, at least #;", (conf.FULL_BATCH,)),
        ("`prunejobs` redacts it, at most #;", (conf.MOST_RETENTION_DAYS,)),
    ],
    "CONTRIBUTING.md": [("one search of staff scans, # at most", (WINDOW,))],
    "README.md": [
        (
            "of # s on each job that it runs, and renews it every # s",
            (DEFAULTS.lease_seconds, DEFAULTS.beat_seconds),
        ),
    ],
}


@pytest.mark.parametrize(
    ("page", "sentence", "numbers"), [(page, *said) for page, all_ in SAID.items() for said in all_]
)
def test_a_page_says_the_numbers_of_the_code(page: str, sentence: str, numbers: tuple[float, ...]):
    text = " ".join((ROOT / page).read_text().split())
    pattern = re.escape(sentence).replace(r"\#", r"([0-9][0-9,]*(?:\.[0-9]+)?)")

    found = re.findall(pattern, text)

    assert found, sentence
    for each in found:
        said = each if isinstance(each, tuple) else (each,)
        assert tuple(float(number.replace(",", "")) for number in said) == numbers
