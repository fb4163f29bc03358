"""The public surface: the list, what it resolves to, and that it loads in a bare process."""

import subprocess
import sys
from typing import Final

import pytest

import jobs
import jobs.testing
from tests.support.source import ROOT

PUBLIC: Final = set(
    "JobCancelled JobContext JobFailed Status action cancel_job create_api_key create_project get_job get_project_model"
    " hold_job list_jobs resume_job revoke_api_key schedule_job".split()
)


def test_the_list_is_the_documented_one_and_any_other_name_an_attribute_error():
    assert set(jobs.__all__) == PUBLIC
    assert list(jobs.__all__) == sorted(jobs.__all__)
    assert set(dir(jobs)) >= PUBLIC
    with pytest.raises(AttributeError, match="no attribute 'reschedule_job'"):
        _ = jobs.reschedule_job


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_name_resolves_and_says_what_it_is(name: str):
    found = getattr(jobs, name)

    assert found.__doc__
    assert found.__module__.startswith("jobs.")


def test_all_names_for_the_tests_of_hosts_resolve():
    assert list(jobs.testing.__all__) == sorted(jobs.testing.__all__)
    for name in jobs.testing.__all__:
        assert getattr(jobs.testing, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'make_tea'"):
        _ = jobs.testing.make_tea


@pytest.mark.parametrize(
    ("program", "printed"),
    [
        ("import sys, jobs; print(sorted(name for name in sys.modules if name.startswith('django')))", "[]"),
        ("import jobs.testing.fixtures, sys; print('django.db' in sys.modules)", "False"),
        ("from jobs import JobCancelled, JobFailed, Status, action; print(Status.SCHEDULED)", "scheduled"),
    ],
    ids=["jobs needs no Django", "the fixtures", "an action can be declared"],
)
def test_a_program_without_settings_can_import_what_it_needs_before_django_is_set_up(program: str, printed: str):
    # Warnings are errors.
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (0, f"{printed}\n"), done.stderr
