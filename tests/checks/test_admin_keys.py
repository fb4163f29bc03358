"""A key is replaced in a real browser, by keyboard alone, under the site's strict policy; then it is copied."""

from typing import Final

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import Page, sync_playwright

from jobs.models import ApiKey
from jobs.services import find_access
from tests.checks.conftest import Site
from tests.checks.test_docs_page import ARGUMENTS

PASSWORD: Final = "a password for this test"


def replace_by_keyboard(page: Page, site: Site, key_id: int) -> None:
    """Open the key's page, log in, then press keys: open the panel, choose an hour, press the button."""
    page.goto(f"{site.address}/admin/jobs/apikey/{key_id}/change/")
    page.fill("#id_username", "staff")
    page.fill("#id_password", PASSWORD)
    page.keyboard.press("Enter")
    page.focus("details:has(button[form=jobs-rotate]) summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("for 1 hour")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".jobs-secret")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_key_is_replaced_by_keyboard_and_can_be_copied(site: Site, chromium: str, scripts: bool):
    get_user_model().objects.create_superuser("staff", password=PASSWORD)
    old = ApiKey.objects.get()
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        context = browser.new_context(
            java_script_enabled=scripts,
            permissions=["clipboard-read", "clipboard-write"],
            viewport={"width": 320, "height": 700},
        )
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: site.address in request.url or complaints.append(f"asked {request.url}"))
        replace_by_keyboard(page, site, old.pk)
        secret = page.inner_text(".jobs-secret")
        button_shows = page.is_visible("button[data-copies]")
        if scripts:
            page.focus("button[data-copies]")
            page.keyboard.press("Enter")
            page.wait_for_selector(".jobs-copied:has-text('Copied')")
            copied = page.evaluate("navigator.clipboard.readText()")
        browser.close()

    assert complaints == []
    assert find_access(secret, project_key="x") is not None
    assert ApiKey.objects.get(replaces=old).prefix == secret[:12]
    assert button_shows is scripts  # without scripts the text is selected by a click
    assert not scripts or copied == secret
