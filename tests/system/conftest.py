"""A running site with an integrator, the browser, and runs of the chaos package on a database of their own."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from django.db import connections
from playwright.sync_api import Browser, sync_playwright

from tests.support.empty_database import empty_database
from tests.support.factories import make_key, make_project
from tests.support.http_server import Site, running_server
from tests.system.chaos.single_run import run_in_process

ARGUMENTS: Final = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"),
]


@pytest.fixture
def access_log(tmp_path: Path) -> Path:
    """Where the server of ``site`` writes one line for each request."""
    return tmp_path / "access.log"


@pytest.fixture
def site(transactional_db: None, access_log: Path) -> Iterator[Site]:
    """The reference host behind a real server on the test database."""
    project = make_project()
    key = make_key(organization=project.organization)
    with running_server(access_log=str(access_log)) as port:
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


@pytest.fixture
def run_chaos(tmp_path: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """``run_chaos(kind, *options)`` runs once, on an empty database; it returns the result."""
    with empty_database(tmp_path) as url:
        yield partial(run_in_process, url)
