"""A member of staff, and a browser in which that user has logged in.

A test module names the user's permissions in ``STAFF_MAY``, without their app; ``None`` stands for a superuser.
"""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client, override_settings

from jobs.db import clock
from jobs.db.connection import jobs_connection
from tests.support.admin_client import client_of, make_staff
from tests.support.factories import make_project


@pytest.fixture(autouse=True)
def _database(db: None) -> None:
    """Let all tests of the admin use the database."""


@pytest.fixture
def user(request: pytest.FixtureRequest) -> Any:
    permissions = request.module.STAFF_MAY
    return make_staff(superuser=True) if permissions is None else make_staff(*permissions)


@pytest.fixture
def client(user: Any) -> Client:
    return client_of(user)


@pytest.fixture
def staff_project() -> Any:
    """The project for the jobs of staff, named by the setting as in a host with its own project model."""
    project = make_project()
    with override_settings(JOBS={"STAFF_PROJECT": project.key}):
        yield project


@pytest.fixture
def now() -> datetime:
    """The database's time."""
    return clock.read(jobs_connection())
