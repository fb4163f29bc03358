"""Rules that every page of the admin keeps."""

import re
from html.parser import HTMLParser
from typing import Any, Final

import pytest
from django.test import Client
from django.urls import resolve

from jobs.models import JobEvent, Pause, Project
from tests.support.admin_client import text_of, url
from tests.support.admin_overview import words_of
from tests.support.factories import LONG_AGO, make_key, make_organization, make_project, make_running_job

STAFF_MAY: Final = None

INLINE: Final = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>\s*\S|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)
OUTSIDE: Final = re.compile(r"(?:src|href|action)=[\"'](?:https?:)?//", re.IGNORECASE)


def every_page(client: Client) -> dict[str, Any]:
    project = make_project()
    key = make_key(organization=project.organization, project=project).key
    receipt = {"stores": {"events": {"found": 2, "done": 1, "left": 1}}, "verified_at": LONG_AGO.isoformat()}
    job = make_running_job(project=project, receipt=receipt, progress_done=1, progress_total=2, parameters={"a": "b"})
    event = {"what": "claimed", "to_status": "running", "attempt": 1, "actor": "worker:a", "note": "n", "detail": "d"}
    JobEvent.objects.create(job=job, at=LONG_AGO, **event)
    pause = Pause.objects.create(reason="x", created_at=LONG_AGO, created_by="system")
    rows = {"job": job.pk, "apikey": key.pk, "organization": project.organization_id, "pause": pause.pk}
    if not Project._meta.swapped:
        rows["project"] = project.pk
    addresses = [url(f"{model}_changelist") for model in rows]
    addresses += [url(f"{model}_{page}", pk) for model, pk in rows.items() for page in ("change", "history")]
    addresses += [url(f"{model}_add") for model in rows]
    addresses += [url("job_overview"), f"{url('job_changelist')}?_facets=True&project={project.pk}"]
    pages = {address: client.get(address) for address in addresses}
    form = {"organization": project.organization_id, "project": "", "name": "", "scopes": ["read"], "lifetime_days": ""}
    tick = {"action": "revoke_selected", "index": 0, "_selected_action": [key.pk]}
    return {
        **pages,
        "the new key": client.post(url("apikey_add"), form),
        "whether to revoke": client.post(url("apikey_changelist"), tick),
        "the key that replaces": client.post(url("apikey_rotate", key.pk), {"overlap_hours": 24}),
    }


def test_no_page_breaks_a_strict_content_security_policy_and_each_loads_the_style_sheet_once(client: Client):
    for address, page in every_page(client).items():
        assert page.status_code == 200, address
        assert not INLINE.findall(text_of(page)), address
        assert not OUTSIDE.findall(text_of(page)), address
        if not address.endswith("/history/"):
            assert text_of(page).count('href="/static/jobs/admin.css"') == 1, address


@pytest.mark.parametrize(
    "page",
    [
        *("job_changelist", "job_add", "job_cancel", "job_bulk", "job_overview"),
        *("apikey_changelist", "apikey_add", "apikey_revoke", "apikey_rotate"),
        *("organization_disable", "organization_enable", "pause_add", "pause_resume"),
    ],
)
def test_no_view_runs_in_a_transaction_of_the_whole_request(page: str):
    address = url(page, *([] if page.endswith(("changelist", "add", "bulk", "overview")) else [1]))

    assert "default" in resolve(address).func._non_atomic_requests


class Forms(HTMLParser):
    """How deep forms stand in forms, and what each that posts to an address of ours sends."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = self.deepest = 0
        self.sent: dict[str, set[str]] = {}
        self._action = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self.depth += 1
            self.deepest = max(self.depth, self.deepest)
            self._action = found.get("action") or ""
        elif tag in ("input", "button") and self.depth:
            self.sent.setdefault(self._action, set()).add(found.get("name") or tag)

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "form"


def test_every_button_has_a_form_of_its_own_and_spaces_around_an_id_are_ignored(client: Client):
    job = make_running_job()
    forms = Forms()

    forms.feed(text_of(client.get(url("job_change", f" {job.pk} "))))

    assert (forms.depth, forms.deepest) == (0, 1)
    assert forms.sent[url("job_cancel", job.pk)] == {"csrfmiddlewaretoken", "reason", "button"}


@pytest.mark.parametrize("page", ["job_add", "apikey_add", "pause_add"])
def test_no_form_lists_projects_or_organizations(client: Client, page: str):
    make_project(name="Some shop", organization=make_organization(name="Some customer"))

    assert not re.findall("Some (shop|customer)", text_of(client.get(url(page))))


def test_confirmation_pages_have_breadcrumbs_as_django_s_pages_have(client: Client):
    job, key = make_running_job(), make_key().key
    cancel = client.post(url("job_changelist"), {"action": "cancel_selected", "_selected_action": [job.pk]})
    revoke = client.post(url("apikey_changelist"), {"action": "revoke_selected", "_selected_action": [key.pk]})

    for page, name in ((cancel, "Jobs (› )?Cancel these jobs"), (revoke, "API keys (› )?Revoke API keys")):
        assert re.search(rf"Home (› )?Jobs (› )?{name}", words_of(text_of(page)))


@pytest.mark.parametrize(
    ("model", "words"),
    [("job", "Jobs"), ("apikey", "API keys"), ("organization", "Organizations"), ("project", "Projects")],
)
def test_the_search_box_has_a_label(client: Client, model: str, words: str):
    if model == "project" and Project._meta.swapped:
        pytest.skip("the host has a model of its own for projects")

    html = text_of(client.get(url(f"{model}_changelist")))

    labels = re.findall(r'<label for="searchbar"[^>]*>(.*?)</label>', html)
    assert labels[0] == words
