"""Buttons of an API key: replace it with an overlap, revoke it; and the list's action that revokes many."""

import re
from datetime import timedelta
from typing import Any, Final

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from jobs.models import ApiKey
from jobs.services.tenants.api_keys import find_access
from tests.support.admin_client import messages_of, text_of, url, with_permissions
from tests.support.factories import make_key, make_organization

STAFF_MAY: Final = ("view_apikey", "rotate_apikey", "revoke_apikey")


def rotate(client: Client, key: ApiKey, hours: object = 24) -> Any:
    return client.post(url("apikey_rotate", key.pk), {"overlap_hours": hours})


def opens(secret: str) -> bool:
    return find_access(secret, project_key="x") is not None


def test_the_new_key_is_shown_once_both_work_link_to_each_other_and_are_logged_without_the_secret(
    client: Client, user: Any
):
    made = make_key(name="CRM", scopes=["read"])
    old = made.key

    response = rotate(client, old)

    new = ApiKey.objects.get(replaces=old)
    secret = response.context["secret"]
    assert opens(secret)
    assert opens(made.secret)
    assert secret.startswith(new.prefix)
    assert text_of(response).count(secret) == 1
    assert "no-store" in response["Cache-Control"]
    assert (new.name, new.scopes, new.created_by_id) == ("CRM", ["read"], user.pk)
    assert f'href="{url("apikey_change", new.pk)}">{new}' in text_of(client.get(url("apikey_change", old.pk)))
    assert f'href="{url("apikey_change", old.pk)}">{old}' in text_of(client.get(url("apikey_change", new.pk)))
    told = {entry.object_id: entry.get_change_message() for entry in LogEntry.objects.all()}
    assert told == {str(old.pk): f"Replaced by {new}.", str(new.pk): f"Made to replace {old}."}
    assert not any(secret in str(row) for row in LogEntry.objects.values())


@pytest.mark.parametrize("hours", [0, 1, 24, 2160])
def test_the_page_says_when_the_old_key_ends_without_an_overlap_at_once(client: Client, hours: int):
    made = make_key()

    html = text_of(rotate(client, made.key, hours))

    (old,) = ApiKey.objects.filter(pk=made.key.pk)
    assert old.expires_at is not None
    assert (old.expires_at - timezone.now()).total_seconds() == pytest.approx(hours * 3600, abs=60)
    assert opens(made.secret) == bool(hours)
    assert (f'datetime="{old.expires_at.isoformat()}"' in html) == bool(hours)
    assert ("goes on working until" if hours else "no longer works") in html


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


def test_an_invalid_overlap_replaces_nothing(client: Client):
    key = make_key().key

    for number, hours in enumerate(["", "-1", "5", "soon", "1e9"], start=1):
        assert len(messages_of(rotate(client, key, hours))) == number

    assert ApiKey.objects.count() == 1


def test_replacing_needs_its_permission():
    client = with_permissions("view_apikey", "add_apikey", "change_apikey", "revoke_apikey")
    key = make_key().key

    assert url("apikey_rotate", key.pk) not in text_of(client.get(url("apikey_change", key.pk)))
    assert rotate(client, key).status_code == 403
    assert ApiKey.objects.count() == 1


def test_the_button_revokes_once_and_is_gone_and_revoking_again_is_reported_and_not_logged(client: Client, user: Any):
    key = make_key().key
    before = text_of(client.get(url("apikey_change", key.pk)))

    response = client.post(url("apikey_revoke", key.pk))

    key.refresh_from_db()
    assert key.revoked_at is not None
    assert response.url == url("apikey_change", key.pk)
    assert messages_of(response) == [f"The key {key} is revoked; its next request will be refused."]
    again = client.post(url("apikey_revoke", key.pk))
    assert ApiKey.objects.get().revoked_at == key.revoked_at
    assert f"The key {key} was revoked before." in messages_of(again)
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_repr, entry.get_change_message()) == (user.pk, str(key), "Revoked.")
    assert url("apikey_revoke", key.pk) in before
    assert url("apikey_revoke", key.pk) not in text_of(client.get(url("apikey_change", key.pk)))


def test_the_list_action_names_the_keys_and_once_confirmed_revokes_and_logs_each(client: Client):
    keys = [make_key(name=f"<b>{number}</b>").key for number in range(3)]
    chosen = {"action": "revoke_selected", "index": 0, "_selected_action": [key.pk for key in keys[:2]]}

    html = text_of(client.post(url("apikey_changelist"), chosen))
    revoked_before = ApiKey.objects.filter(revoked_at__isnull=False).count()
    sent = list(dict.fromkeys(re.findall(r'name="_selected_action" value="(\d+)"', html)))
    confirmed = {"action": "revoke_selected", "confirmed": "yes", "_selected_action": sent}
    response = client.post(url("apikey_changelist"), confirmed)

    assert revoked_before == 0
    assert [key.prefix in html for key in keys] == [True, True, False]
    assert "&lt;b&gt;0&lt;/b&gt;" in html
    assert response.url == url("apikey_changelist")
    assert [ApiKey.objects.get(pk=key.pk).revoked_at is not None for key in keys] == [True, True, False]
    assert sorted(LogEntry.objects.values_list("object_id", flat=True)) == sorted(str(key.pk) for key in keys[:2])


def test_the_permission_to_view_keys_allows_nothing_else():
    client = with_permissions("view_apikey", "change_apikey")
    key = make_key().key
    tick = {"action": "revoke_selected", "index": 0, "confirmed": "yes", "_selected_action": [key.pk]}

    refused = [
        client.post(url("apikey_add"), {"organization": make_organization().pk, "scopes": ["read"]}),
        client.get(url("apikey_add")),
        client.post(url("apikey_revoke", key.pk)),
        client.post(url("apikey_changelist"), tick),
    ]

    assert [response.status_code for response in refused] == [403] * 4
    assert client.get(url("apikey_changelist")).status_code == 200
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.parametrize(
    "permissions", [(), ("view_job", "cancel_job"), ("add_apikey",), ("rotate_apikey",), ("revoke_apikey",)]
)
def test_without_the_permission_no_key_is_shown_replaced_or_revoked(permissions: tuple[str, ...]):
    client, key = with_permissions(*permissions), make_key().key

    pages = [client.get(address) for address in (url("apikey_changelist"), url("apikey_change", key.pk))]
    buttons = [rotate(client, key), client.post(url("apikey_revoke", key.pk))]

    assert [response.status_code for response in pages + buttons] == [403] * 4
    assert ApiKey.objects.get().revoked_at is None
