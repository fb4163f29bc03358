"""The admin's pages in a real browser: accessible in both themes, strict, narrow, and usable by keyboard alone."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser

from jobs.models import ApiKey, Job
from jobs.services.tenants.api_keys import find_access
from jobs.status import Status
from jobsite.models import Session
from tests.support.admin_scenes import ask_for_erasure, make_scene, paths, tour
from tests.support.browser_visits import Visit, too_wide, unreachable_regions, violations, visit
from tests.support.factories import LONG_AGO, make_job, make_project
from tests.support.http_server import Site

LIST = "admin:jobs_job_changelist"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_makes_no_outside_request(site: Site, browser: Browser, scheme: Any):
    scene = make_scene()
    visitor = visit(browser, site.address, color_scheme=scheme, viewport={"width": 1280, "height": 900})

    found = []
    for place in tour(visitor, scene, site):
        before = len(visitor.complaints)
        found += [f"{place}: {each}" for each in violations(visitor.page)]
        # What measures the page sets styles of its own on it, which the page's policy forbids.
        del visitor.complaints[before:]

    assert found == []
    assert visitor.complaints == []


def test_every_page_fits_a_narrow_window_and_scrolls_by_keyboard(site: Site, browser: Browser):
    scene = make_scene()
    visitor = visit(browser, site.address, viewport={"width": 320, "height": 640})

    found = {}
    for place in tour(visitor, scene, site):
        visitor.page.evaluate("document.querySelectorAll('#content details').forEach(each => each.open = true)")
        if wrong := [*filter(None, [too_wide(visitor.page)]), *unreachable_regions(visitor.page)]:
            found[place] = wrong

    assert found == {}
    assert visitor.complaints == []


def test_texts_of_users_run_no_script_and_stay_isolated(site: Site, browser: Browser):
    scene = make_scene()
    visitor = visit(browser, site.address)

    bare = {}
    for path in paths(scene, site):
        visitor.open(path)
        if found := texts_that_turn_their_surroundings(visitor):
            bare[path] = found

    assert bare == {}
    assert visitor.complaints == []  # a script that ran would have opened a dialog
    visitor.open(reverse("admin:jobs_job_change", args=[scene.jobs["failed"].pk]))
    assert visitor.page.locator("bdi", has_text="=cmd()").count() >= 4


def texts_that_turn_their_surroundings(visitor: Visit) -> list[str]:
    """Return where the override of direction stands in nothing that ends it; headings do, as all blocks."""
    return visitor.page.evaluate("""() => {
        const texts = document.createTreeWalker(document.getElementById("content"), NodeFilter.SHOW_TEXT);
        const found = [];
        while (texts.nextNode()) {
            const text = texts.currentNode;
            const isolated = text.parentElement.closest("bdi, h2, input, textarea, option, title, desc, script");
            if (text.data.includes("\\u202e") && !isolated) found.push(text.parentElement.outerHTML.slice(0, 160));
        }
        return found;
    }""")


def test_a_job_is_cancelled_by_keyboard_alone(site: Site, browser: Browser):
    job = make_job()
    visitor = visit(browser, site.address)
    visitor.open(reverse(LIST))

    visitor.tab_to("#result_list tbody th a")
    visitor.enter()
    visitor.tab_to("summary:has-text('Cancel')")
    visitor.page.keyboard.press("Enter")
    visitor.tab_to("input[name=reason]:visible")
    visitor.page.keyboard.type("asked for on the phone")
    visitor.enter()

    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert job.events.get().note == "asked for on the phone"
    assert f"Cancelled job {job.pk}." in visitor.page.inner_text(".messagelist")


def test_a_job_with_an_erase_map_is_asked_for_by_keyboard_once_its_preview_was_read(site: Site, browser: Browser):
    project = make_project()
    Session.objects.create(
        project=project, user_id="ana", started_at=LONG_AGO, duration=timedelta(1), country="IR", page="/"
    )
    visitor = visit(browser, site.address, viewport={"width": 390, "height": 844})

    ask_for_erasure(visitor, project.pk, "ana")
    shown, before = visitor.page.inner_text(".jobs-preview tbody"), Job.objects.count()
    visitor.tab_to(".jobs-submit button")
    visitor.enter()

    job = Job.objects.get()
    assert "sessions\terased\t1" in shown
    assert before == 0
    assert f"Job {job.pk} is scheduled." in visitor.page.inner_text(".messagelist")
    visitor.press("a:has-text('What would it do now?')")
    assert "sessions\terased\t1" in visitor.page.inner_text(".jobs-preview tbody")
    assert visitor.complaints == []


def choose_by_keyboard(visitor: Visit, action: str) -> None:
    """Come to the page that asks, once jobs are ticked; the actions stand above the list."""
    visitor.page.focus("#content a")
    visitor.tab_to("select[name=action]")
    visitor.page.keyboard.type(action)
    visitor.tab_to(".actions button")
    visitor.enter()


def test_ticked_jobs_are_cancelled_by_keyboard_alone(site: Site, browser: Browser):
    project = make_job().project
    job, other = make_job(project=project), make_job(project=project)
    visitor = visit(browser, site.address)
    visitor.open(reverse(LIST))

    visitor.tab_to(f"input[name=_selected_action][value='{job.pk}']")
    visitor.page.keyboard.press("Space")
    choose_by_keyboard(visitor, "Cancel")
    visitor.tab_to("input[name=reason]")
    visitor.page.keyboard.type("asked for on the phone")
    visitor.tab_to(".jobs-submit button")
    visitor.enter()

    job.refresh_from_db()
    other.refresh_from_db()
    assert (job.status, other.status) == (Status.CANCELLED, Status.SCHEDULED)
    assert job.events.get().note == "asked for on the phone"


def test_all_jobs_that_match_are_chosen_by_keyboard_alone(site: Site, browser: Browser):
    make_scene()
    visitor = visit(browser, site.address)
    visitor.open(f"{reverse(LIST)}?status=scheduled")

    visitor.tab_to("#action-toggle")
    visitor.page.keyboard.press("Space")
    visitor.page.focus("#content a")
    visitor.tab_to(".actions .question a")
    visitor.page.keyboard.press("Enter")
    choose_by_keyboard(visitor, "Cancel")
    visitor.tab_to(".jobs-submit button")
    visitor.enter()

    assert Job.objects.get(action="change_jobs").parameters["change"] == "cancel"
    assert not Job.objects.filter(status=Status.CANCELLED, action="wait").exists()  # no worker is about


def test_the_pages_work_without_scripts(site: Site, browser: Browser):
    scene = make_scene()
    visitor = visit(browser, site.address, java_script_enabled=False)

    for path in paths(scene, site):
        visitor.open(path)
    visitor.open(reverse("admin:jobs_job_overview"))
    toggle_shows = visitor.page.is_visible("#jobs-overview-toggle")
    visitor.page.click("#jobs-figures summary")
    table_shows = visitor.page.is_visible("#jobs-figures table")
    held = scene.jobs["held"]
    visitor.open(reverse("admin:jobs_job_change", args=[held.pk]))
    visitor.page.click("summary:has-text('Resume')")
    visitor.press("button:has-text('Resume the job')")

    held.refresh_from_db()
    assert not held.is_held
    assert not toggle_shows
    assert table_shows
    assert visitor.complaints == []


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
