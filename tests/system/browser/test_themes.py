"""Themes in a real browser: each page of ours works, is readable and has visible inputs, as the how-to sets it up."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from django.urls import reverse
from playwright.sync_api import Browser

from jobs.models import ApiKey
from jobs.services.tenants.api_keys import find_access
from tests.support.admin_scenes import Scene, make_scene, tour
from tests.support.browser_visits import Visit, invisible_inputs, too_wide, unreadable_texts, visit
from tests.support.http_server import Site
from tests.support.themes import themed_site

pytestmark = pytest.mark.timeout(400)

THEMES: Final = ("unfold", "jazzmin")
WIDE: Final = {"color_scheme": "light", "viewport": {"width": 1440, "height": 900}}
NARROW: Final = {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}}
# To look at what the test sees: a directory that takes a picture of every page.
PICTURES: Final = os.environ.get("THEME_PICTURES", "")


@pytest.fixture(params=THEMES)
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def themed(theme: str, tmp_path: Path, transactional_db: None) -> Iterator[Site]:
    with themed_site(theme, tmp_path) as site:
        yield site


@pytest.mark.parametrize("how", [WIDE, NARROW], ids=["light, wide", "dark, narrow"])
def test_every_page_works_and_is_readable_on_a_theme(theme: str, themed: Site, browser: Browser, how: dict[str, Any]):
    scene = make_scene()
    visitor = visit(browser, themed.address, **how)
    visitor.complaints.clear()  # those of the theme's own login page

    found: dict[str, str] = {}
    for place in everything(visitor, scene, themed):
        visitor.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        wrong = [*invisible_inputs(visitor.page), *unreadable_texts(visitor.page), too_wide(visitor.page)]
        found |= {each: place for each in wrong if each and each not in found}
        take_picture(visitor, f"{theme}-{how['color_scheme']}", place)

    assert not found, "\n".join(f"{place}: {each}" for each, place in found.items())
    assert visitor.complaints == []


def everything(visitor: Visit, scene: Scene, site: Site) -> Iterator[str]:
    """Go through Django's own pages of our models, too."""
    project = scene.jobs["failed"].project
    rows = {"organization": project.organization.pk, "project": project.pk, "apikey": site.key_id}
    rows |= {"job": scene.jobs["failed"].pk, "pause": scene.pause.pk}
    own = [reverse(f"admin:jobs_{name}_history", args=[pk]) for name, pk in rows.items()]
    own += [reverse(f"admin:jobs_{name}_delete", args=[rows[name]]) for name in ("organization", "project")]
    for path in [reverse("admin:index"), *own]:
        visitor.open(path)
        yield path
    yield from tour(visitor, scene, site)


def test_a_key_is_made_and_its_secret_shown_on_a_theme(themed: Site, browser: Browser):
    organization = ApiKey.objects.get().organization
    visitor = visit(browser, themed.address, **WIDE)
    visitor.open(reverse("admin:jobs_apikey_add"))
    visitor.page.evaluate(
        "id => document.querySelector('select[name=organization]').append(new Option('it', id, true, true))",
        organization.pk,
    )

    visitor.press("[name=_save]")

    secret = visitor.page.inner_text(".jobs-secret")
    assert find_access(secret, project_key="x") is not None


def test_the_search_and_the_filter_by_project_are_sent_on_a_theme(themed: Site, browser: Browser):
    scene = make_scene()
    visitor = visit(browser, themed.address, **WIDE)
    jobs = reverse("admin:jobs_job_changelist")

    visitor.open(f"{jobs}?status=failed")
    visitor.page.fill("#searchbar", str(scene.jobs["failed"].pk))
    with visitor.page.expect_navigation():
        visitor.page.press("#searchbar", "Enter")
    searched = visitor.page.url
    visitor.open(f"{jobs}?status=failed&project={scene.jobs['failed'].project_id}")
    with visitor.page.expect_navigation():
        visitor.page.evaluate("document.querySelector('button[form=jobs-project-filter]').click()")

    assert f"q={scene.jobs['failed'].pk}" in searched
    assert visitor.page.url.endswith(f"status=failed&project={scene.jobs['failed'].project_id}")


def take_picture(visitor: Visit, directory: str, place: str) -> None:
    if PICTURES:
        target = Path(PICTURES, directory)
        target.mkdir(parents=True, exist_ok=True)
        name = f"{len(list(target.iterdir())):02}-{place.removeprefix('/admin/jobs/').replace('/', '_')}"
        visitor.page.screenshot(path=target / f"{name[:60]}.png", full_page=True)
