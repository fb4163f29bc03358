"""Fixtures for pytest with pytest-django: ``pytest_plugins = ["jobs.testing.fixtures"]`` in ``conftest.py``."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def jobs_project(db: None) -> Any:
    """A project of the host's model, of an organization of its own."""
    # Imported here, and in the next fixtures, as plugins may be loaded before Django is set up.
    from . import make_project

    return make_project()


@pytest.fixture
def jobs_api_key(jobs_project: Any) -> str:
    """The secret of an API key that may do everything in the projects of the organization of ``jobs_project``."""
    from . import make_api_key

    return make_api_key(organization=jobs_project.organization).secret


@pytest.fixture
def run_due_jobs(db: None) -> Callable[..., list[Any]]:
    """:func:`jobs.testing.run_due_jobs`."""
    from . import run_due_jobs

    return run_due_jobs
