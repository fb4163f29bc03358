"""The admin's pages in a real browser: accessible in both themes, strict, narrow, and usable by keyboard alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from jobs.models import Job
from jobs.status import Status
from tests.admin.people import make_staff
from tests.checks.conftest import ARGUMENTS, Site
from tests.factories import make_job

SERIOUS: Final = ("serious", "critical")
HOSTILE: Final = "<script>alert(1)</script>\u202egnp.exe =cmd()|' /C calc'!A0"
SCHEMES: Final = ("light", "dark")


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A browser in which a superuser has logged in, and what it complained of so far."""

    context: BrowserContext
    page: Page
    address: str
    complaints: list[str]

    def open(self, path: str) -> None:
        answer = self.page.goto(f"{self.address}{path}")
        assert answer is not None
        assert answer.status == 200, (path, answer.status)


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


def visit(browser: Browser, site: Site, **how: Any) -> Visit:
    """Open a window of a superuser; every message of the console and every outside request is a complaint."""
    client = Client()
    client.force_login(make_staff(superuser=True))
    context = browser.new_context(**how)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": site.address}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{page.url}: {message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: error: {error}"))
    page.on("request", lambda request: site.address in request.url or complaints.append(f"asked {request.url}"))
    return Visit(context=context, page=page, address=site.address, complaints=complaints)


def seeded() -> dict[str, Job]:
    """Make a job of each status, with texts as bad as they come."""
    texts = {"reference_id": HOSTILE[:60], "description": HOSTILE, "parameters": {"note": HOSTILE}}
    jobs = {status.value: make_job(status=status, **texts) for status in Status}
    Job.objects.filter(status=Status.FAILED).update(errors=HOSTILE)
    Job.objects.filter(status=Status.RUNNING).update(progress_done=40, progress_total=100)
    return jobs


def paths(jobs: dict[str, Job], site: Site) -> list[str]:
    """Return the addresses of all our pages that are there to be looked at."""
    lists = [reverse(f"admin:jobs_{name}_changelist") for name in ("job", "apikey", "organization", "project", "pause")]
    forms = [reverse(f"admin:jobs_{name}_add") for name in ("job", "apikey", "organization", "project", "pause")]
    project = jobs["failed"].project
    return [
        *lists,
        *forms,
        f"{lists[0]}?status=failed",
        f"{lists[0]}?_facets=True",
        reverse("admin:jobs_job_overview"),
        *(reverse("admin:jobs_job_change", args=[job.pk]) for job in jobs.values()),
        reverse("admin:jobs_apikey_change", args=[site.key_id]),
        reverse("admin:jobs_project_change", args=[project.pk]),
        reverse("admin:jobs_organization_change", args=[project.organization.pk]),
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_page_is_accessible_strict_and_asks_nobody_else(site: Site, browser: Browser, scheme: str):
    jobs = seeded()
    visitor = visit(browser, site, color_scheme=scheme)

    found = []
    for path in paths(jobs, site):
        visitor.open(path)
        found += violations(visitor.page, path)

    assert found == []
    assert visitor.complaints == []


def violations(page: Page, path: str) -> list[str]:
    """Return what axe calls serious or critical on the page, opening what is folded first."""
    page.evaluate("document.querySelectorAll('main details, #content details').forEach(each => each.open = true)")
    results = Axe().run(page).response["violations"]
    return [
        f"{path}: {violation['id']}: {node['html'][:160]}"
        for violation in results
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]


def test_every_page_fits_a_narrow_window(site: Site, browser: Browser):
    jobs = seeded()
    visitor = visit(browser, site, viewport={"width": 320, "height": 640})

    too_wide = {}
    for path in paths(jobs, site):
        visitor.open(path)
        width = visitor.page.evaluate("document.documentElement.scrollWidth")
        if width > 320:
            too_wide[path] = width

    assert too_wide == {}


def test_texts_of_others_stay_texts(site: Site, browser: Browser):
    jobs = seeded()
    visitor = visit(browser, site)
    dialogs: list[str] = []
    visitor.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))

    for path in paths(jobs, site):
        visitor.open(path)

    visitor.open(reverse("admin:jobs_job_change", args=[jobs["failed"].pk]))
    isolated = visitor.page.locator("bdi", has_text="gnp.exe")
    assert isolated.count() >= 2
    assert dialogs == []


def test_a_job_is_cancelled_by_keyboard_alone(site: Site, browser: Browser):
    job = make_job()
    visitor = visit(browser, site)
    visitor.open(reverse("admin:jobs_job_changelist"))

    focus(visitor.page, "#result_list th.field-id a, #result_list th a")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url(f"**{reverse('admin:jobs_job_change', args=[job.pk])}*")
    focus(visitor.page, "summary:has-text('Cancel')")
    visitor.page.keyboard.press("Enter")
    focus(visitor.page, "input[name=reason]:visible")
    visitor.page.keyboard.type("asked for on the phone")
    with visitor.page.expect_navigation():
        visitor.page.keyboard.press("Enter")

    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert job.events.get().note == "asked for on the phone"


def focus(page: Page, selector: str) -> None:
    """Press Tab until the element that is meant has the focus."""
    page.wait_for_selector(selector)
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", plain(selector)):
            return
    raise AssertionError(f"no key leads to {selector}")


def plain(selector: str) -> str:
    """Return the selector as the browser itself knows it."""
    return selector.split(":has-text")[0].replace(":visible", "")
