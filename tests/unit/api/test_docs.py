"""The page for integrators: every code, this host's numbers and actions, nothing that a strict policy forbids."""

import json
import re
from html import unescape
from typing import Final

import pytest
from django.test import Client, override_settings

from jobs.api.docs import LANGUAGES, SAMPLES
from jobs.error_codes import ERROR_CODES
from tests.support.api_client import Api, assert_error
from tests.support.openapi.check import faults_of_body

pytestmark = pytest.mark.django_db

PAGES: Final = ["/public/docs", "/public/docs/reference"]


def text_of(client: Client, path: str = "/public/docs", **further: str) -> str:
    answer = client.get(path, headers=further)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_nothing_that_a_strict_policy_forbids(client: Client, path: str):
    page = re.sub(r"<pre.*?</pre>|<code.*?</code>", "", text_of(client, path), flags=re.DOTALL)

    assert not re.search(r"<style|<script>|\s(style|on[a-z]+)=|javascript:", page)
    assert "//" not in page


def test_every_link_leads_somewhere(client: Client):
    page = text_of(client)
    ids = re.findall(r'\bid="([^"]+)"', page)

    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="([^"]+)"', page):
        if target.startswith("#"):
            assert target[1:] in ids
        elif not target.startswith("/static/"):
            assert client.get(f"/public/{target}").status_code == 200, target


def test_every_error_leads_to_the_entry_of_its_code(api: Api):
    refused = api.get("/jobs/abc").json()
    page = text_of(api.client, refused["docs"].partition("#")[0])

    assert refused["docs"] == "/public/docs#error-invalid_field"
    assert re.findall(r'id="error-(\w+)"', page) == list(ERROR_CODES)


@override_settings(JOBS={"REQUESTS_PER_MINUTE": 4321, "CANCEL_WAIT_SECONDS": 7, "RETENTION_DAYS": 1234})
def test_the_page_shows_the_numbers_the_actions_and_the_address_of_this_host(client: Client):
    page = text_of(client)

    assert "4,321 a minute" in page
    assert "for 7 s at most" in page
    assert "1,234 days after its end" in page
    assert "<code>touch_publicly</code>" in page
    assert "<code>touch</code>" not in page
    assert ">at once</td>" in page
    assert ">at the next midnight UTC</td>" in page
    assert "http://testserver/public/openapi.json" in page


@override_settings(JOBS={"REQUESTS_PER_MINUTE": None, "USER_ERASE_ACTION": "no_such_action"})
def test_what_a_host_has_not_is_not_on_the_page(client: Client):
    page = text_of(client)

    assert "any number" in page
    assert "Erase a user" not in page
    assert "days after its end" not in page


def test_each_sample_is_there_in_each_language_and_can_be_copied(client: Client):
    page = text_of(client)
    ids = [f"{name}-{language}" for name in SAMPLES for language in LANGUAGES]

    assert sorted(re.findall(r'<code id="([^"]+-[^"]+)"', page)) == sorted(ids)
    assert sorted(re.findall(r'data-copies="([^"]+)"', page)) == sorted(ids)
    assert '-d \'{"action": "delete_user_data"' in unescape(page)


def test_the_job_on_the_page_is_one_that_the_document_describes(client: Client):
    (shown,) = re.findall(r'<code id="job">(.*?)</code>', text_of(client), re.DOTALL)
    job = json.loads(unescape(shown))

    assert faults_of_body("JobDetailsAnswer", job) == []
    assert job["data"].keys() >= {"progress", "receipt"}


@override_settings(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "jobs"])
def test_without_its_files_swagger_ui_is_not_found_and_the_page_does_not_link_to_it(client: Client):
    assert_error(client.get("/public/docs/reference"), 404, "not_found")
    assert "docs/reference" not in text_of(client)
