import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import models
from django.db.models import Q
from django.utils import timezone

from jobs.exceptions import ApiKeyNotFound, InvalidField
from jobs.models import ApiKey
from jobs.services.tenants.api_keys import (
    BASE62,
    checksum,
    create_api_key,
    find_access,
    hash_secret,
    is_well_formed,
    make_secret,
    revoke_api_key,
)
from jobs.services.tenants.projects import public_id_of
from tests.support.concurrency import other_connection, transaction_of
from tests.support.factories import make_key, make_organization, make_project


def test_a_key_has_190_random_bits_and_a_checksum():
    secrets = {make_secret() for _ in range(200)}

    assert len(secrets) == 200
    assert all(re.fullmatch(r"jsk_[0-9A-Za-z]{38}", secret) for secret in secrets)
    assert all(is_well_formed(secret) for secret in secrets)
    assert len(BASE62) ** 32 > 2**190
    assert all(len(checksum(body)) == 6 for body in ("", "a" * 32, "z" * 32))


def test_a_single_wrong_character_is_noticed():
    secret = make_secret()

    for place in range(len(secret)):
        other = "a" if secret[place] != "a" else "b"
        assert not is_well_formed(secret[:place] + other + secret[place + 1 :])


@pytest.mark.parametrize("text", ["", "jsk_", "x" * 42, "jsk_" + "é" * 38, "jsk_" + "\ud800" * 38, "\0" * 42])
def test_a_text_that_is_no_key_has_no_hash(text: str):
    assert not is_well_formed(text)
    with pytest.raises(ValueError, match="not an API key"):
        hash_secret(text)


@pytest.mark.django_db
def test_only_the_hash_is_stored():
    made = make_key(name="CI")

    row = ApiKey.objects.filter(pk=made.key.pk).values().get()
    assert made.secret not in str(row)
    assert row["digest"] == hash_secret(made.secret)
    assert made.secret not in f"{made.key} {made.key!r}"


@pytest.mark.django_db
def test_key_organization_and_project_are_read_in_one_query(django_assert_num_queries):
    project = make_project()
    made = make_key(organization=project.organization)
    ApiKey.objects.update(last_used_at=timezone.now())

    with django_assert_num_queries(1):
        access = find_access(made.secret, project_key=project.key)
        assert access is not None
        assert access.key.organization == project.organization
        assert access.project is not None
        assert (access.project.pk, access.project.key) == (project.pk, project.key)
        assert public_id_of(access.project)


@pytest.mark.django_db
@pytest.mark.parametrize("project_key", ["", "unknown", "\0", "a\0b", "\ud800", "\n", "x" * 10_000, "💩", "'"])
def test_a_text_that_is_no_project_key_finds_no_project(project_key: str):
    made = make_key(organization=make_project().organization)

    access = find_access(made.secret, project_key=project_key)

    assert access is not None
    assert access.project is None


@pytest.mark.django_db
def test_a_key_opens_the_projects_of_its_organization_or_the_one_it_is_bound_to():
    project = make_project()
    other, foreign = make_project(organization=project.organization), make_project()
    free = make_key(organization=project.organization)
    bound = make_key(organization=project.organization, project=project)

    for made, expected in ((free, [project, other, None]), (bound, [project, None, None])):
        opened = [find_access(made.secret, project_key=each.key) for each in (project, other, foreign)]
        assert [access.project for access in opened if access] == expected


@pytest.mark.django_db
def test_an_expired_or_revoked_key_is_refused():
    expired, revoked = make_key(), make_key()
    ApiKey.objects.filter(pk=expired.key.pk).update(expires_at=timezone.now() - timedelta(milliseconds=1))
    revoke_api_key(revoked.key.prefix)

    assert find_access(expired.secret, project_key="x") is None
    assert find_access(revoked.secret, project_key="x") is None


@pytest.mark.django_db
def test_use_is_recorded_at_most_once_a_minute():
    made = make_key()
    moments = []

    for age in (None, timedelta(seconds=50), timedelta(seconds=70)):
        if age is not None:
            ApiKey.objects.update(last_used_at=timezone.now() - age)
        before = ApiKey.objects.get().last_used_at
        find_access(made.secret, project_key="x")
        moments.append(ApiKey.objects.get().last_used_at != before)

    assert moments == [True, False, True]


@pytest.mark.django_db(transaction=True)
def test_use_is_not_recorded_while_the_database_is_busy():
    made = make_key()

    with other_connection() as other, transaction_of(other, "UPDATE jobs_apikey SET name = 'x'"):
        begun = timezone.now()
        access = find_access(made.secret, project_key="x")
        waited = timezone.now() - begun

    assert access is not None
    assert waited < timedelta(seconds=1)
    assert ApiKey.objects.get().last_used_at is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("scopes", scopes) for scopes in ([], ["write"], ["read", "READ"])),
        *(("lifetime", timedelta(days=days)) for days in (0, -1, 36_501)),
    ],
)
def test_a_key_needs_scopes_that_exist_and_a_lifetime_within_bounds(field: str, value: Any):
    with pytest.raises(InvalidField, match=f"^{field}: "):
        make_key(**{field: value})


@pytest.mark.django_db
def test_a_key_needs_a_project_of_its_organization():
    with pytest.raises(InvalidField, match="^project: "):
        create_api_key(organization=make_organization(), project=make_project())


@pytest.mark.django_db
def test_an_unknown_prefix_is_not_found():
    with pytest.raises(ApiKeyNotFound):
        revoke_api_key("jsk_unknown")


class Tenant:
    """The name of the projects that the request may see."""

    name = ""


class ByRequest(models.Manager):
    """A manager of a host's that shows the projects of the tenant of the request."""

    def get_queryset(self):
        return super().get_queryset().filter(name=Tenant.name)


class FilteringManager(models.Manager):
    """The same by one method."""

    def filter(self, *args: Any, **kwargs: Any):
        return super().filter(*args, **kwargs).filter(name=Tenant.name)


class FilteringQuerySet(models.QuerySet):
    """The same by the queryset, whose manager has Django's ``get_queryset``."""

    def filter(self, *args: Any, **kwargs: Any):
        return super().filter(Q(name=Tenant.name), *args, **kwargs)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "make_manager",
    [ByRequest, FilteringManager, FilteringQuerySet.as_manager, models.Manager.from_queryset(FilteringQuerySet)],
)
def test_a_hosts_manager_that_filters_by_the_request_is_asked_each_time(
    make_manager: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
):
    project = make_project()
    made = make_key(organization=project.organization)
    manager = make_manager()
    manager.model = type(project)
    monkeypatch.setitem(vars(type(project)._meta), "default_manager", manager)
    found = []

    for tenant in ("another", project.name, "another"):
        monkeypatch.setattr(Tenant, "name", tenant)
        access = find_access(made.secret, project_key=project.key)
        found.append(access and access.project)

    assert found == [None, project, None]
