"""A key is replaced in a real browser, by keyboard alone, under the site's strict policy; then it is copied."""

import pytest
from django.urls import reverse
from playwright.sync_api import Browser

from jobs.models import ApiKey
from jobs.services.tenants.api_keys import find_access
from tests.support.browser_visits import Visit, visit
from tests.support.http_server import Site


def replace_by_keyboard(visitor: Visit, site: Site) -> None:
    """Open the key's page, then press keys: open the panel, choose an hour, press the button."""
    visitor.open(reverse("admin:jobs_apikey_change", args=[site.key_id]))
    visitor.tab_to("details:has(button[form=jobs-rotate]) summary")
    visitor.page.keyboard.press("Enter")
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.type("for 1 hour")
    visitor.page.keyboard.press("Tab")
    visitor.enter()
    visitor.page.wait_for_selector(".jobs-secret")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_key_is_replaced_by_keyboard_and_can_be_copied(site: Site, browser: Browser, scripts: bool):
    old = ApiKey.objects.get()
    visitor = visit(
        browser,
        site.address,
        java_script_enabled=scripts,
        permissions=["clipboard-read", "clipboard-write"],
        viewport={"width": 320, "height": 700},
    )
    page = visitor.page

    replace_by_keyboard(visitor, site)
    secret = page.inner_text(".jobs-secret")
    button_shows = page.is_visible("button[data-copies]")
    if scripts:
        visitor.tab_to("button[data-copies]")
        page.keyboard.press("Enter")
        page.wait_for_selector(".jobs-copied:has-text('Copied')")
        copied = page.evaluate("navigator.clipboard.readText()")

    assert visitor.complaints == []
    assert find_access(secret, project_key="x") is not None
    assert ApiKey.objects.get(replaces=old).prefix == secret[:12]
    assert button_shows is scripts  # without scripts the text is selected by a click
    assert not scripts or copied == secret
