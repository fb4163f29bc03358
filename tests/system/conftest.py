"""A running site with an integrator, and the browser."""

import os
import shutil
from collections.abc import Iterator
from typing import Final

import pytest
from django.db import connections
from playwright.sync_api import Browser, sync_playwright

from tests.support.factories import make_key, make_project
from tests.support.http_server import Site, running_server

ARGUMENTS: Final = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"),
]


@pytest.fixture
def site(transactional_db: None) -> Iterator[Site]:
    """The reference host behind a real server on the test database."""
    project = make_project()
    key = make_key(organization=project.organization)
    with running_server() as port:
        yield Site(address=f"http://127.0.0.1:{port}", project_key=project.key, secret=key.secret, key_id=key.key.pk)


@pytest.fixture
def chromium() -> str:
    """The path of Chromium; where there is none, checks fail in CI, as one that is left out proves nothing."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing = "no Chromium was found; on Debian: apt install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return found


@pytest.fixture
def browser(chromium: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """A browser; playwright keeps an event loop in this thread, and Django would refuse to ask the database there."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()
        # Within the loop Django opens connections of its own, which nobody would close afterwards.
        connections.close_all()
