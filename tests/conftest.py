"""Fixtures for all suites."""

import pytest

from tests.api.client import Api
from tests.factories import make_key, make_project


@pytest.fixture
def api(db: None) -> Api:
    """An integrator with a key that may do everything in a project of its own."""
    project = make_project()
    return Api(project=project, secret=make_key(organization=project.organization).secret)
