"""Who may revoke a key, and what happens then; nobody may change or delete one."""

import re
from typing import Any, Final

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from jobs.models import ApiKey
from tests.support.admin_client import messages_of, text_of, url, with_permissions
from tests.support.factories import make_key, make_organization

STAFF_MAY: Final = ("view_apikey", "revoke_apikey")


def the_list() -> str:
    return url("apikey_changelist")


def test_the_button_revokes(client: Client, user: Any):
    key = make_key().key

    response = client.post(url("apikey_revoke", key.pk))

    key.refresh_from_db()
    assert key.revoked_at is not None
    assert response.url == url("apikey_change", key.pk)
    assert messages_of(response) == [f"The key {key} is revoked; its next request will be refused."]
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_repr, entry.get_change_message()) == (user.pk, str(key), "Revoked.")


def test_the_list_action_asks_for_confirmation_and_names_the_keys(client: Client):
    keys = [make_key(name=f"<b>{number}</b>").key for number in range(3)]
    chosen = {"action": "revoke_selected", "index": 0, "_selected_action": [key.pk for key in keys[:2]]}

    html = text_of(client.post(url("apikey_changelist"), chosen))

    assert not ApiKey.objects.filter(revoked_at__isnull=False).exists()
    assert [key.prefix in html for key in keys] == [True, True, False]
    assert "&lt;b&gt;0&lt;/b&gt;" in html


def test_the_confirmed_action_revokes_and_logs_each_ticked_key(client: Client):
    keys = [make_key().key for _ in range(3)]
    asked = {"action": "revoke_selected", "index": 0, "_selected_action": [key.pk for key in keys[:2]]}
    sent = dict.fromkeys(re.findall(r'name="_selected_action" value="(\d+)"', text_of(client.post(the_list(), asked))))

    response = client.post(
        the_list(), {"action": "revoke_selected", "confirmed": "yes", "_selected_action": list(sent)}
    )

    assert response.url == the_list()
    assert [ApiKey.objects.get(pk=key.pk).revoked_at is not None for key in keys] == [True, True, False]
    assert sorted(LogEntry.objects.values_list("object_id", flat=True)) == sorted(str(key.pk) for key in keys[:2])


def test_without_the_permission_a_confirmed_action_is_refused():
    key = make_key().key
    sent = {"action": "revoke_selected", "confirmed": "yes", "_selected_action": [key.pk]}

    response = with_permissions("view_apikey", "change_apikey", "rotate_apikey").post(the_list(), sent)

    assert response.status_code == 403
    assert ApiKey.objects.get().revoked_at is None


def test_revoking_again_is_reported_and_not_logged(client: Client):
    key = make_key().key
    client.post(url("apikey_revoke", key.pk))
    key.refresh_from_db()

    response = client.post(url("apikey_revoke", key.pk))

    assert ApiKey.objects.get().revoked_at == key.revoked_at
    assert f"The key {key} was revoked before." in messages_of(response)
    assert LogEntry.objects.count() == 1


def test_a_revoked_key_has_no_button(client: Client):
    key = make_key().key
    before = text_of(client.get(url("apikey_change", key.pk)))
    client.post(url("apikey_revoke", key.pk))

    after = text_of(client.get(url("apikey_change", key.pk)))

    assert url("apikey_revoke", key.pk) in before
    assert url("apikey_revoke", key.pk) not in after


def test_the_permission_to_view_keys_allows_nothing_else():
    client = with_permissions("view_apikey")
    key = make_key().key
    tick = {"action": "revoke_selected", "index": 0, "_selected_action": [key.pk]}

    refused = [
        client.post(url("apikey_add"), {"organization": make_organization().pk, "scopes": ["read"]}),
        client.get(url("apikey_add")),
        client.post(url("apikey_revoke", key.pk)),
        client.post(url("apikey_changelist"), tick),
    ]

    assert [response.status_code for response in refused] == [403] * 4
    assert client.get(url("apikey_changelist")).status_code == 200
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.parametrize("permissions", [(), ("view_job", "cancel_job"), ("add_apikey",)])
def test_without_the_permission_no_key_is_shown_or_revoked(permissions: tuple[str, ...]):
    client = with_permissions(*permissions)
    key = make_key().key

    responses = [
        client.get(url("apikey_changelist")),
        client.get(url("apikey_change", key.pk)),
        client.post(url("apikey_revoke", key.pk)),
    ]

    assert [response.status_code for response in responses] == [403] * 3
