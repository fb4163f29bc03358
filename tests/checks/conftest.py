"""A running site with an integrator, and the browser."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.api.server import running_server
from tests.factories import make_key, make_project


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where the site answers, and what opens it."""

    address: str
    project_key: str
    secret: str


@pytest.fixture
def site(transactional_db: None) -> Iterator[Site]:
    """The reference host behind a real server on the test database."""
    project = make_project()
    secret = make_key(organization=project.organization).secret
    with running_server() as port:
        yield Site(address=f"http://127.0.0.1:{port}", project_key=project.key, secret=secret)


@pytest.fixture
def chromium() -> str:
    """The path of Chromium; fails where there is none, as a check that is left out proves nothing."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.fail("no Chromium was found; on Debian: apt install chromium")
    return found
