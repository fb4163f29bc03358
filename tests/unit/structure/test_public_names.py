"""The public surface: the list, what it resolves to, and that it loads in a bare process."""

import subprocess
import sys
from typing import Final

import pytest

import jobs
import jobs.testing
from tests.support.source import ROOT

PUBLIC: Final = {
    "JobCancelled",
    "JobContext",
    "JobFailed",
    "Status",
    "action",
    "cancel_job",
    "create_api_key",
    "create_project",
    "get_job",
    "get_project_model",
    "hold_job",
    "list_jobs",
    "resume_job",
    "revoke_api_key",
    "schedule_job",
}


def run_bare(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process that has no settings, with warnings as errors."""
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, timeout=60)


def test_the_list_is_the_documented_one():
    assert set(jobs.__all__) == PUBLIC
    assert list(jobs.__all__) == sorted(jobs.__all__)


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


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'reschedule_job'"):
        _ = jobs.reschedule_job


def test_dir_shows_the_public_names():
    assert set(dir(jobs)) >= PUBLIC


def test_importing_jobs_needs_no_django():
    done = run_bare("import sys, jobs; print(sorted(name for name in sys.modules if name.startswith('django')))")

    assert done.stdout == "[]\n", done.stderr


def test_the_fixtures_may_be_loaded_before_django_is_set_up():
    done = run_bare("import jobs.testing.fixtures, sys; print('django.db' in sys.modules)")

    assert done.returncode == 0, done.stderr


def test_an_action_can_be_declared_before_django_is_set_up():
    done = run_bare("from jobs import JobCancelled, JobFailed, Status, action; print(Status.SCHEDULED)")

    assert done.stdout == "scheduled\n", done.stderr
