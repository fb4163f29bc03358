"""Tables of ``jobs`` itself, which a map of the host's users need not declare."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import models

from jobs.erasure import anonymise, erase, keep, subject
from jobs.erasure.planning import plan_of
from jobs.models import ApiKey
from tests.support.erase_maps import counts_of, faults_of, preview_of, run_map, told_of
from tests.support.execution import ANA, BEN
from tests.support.factories import make_key, make_project

pytestmark = pytest.mark.django_db(transaction=True)


def test_api_keys_stay_and_do_not_say_any_more_who_made_them_without_being_declared():
    told = subject("user", erase(User, by="email", across_projects=True), erase(LogEntry))
    mine, other = make_project(), make_project()
    for owner in (ANA, BEN):
        user = User.objects.create(username=owner, email=owner)
        old = make_key(organization=mine.organization, created_by=user).key
        key = make_key(organization=other.organization, project=other, created_by=user).key
        ApiKey.objects.filter(pk=key.pk).update(replaces=old.pk)

    found = preview_of(told, project=mine)
    job = run_map(told, project=mine)

    assert counts_of(found)["jobs.ApiKey.created_by"] == 2
    assert told_of(job)[-2:] == [("jobs.ApiKey.created_by", "setNull", 2, 2, 0), ("auth.User", "erased", 1, 1, 0)]
    assert list(ApiKey.objects.order_by("id").values_list("created_by__email", flat=True)) == [None, None, BEN, BEN]


def test_they_may_be_declared_and_where_users_stay_nothing_is_done_to_them():
    log = erase(LogEntry)
    kept = subject("user", erase(User, by="email", across_projects=True), log, keep(ApiKey, because="ours"))
    stays = subject("user", anonymise(User, by="email", across_projects=True, email=""), log)

    assert "jobs.ApiKey" in [store.name for store in plan_of(kept).stores]
    assert faults_of(stays) == []
    assert not [store for store in plan_of(stays).stores if store.model is ApiKey]


def test_a_table_whose_rows_would_go_too_must_be_declared():
    project = ApiKey._meta.get_field("project").related_model
    problems = plan_of(subject("user", erase(project, by="key", across_projects=True))).problems

    assert ApiKey._meta.get_field("project").remote_field.on_delete is models.CASCADE
    assert any("jobs.ApiKey, reached by" in problem.text for problem in problems)
