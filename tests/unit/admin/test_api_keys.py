"""API keys in the admin: created by the service, the secret shown once, listed without it."""

from datetime import timedelta
from typing import Any, Final

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from jobs.models import ApiKey
from jobs.services.tenants.api_keys import hash_secret
from tests.support.admin_client import messages_of, queries_of, text_of, url
from tests.support.factories import make_key, make_organization, make_project

STAFF_MAY: Final = ("view_apikey", "add_apikey", "revoke_apikey")

SCRIPT: Final = "<script>alert(1)</script>"


def add(client: Client, **fields: Any) -> Any:
    given = {"name": "", "project": "", "scopes": ["read"], "lifetime_days": "", **fields}
    if "organization" not in given:
        given["organization"] = make_organization().pk
    return client.post(url("apikey_add"), given)


def errors_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 200
    assert not ApiKey.objects.exists()
    return dict(response.context["adminform"].form.errors)


def test_the_form_creates_the_key_and_logs_it(client: Client, user: Any):
    project = make_project()

    add(
        client,
        organization=project.organization_id,
        project=project.pk,
        name="CRM",
        scopes=["cancel", "read"],
        lifetime_days="30",
    )

    key = ApiKey.objects.get()
    assert (key.organization_id, key.project_id, key.name) == (project.organization_id, project.pk, "CRM")
    assert (key.scopes, key.created_by_id) == (["read", "cancel"], user.pk)
    assert timedelta(days=29, hours=23) < key.expires_at - timezone.now() < timedelta(days=30, minutes=1)
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_id, entry.object_repr) == (user.pk, str(key.pk), str(key))


def test_a_key_without_project_and_lifetime_has_neither(client: Client):
    add(client)

    key = ApiKey.objects.get()
    assert (key.project_id, key.expires_at) == (None, None)


def test_the_secret_is_shown_once_and_stored_nowhere(client: Client):
    response = add(client, name="CRM")

    key = ApiKey.objects.get()
    secret = response.context["secret"]
    assert hash_secret(secret) == key.digest
    assert text_of(response).count(secret) == 1
    assert "no-store" in response["Cache-Control"]
    stored = [str(response.headers), str(response.cookies), str(messages_of(response))]
    stored += [str(session.get_decoded()) for session in Session.objects.all()]
    stored += [str(row) for row in LogEntry.objects.values()] + [str(row) for row in ApiKey.objects.values()]
    pages = [text_of(client.get(url(page))) for page in ("apikey_changelist", "apikey_add")]
    pages += [text_of(client.get(url(page, key.pk))) for page in ("apikey_change", "apikey_history")]
    assert not any(secret in place for place in stored + pages)
    assert not any(key.digest in page for page in pages)


def test_a_project_of_another_organization_is_refused(client: Client):
    response = add(client, project=make_project().pk)

    assert errors_of(response) == {"project": ["is not of this organization"]}


@pytest.mark.parametrize(
    ("wrong", "values"),
    {
        "scopes": [[], ["root"]],
        "lifetime_days": ["0", "-1", "36501", "1" * 40, "soon"],
        "organization": ["", "999999999"],
        "project": ["999999999"],
        "name": ["a\0b", "x" * 201],
    }.items(),
)
def test_an_invalid_value_is_refused_at_its_field(client: Client, wrong: str, values: list[Any]):
    for value in values:
        assert set(errors_of(add(client, **{wrong: value}))) == {wrong}, value


def test_the_form_offers_the_narrowest_scope(client: Client):
    assert client.get(url("apikey_add")).context["adminform"].form["scopes"].value() == ["read"]


def test_the_list_shows_its_columns_and_names_are_escaped(client: Client, user: Any):
    project = make_project(name=f"Shop {SCRIPT}", organization=make_organization(name=f"Acme {SCRIPT}"))
    named = {"organization": project.organization, "project": project, "name": f"CRM {SCRIPT}"}
    key = make_key(scopes=["read"], created_by=user, **named).key

    html = text_of(client.get(url("apikey_changelist")))

    expected = {key.prefix, "valid", "Acme", "Shop", "CRM", "read", user.username}
    assert {text for text in expected if text in html} == expected
    assert "<script>alert" not in html + text_of(client.get(url("apikey_change", key.pk)))


@pytest.mark.parametrize(("column", "told"), [("expires_at", "○</span> expired"), ("revoked_at", "⊘</span> revoked")])
def test_an_expired_or_revoked_key_says_so(client: Client, column: str, told: str):
    key = make_key().key
    ApiKey.objects.update(**{column: timezone.now() - timedelta(seconds=1)})

    assert told in text_of(client.get(url("apikey_change", key.pk)))


def test_a_digest_cannot_be_filtered_by(client: Client):
    assert client.get(url("apikey_changelist"), {"digest__startswith": "a"}).status_code == 400


def test_the_list_takes_the_same_number_of_queries_for_any_number_of_rows(client: Client, user: Any):
    def cost() -> int:
        project = make_project()
        make_key(organization=project.organization, project=project, created_by=user)
        return len(queries_of(client, url("apikey_changelist")))

    cost()

    assert cost() == cost()
