"""The documentation pages in a real browser, under the site's strict policy: they work, and ask nobody else."""

import pytest
from playwright.sync_api import Browser, Page

from tests.support.concurrency import until
from tests.support.http_server import Site

OPERATION = ".opblock"
LIST = "#operations-Jobs-listJobs"
# Desktop and telephone.
SIZES = [{"width": 1440, "height": 900}, {"width": 390, "height": 844}]


def watched(page: Page, site: Site) -> list[str]:
    """Return the list of what goes wrong on the page from now on."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("request", lambda request: site.address in request.url or complaints.append(f"asked {request.url}"))
    return complaints


@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size["width"]))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_guide_fits_shows_one_language_copies_and_leads_to_an_error(
    site: Site, browser: Browser, size: dict[str, int], scheme: str
):
    context = browser.new_context(viewport=size, color_scheme=scheme, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    complaints = watched(page, site)
    page.goto(f"{site.address}/public/docs")
    width = page.evaluate("document.documentElement.scrollWidth")

    page.click(".languages button >> text=Python")
    page.click("[data-copies=first-python]")
    page.wait_for_selector("[role=status] >> text=Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    shown = {sample.get_attribute("data-language") for sample in page.query_selector_all(".sample:visible")}
    page.goto(f"{site.address}/public/docs#error-busy")
    # Not `wait_for_function`, which calls eval(), and the page's policy forbids that.
    is_seen = "document.querySelector('#error-busy').getBoundingClientRect().top < innerHeight"
    until(lambda: page.evaluate(is_seen), what="the entry to be in view")

    assert complaints == []
    assert width == size["width"]
    assert copied.startswith("import requests")
    assert shown == {"Python"}


def test_the_reference_tries_calls_but_neither_cancels_nor_erases(site: Site, browser: Browser):
    page = browser.new_page()
    complaints = watched(page, site)
    page.goto(f"{site.address}/public/docs/reference")
    page.wait_for_selector(OPERATION)
    for summary in page.query_selector_all(f"{OPERATION} .opblock-summary-control"):
        summary.click()
    page.click(".authorize")
    page.fill("input[aria-label='auth-bearer-value']", site.secret)
    page.click(".auth-btn-wrapper .authorize")
    page.click(".auth-btn-wrapper .btn-done")
    page.click(f"{LIST} .try-out__btn")
    page.fill(f"{LIST} [data-param-name=projectKey] input", site.project_key)
    page.click(f"{LIST} .execute")
    page.wait_for_selector(f"{LIST} .live-responses-table .response-col_status")
    policy = page.evaluate("fetch(location).then(answer => answer.headers.get('content-security-policy'))")
    status = page.inner_text(f"{LIST} .live-responses-table tbody .response-col_status")
    page.click("#operations-Jobs-createJob .try-out__btn")
    filled_in = page.input_value("#operations-Jobs-createJob .body-param textarea")

    assert complaints == []
    assert policy.startswith("default-src 'self';")
    assert status.strip().startswith("200")
    assert '"startAt": 4102444800000' in filled_in
    assert page.query_selector_all(".opblock-delete .try-out__btn") == []
