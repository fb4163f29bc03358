"""Replacing a key: the new secret is shown once, the old key goes on for the overlap."""

from datetime import timedelta
from typing import Any, Final

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from jobs.models import ApiKey
from jobs.services.tenants.api_keys import find_access
from tests.support.admin_client import messages_of, text_of, url, with_permissions
from tests.support.factories import make_key

STAFF_MAY: Final = ("view_apikey", "rotate_apikey")


def rotate(client: Client, key: ApiKey, hours: object = 24) -> Any:
    return client.post(url("apikey_rotate", key.pk), {"overlap_hours": hours})


def opens(secret: str) -> bool:
    return find_access(secret, project_key="x") is not None


def test_the_new_key_is_shown_once_and_both_work(client: Client, user: Any):
    old = make_key(name="CRM", scopes=["read"])

    response = rotate(client, old.key)

    new = ApiKey.objects.get(replaces=old.key)
    secret = response.context["secret"]
    assert opens(secret)
    assert opens(old.secret)
    assert secret.startswith(new.prefix)
    assert text_of(response).count(secret) == 1
    assert "no-store" in response["Cache-Control"]
    assert (new.name, new.scopes, new.created_by_id) == ("CRM", ["read"], user.pk)


@pytest.mark.parametrize("hours", [1, 24, 2160])
def test_the_page_says_when_the_old_key_ends(client: Client, hours: int):
    old = make_key().key

    html = text_of(rotate(client, old, hours))

    old.refresh_from_db()
    assert old.expires_at is not None
    assert (old.expires_at - timezone.now()).total_seconds() == pytest.approx(hours * 3600, abs=60)
    assert f'datetime="{old.expires_at.isoformat()}"' in html
    assert "goes on working until" in html


def test_without_an_overlap_the_old_key_ends_at_once(client: Client):
    old = make_key()

    html = text_of(rotate(client, old.key, 0))

    assert not opens(old.secret)
    assert "no longer works" in html


def test_both_keys_link_to_each_other(client: Client):
    old = make_key().key
    rotate(client, old)
    new = ApiKey.objects.get(replaces=old)

    pages = [text_of(client.get(url("apikey_change", key.pk))) for key in (old, new)]

    assert f'href="{url("apikey_change", new.pk)}">{new}' in pages[0]
    assert f'href="{url("apikey_change", old.pk)}">{old}' in pages[1]


def test_the_log_names_both_keys_and_no_secret(client: Client):
    old = make_key().key

    secret = rotate(client, old).context["secret"]

    new = ApiKey.objects.get(replaces=old)
    told = {entry.object_id: entry.get_change_message() for entry in LogEntry.objects.all()}
    assert told == {str(old.pk): f"Replaced by {new}.", str(new.pk): f"Made to replace {old}."}
    assert not any(secret in str(row) for row in LogEntry.objects.values())


def end(key: ApiKey, how: str) -> None:
    now = timezone.now()
    if how == "revoked":
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=now)
    elif how == "expired":
        ApiKey.objects.filter(pk=key.pk).update(expires_at=now - timedelta(seconds=1))
    else:
        ApiKey.objects.filter(pk=make_key().key.pk).update(replaces=key)


@pytest.mark.parametrize("how", ["revoked", "expired", "replaced"])
def test_a_key_that_cannot_be_replaced_has_no_button_and_is_refused(client: Client, how: str):
    key = make_key().key
    before = text_of(client.get(url("apikey_change", key.pk)))
    end(key, how)
    count = ApiKey.objects.count()

    after = text_of(client.get(url("apikey_change", key.pk)))
    response = rotate(client, key)

    assert url("apikey_rotate", key.pk) in before
    assert url("apikey_rotate", key.pk) not in after
    assert response.url == url("apikey_change", key.pk)
    assert messages_of(response) == [f"The key {key} was not replaced: it no longer works, or was replaced before."]
    assert ApiKey.objects.count() == count
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("hours", ["", "-1", "5", "soon", "1e9"])
def test_an_invalid_overlap_replaces_nothing(client: Client, hours: str):
    key = make_key().key

    response = rotate(client, key, hours)

    assert len(messages_of(response)) == 1
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    "permissions", [(), ("rotate_apikey",), ("view_apikey", "add_apikey", "change_apikey", "revoke_apikey")]
)
def test_replacing_needs_its_permission(permissions: tuple[str, ...]):
    client = with_permissions(*permissions)
    key = make_key().key

    page = text_of(client.get(url("apikey_change", key.pk)))
    response = rotate(client, key)

    assert response.status_code == 403
    assert url("apikey_rotate", key.pk) not in page
    assert ApiKey.objects.count() == 1
