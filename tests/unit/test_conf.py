"""The host's settings: read when used, refused when they cannot work."""

from datetime import timedelta
from typing import Any, Final

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from jobs import conf
from tests.support.processes import run_python


@override_settings(JOBS={})
def test_the_defaults_are_those_of_the_readme():
    settings = conf.current()

    assert (settings.beat_seconds, settings.lease_seconds, settings.sweep_seconds) == (10, 45, 15)
    assert (settings.poll_seconds, settings.cancel_wait_seconds) == (None, 5)
    assert settings.user_erase_action == "delete_user_data"
    assert settings.retention_days is settings.retention is None
    assert (settings.task_backend, settings.reserve) == (None, timedelta(minutes=1))
    assert (settings.requests_per_minute, settings.failed_keys_per_minute) == (600, 60)
    assert (settings.new_jobs_per_minute, settings.most_waiting) == (10_000, 1_000_000)
    assert (settings.cache, settings.trusted_proxies) == ("default", 0)
    assert settings.admin_register is True


def test_a_host_without_the_settings_gets_the_defaults(settings: Any):
    settings.JOBS = {}  # its restoration is announced; that of a deletion is not
    settings.JOBS_PROJECT_MODEL = "shop.Store"
    named = conf.project_model_label()

    del settings.JOBS
    del settings.JOBS_PROJECT_MODEL

    assert conf.current().lease == timedelta(seconds=45)
    assert (named, conf.project_model_label()) == ("shop.Store", "jobs.Project")


def test_an_override_counts_from_the_next_use_on_and_no_longer_than_it_lasts():
    before = conf.current()

    with override_settings(JOBS={"BEAT_SECONDS": 1, "LEASE_SECONDS": 3.5}):
        within = conf.current()

    assert within.beat == timedelta(seconds=1)
    assert within.lease == timedelta(seconds=3.5)
    assert conf.current() == before


REFUSED: Final = {
    "BEAT_SECONDS": (0, -1, None),
    "LEASE_SECONDS": ("45", 86_401),
    "SWEEP_SECONDS": (True, float("nan")),
    "POLL_SECONDS": (0,),
    "CANCEL_WAIT_SECONDS": (float("inf"), timedelta(seconds=5)),
    "RESERVE_SECONDS": (0, None),
    "TASK_BACKEND": ({"BACKEND": "x"},),
    "USER_ERASE_ACTION": (None,),
    "REQUESTS_PER_MINUTE": (0, True, "600"),
    "FAILED_KEYS_PER_MINUTE": (0.5, -1),
    "NEW_JOBS_PER_MINUTE": (0, 999, True),
    "MOST_WAITING": (0, True, "1"),
    "CACHE": (None,),
    "TRUSTED_PROXIES": (-1, True, None),
    "ADMIN_REGISTER": (0, None),
    "RETENTION_DAYS": (0, -1, True, "30", 36_501, float("nan")),
}


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        *(({name: value}, name) for name, values in REFUSED.items() for value in values),
        ({"BEAT_SECONDS": 20}, "at least three times"),  # a lease must outlive three beats
        (
            {"LEASE_SECOND": 60, "BEATS": 1, "SWEEP_SECONDS": 5, "beat_seconds": 1},
            "BEATS, LEASE_SECOND, beat_seconds; it knows BEAT_SECONDS",
        ),
    ],
)
def test_an_unknown_key_or_a_value_that_cannot_work_is_refused_by_name(setting: dict[str, object], named: str):
    with override_settings(JOBS=setting), pytest.raises(ImproperlyConfigured, match=named):
        conf.current()


@override_settings(JOBS={"POLL_SECONDS": None, "RETENTION_DAYS": 0.5})
def test_the_poll_may_be_left_to_the_database_and_a_retention_be_part_of_a_day():
    assert conf.current().poll_seconds is None
    assert conf.current().retention == timedelta(hours=12)


def test_settings_are_read_when_used_and_not_at_import():
    code = "import jobs.conf, jobs.status, jobs.actions, jobs.exceptions; print(jobs.conf.DEFAULT_PROJECT_MODEL)"

    done = run_python("-c", code, settings="no_such_settings")

    assert (done.returncode, done.stdout.strip()) == (0, "jobs.Project"), done.stderr
