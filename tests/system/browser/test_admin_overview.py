"""The overview in a real browser: it is refreshed on demand, and only while it is visible."""

from django.urls import reverse
from playwright.sync_api import Browser, Page

from tests.support.browser_visits import Visit, visit
from tests.support.http_server import Site

MINUTE = 60_000
# Playwright's pages are never hidden: one tells them, as the browser itself would.
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def watch(browser: Browser, site: Site, query: str) -> tuple[Visit, list[str]]:
    """Open the overview with a clock that the test sets forward; the list tells what it asked for since."""
    visitor = visit(browser, site.address)
    visitor.page.clock.install()
    visitor.open(f"{reverse('admin:jobs_job_overview')}{query}")
    asked: list[str] = []
    visitor.page.on("request", lambda request: "/static/" in request.url or asked.append(request.url))
    return visitor, asked


def pass_a_minute(page: Page) -> None:
    """Set the clock forward, and let answers arrive that were asked for."""
    page.clock.run_for(MINUTE)
    page.wait_for_load_state("networkidle")


def test_the_overview_is_not_refreshed_by_default(site: Site, browser: Browser):
    visitor, asked = watch(browser, site, "")

    pass_a_minute(visitor.page)

    assert asked == []
    assert visitor.page.inner_text("#jobs-overview-toggle") == "Refresh every 30 s"


def test_the_overview_is_refreshed_in_place_on_demand(site: Site, browser: Browser):
    visitor, asked = watch(browser, site, "?refresh=30")
    visitor.page.evaluate("document.getElementById('jobs-overview-live').firstElementChild.id = 'old'")

    visitor.page.clock.run_for(MINUTE // 2 + 1_000)
    visitor.page.wait_for_selector("#old", state="detached")

    assert asked == [visitor.page.url]
    assert visitor.complaints == []


def test_a_hidden_overview_is_refreshed_once_it_is_visible_again(site: Site, browser: Browser):
    visitor, asked = watch(browser, site, "?refresh=30")
    visitor.page.evaluate(HIDE, True)
    pass_a_minute(visitor.page)
    while_hidden = list(asked)

    with visitor.page.expect_response("**/overview/?refresh=30"):
        visitor.page.evaluate(HIDE, False)

    assert while_hidden == []
    assert len(asked) == 1
