"""The documentation as a site, in a real browser: in light and dark, wide and narrow; nobody else is asked."""

import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser

from tests.support.browser_visits import complaints_of, violations
from tests.support.environments import run
from tests.support.host_projects import ROOT

WIDTHS: Final = (1280, 360)
# The theme gives the dialog of its search no name, and no option to give it one.
OF_THE_THEME: Final = 'aria-dialog-name: <div class="md-search"'
# One of each kind.
PAGES: Final = ("index.html", "tutorial.html", "reference/settings.html")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 – the name is the base class's
        return


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(directory)]
    run(command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    return directory


@pytest.fixture
def address(built: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(built))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_every_page_shows_itself_without_a_complaint(built: Path, address: str, browser: Browser):
    page = browser.new_page()
    complaints = complaints_of(page, address)
    names = sorted(path.relative_to(built).as_posix() for path in built.rglob("*.html") if path.name != "404.html")
    too_wide = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for name in names:
            page.goto(f"{address}/{name}", wait_until="load")
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                too_wide.append((name, width))
    page.wait_for_load_state("networkidle")

    assert set(PAGES) <= set(names)
    assert complaints == []
    assert too_wide == []


@pytest.mark.parametrize(("scheme", "palette"), [("light", "default"), ("dark", "slate")])
def test_the_palette_follows_the_system(address: str, browser: Browser, scheme: Any, palette: str):
    page = browser.new_page(color_scheme=scheme)
    complaints = complaints_of(page, address)
    found = []
    for name in PAGES:
        page.goto(f"{address}/{name}", wait_until="networkidle")
        assert page.evaluate("document.body.dataset.mdColorScheme") == palette
        found += [f"{name}: {each}" for each in violations(page) if not each.startswith(OF_THE_THEME)]

    assert complaints == []
    assert found == []


def test_the_search_finds_a_setting(address: str, browser: Browser):
    page = browser.new_page()
    complaints = complaints_of(page, address)
    page.goto(address)

    page.click(".md-search__input")
    page.keyboard.type("RETENTION_DAYS")
    page.wait_for_selector(".md-search-result__link[href*='reference/settings']")

    assert complaints == []
