"""The documentation page in a real browser, under the site's strict policy: it works, and asks nobody else."""

from playwright.sync_api import Browser

from tests.support.http_server import Site

OPERATION = ".opblock"


def test_the_page_works_under_a_strict_policy_and_makes_no_outside_request(site: Site, browser: Browser):
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("request", lambda request: site.address in request.url or complaints.append(f"asked {request.url}"))
    page.goto(f"{site.address}/public/docs")
    page.wait_for_selector(OPERATION)
    for summary in page.query_selector_all(f"{OPERATION} .opblock-summary-control"):
        summary.click()
    page.click(".authorize")
    page.fill("input[aria-label='auth-bearer-value']", site.secret)
    page.click(".auth-btn-wrapper .authorize")
    page.click(".auth-btn-wrapper .btn-done")
    page.click("#operations-Jobs-listJobs .try-out__btn")
    page.fill("#operations-Jobs-listJobs [data-param-name=projectKey] input", site.project_key)
    page.click("#operations-Jobs-listJobs .execute")
    page.wait_for_selector("#operations-Jobs-listJobs .live-responses-table .response-col_status")
    policy = page.evaluate("fetch(location).then(answer => answer.headers.get('content-security-policy'))")
    status = page.inner_text("#operations-Jobs-listJobs .live-responses-table tbody .response-col_status")

    assert complaints == []
    assert policy.startswith("default-src 'self';")
    assert status.strip().startswith("200")
