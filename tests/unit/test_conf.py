"""The host's settings: read when used, refused when they cannot work."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from jobs import conf


@override_settings(JOBS={})
def test_the_defaults_are_those_of_the_readme():
    settings = conf.current()

    assert (settings.beat_seconds, settings.lease_seconds, settings.sweep_seconds) == (10, 45, 15)
    assert (settings.poll_seconds, settings.cancel_wait_seconds) == (None, 5)
    assert settings.user_erase_action == "delete_user_data"
    assert settings.retention_days is settings.retention is None
    assert (settings.task_backend, settings.reserve) == (None, timedelta(minutes=1))
    assert (settings.requests_per_minute, settings.failed_keys_per_minute) == (600, 60)
    assert (settings.cache, settings.trusted_proxies) == ("default", 0)
    assert settings.admin_register is True


def test_a_host_without_the_setting_gets_the_defaults(settings: Any):
    settings.JOBS = {}  # its restoration is announced; that of a deletion is not
    del settings.JOBS

    assert conf.current().lease == timedelta(seconds=45)


def test_an_override_counts_from_the_next_use_on_and_no_longer_than_it_lasts():
    before = conf.current()

    with override_settings(JOBS={"BEAT_SECONDS": 1, "LEASE_SECONDS": 3.5}):
        within = conf.current()

    assert within.beat == timedelta(seconds=1)
    assert within.lease == timedelta(seconds=3.5)
    assert conf.current() == before


@override_settings(JOBS={"LEASE_SECOND": 60, "BEATS": 1, "SWEEP_SECONDS": 5, "beat_seconds": 1})
def test_unknown_keys_are_refused_by_name():
    with pytest.raises(ImproperlyConfigured, match="BEATS, LEASE_SECOND, beat_seconds; it knows BEAT_SECONDS"):
        conf.current()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BEAT_SECONDS", 0),
        ("BEAT_SECONDS", -1),
        ("BEAT_SECONDS", None),
        ("LEASE_SECONDS", "45"),
        ("LEASE_SECONDS", 86_401),
        ("SWEEP_SECONDS", True),
        ("SWEEP_SECONDS", float("nan")),
        ("POLL_SECONDS", 0),
        ("CANCEL_WAIT_SECONDS", float("inf")),
        ("RESERVE_SECONDS", 0),
        ("RESERVE_SECONDS", None),
        ("TASK_BACKEND", {"BACKEND": "x"}),
        ("CANCEL_WAIT_SECONDS", timedelta(seconds=5)),
        ("USER_ERASE_ACTION", None),
        ("REQUESTS_PER_MINUTE", 0),
        ("REQUESTS_PER_MINUTE", True),
        ("REQUESTS_PER_MINUTE", "600"),
        ("FAILED_KEYS_PER_MINUTE", 0.5),
        ("FAILED_KEYS_PER_MINUTE", -1),
        ("CACHE", None),
        ("TRUSTED_PROXIES", -1),
        ("TRUSTED_PROXIES", True),
        ("TRUSTED_PROXIES", None),
        ("ADMIN_REGISTER", 0),
        ("ADMIN_REGISTER", None),
        *(("RETENTION_DAYS", days) for days in (0, -1, True, "30", 36_501, float("nan"))),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(name: str, value: object):
    with override_settings(JOBS={name: value}), pytest.raises(ImproperlyConfigured, match=name):
        conf.current()


@override_settings(JOBS={"BEAT_SECONDS": 20})
def test_a_lease_must_outlive_three_beats():
    with pytest.raises(ImproperlyConfigured, match="at least three times"):
        conf.current()


@override_settings(JOBS={"POLL_SECONDS": None})
def test_only_the_poll_may_be_left_to_the_database():
    assert conf.current().poll_seconds is None


def test_settings_are_read_when_used_and_not_at_import():
    code = "import jobs.conf, jobs.status, jobs.actions, jobs.exceptions; print(jobs.conf.DEFAULT_PROJECT_MODEL)"
    environment = {"DJANGO_SETTINGS_MODULE": "no_such_settings"}

    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip()) == (0, "jobs.Project"), done.stderr


def test_the_project_model_is_ours_unless_the_host_names_its_own(settings: Any):
    settings.JOBS_PROJECT_MODEL = "shop.Store"
    assert conf.project_model_label() == "shop.Store"

    del settings.JOBS_PROJECT_MODEL
    assert conf.project_model_label() == "jobs.Project"


def test_a_retention_may_be_part_of_a_day():
    with override_settings(JOBS={"RETENTION_DAYS": 0.5}):
        assert conf.current().retention == timedelta(hours=12)
