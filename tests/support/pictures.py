"""Take the pictures of the admin that the documents show, light and dark, of a demo that is served.

By hand, from the root of the repository, once ``make demo`` has printed its password::

    .venv/bin/python -m tests.support.pictures http://127.0.0.1:8000 PASSWORD

Look at each of them afterwards. Nothing is changed: no button is pressed that does anything.
"""

import shutil
import sys
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Page, sync_playwright

IMAGES: Final = Path(__file__).resolve().parents[2] / "docs" / "images"
SIZE: Final = {"width": 1280, "height": 900}
JOBS: Final = "/admin/jobs/job/"


def log_in(page: Page, address: str, password: str) -> None:
    page.goto(f"{address}/admin/login/?next={JOBS}")
    page.fill("#id_username", "admin")
    page.fill("#id_password", password)
    page.keyboard.press("Enter")
    page.wait_for_selector("#result_list")


def show_job(page: Page, address: str) -> None:
    """Open the newest job that is a retry which failed: it has a history, and a traceback."""
    page.goto(f"{address}{JOBS}?status=failed")
    page.click("#result_list tbody tr:nth-child(2) th a")
    page.wait_for_selector(".jobs-page")


def show_bulk(page: Page, address: str) -> None:
    """Choose all failed jobs for a retry; the page that asks is left unanswered."""
    page.goto(f"{address}{JOBS}?status=completed")
    page.goto(f"{address}{JOBS}?status=failed")
    for box in page.query_selector_all("#result_list tbody input[type=checkbox]")[:6]:
        box.check()
    page.select_option("select[name=action]", "retry_selected")
    page.click(".actions button")
    page.wait_for_selector(".jobs-bulk-facts")


PAGES: Final = {
    "list": lambda page, address: page.goto(f"{address}{JOBS}"),
    "job": show_job,
    "bulk": show_bulk,
    "overview": lambda page, address: page.goto(f"{address}{JOBS}overview/"),
}


def take(address: str, password: str, chromium: str) -> None:
    schemes: list[Literal["light", "dark"]] = ["light", "dark"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for scheme in schemes:
            page = browser.new_context(color_scheme=scheme, viewport=SIZE).new_page()
            log_in(page, address, password)
            for name, show in PAGES.items():
                show(page, address)
                page.evaluate("document.activeElement.blur()")
                target = IMAGES / f"admin-{name}-{scheme}.png"
                height = min(page.evaluate("document.documentElement.scrollHeight"), 1400)
                page.set_viewport_size({**SIZE, "height": height})
                page.screenshot(path=target)
                page.set_viewport_size(SIZE)
                print(f"{target.name}: {target.stat().st_size // 1000} kB")
        browser.close()


if __name__ == "__main__":
    found = shutil.which("chromium")
    if found is None or len(sys.argv) != 3:
        sys.exit(__doc__)
    take(sys.argv[1].rstrip("/"), sys.argv[2], found)
