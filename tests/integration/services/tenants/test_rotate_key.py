"""``rotate_api_key``: a new key replaces an old one, which works for a while longer."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.exceptions import ApiKeyNotFound, InvalidField
from jobs.models import ApiKey
from jobs.services.tenants.api_keys import find_access, revoke_api_key, rotate_api_key
from tests.support.concurrency import InThread, other_connection, transaction_of
from tests.support.factories import make_key, make_project

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def opens(secret: str) -> bool:
    return find_access(secret, project_key="x") is not None


def expiry_of(made: Any) -> Any:
    return ApiKey.objects.get(pk=made.key.pk).expires_at


def seconds_until(moment: Any) -> float:
    return (moment - timezone.now()).total_seconds()


def test_the_new_key_opens_what_the_old_one_does():
    project = make_project()
    old = make_key(organization=project.organization, project=project, name="CI", scopes=["read", "cancel"])

    new = rotate_api_key(old.key.prefix, overlap=DAY)

    key = ApiKey.objects.get(pk=new.key.pk)
    assert (key.organization, key.project, key.name, key.scopes) == (
        project.organization, project, "CI", ["read", "cancel"],
    )  # fmt: skip
    assert key.replaces_id == old.key.pk
    assert key.expires_at is None
    access = find_access(new.secret, project_key=project.key)
    assert access is not None
    assert access.project == project


def test_the_old_key_works_within_the_overlap_and_not_afterwards():
    old, ended = make_key(), make_key()

    rotate_api_key(old.key.prefix, overlap=DAY)
    new = rotate_api_key(ended.key.prefix, overlap=timedelta(0))

    assert [opens(old.secret), opens(ended.secret), opens(new.secret)] == [True, False, True]
    assert seconds_until(expiry_of(old)) == pytest.approx(DAY.total_seconds(), abs=60)
    ApiKey.objects.filter(pk=old.key.pk).update(expires_at=timezone.now() - timedelta(milliseconds=1))
    assert not opens(old.secret)


def test_a_new_key_has_the_lifetime_of_the_old_one_which_keeps_an_expiry_within_the_overlap():
    old = make_key(lifetime=timedelta(hours=1))
    before = expiry_of(old)

    new = rotate_api_key(old.key.prefix, overlap=DAY)

    assert expiry_of(old) == before
    assert seconds_until(expiry_of(new)) == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda made: revoke_api_key(made.key.prefix), "is revoked or expired"),
        (
            lambda made: ApiKey.objects.filter(pk=made.key.pk).update(
                expires_at=timezone.now() - timedelta(milliseconds=1)
            ),
            "is revoked or expired",
        ),
        (lambda made: rotate_api_key(made.key.prefix, overlap=DAY), "replaces already"),
    ],
    ids=["revoked", "expired", "replaced"],
)
def test_a_key_that_ended_or_was_replaced_is_refused_and_nothing_created(spoil, told: str):
    old = make_key()
    spoil(old)
    before = list(ApiKey.objects.order_by("pk").values())

    with pytest.raises(InvalidField, match=f"^prefix: .*{told}"):
        rotate_api_key(old.key.prefix, overlap=timedelta(hours=1))

    assert list(ApiKey.objects.order_by("pk").values()) == before


def test_an_unknown_prefix_is_not_found():
    with pytest.raises(ApiKeyNotFound):
        rotate_api_key("jsk_unknown", overlap=DAY)


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=366)])
def test_an_overlap_has_bounds(overlap: timedelta):
    old = make_key()

    with pytest.raises(InvalidField, match="^overlap: "):
        rotate_api_key(old.key.prefix, overlap=overlap)


@pytest.mark.django_db(transaction=True)
def test_of_two_concurrent_rotations_one_is_refused():
    old = make_key()
    lock = f"UPDATE jobs_apikey SET name = 'x' WHERE id = {old.key.pk}"

    def rotate() -> str:
        try:
            return rotate_api_key(old.key.prefix, overlap=DAY).secret
        except InvalidField as error:
            return str(error)

    with other_connection() as other, transaction_of(other, lock):
        both = [InThread(rotate), InThread(rotate)]
    answers = [rotation.result() for rotation in both]

    assert sorted(opens(answer) for answer in answers) == [False, True]
    assert ApiKey.objects.filter(replaces=old.key.pk).count() == 1
    assert [answer for answer in answers if "replaces already" in answer]
