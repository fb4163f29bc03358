"""``update``: rows that must stay lose what is about the person, in chunks that a cancel can come between."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, models
from django.db.models import Count, F
from django.db.models.functions import Upper
from django.test.utils import isolate_apps

from jobs import JobContext
from jobs.exceptions import ActionMisused
from jobs.execution.runner import Outcome
from jobs.models import ApiKey
from tests.support.concurrency import (
    InThread,
    execute,
    other_connection,
    postgresql_only,
    somebody_waits_for_a_lock,
    sqlite_only,
    transaction_of,
    until,
)
from tests.support.execution import ANA, BEN, make_context, make_recordings, make_visits, run_attempt, visits_of
from tests.support.factories import LONG_AGO, make_key
from tests.support.hiding_managers import SHOWN
from tests.support.hostapp.models import Album, Photo, Recording, Visit

pytestmark = pytest.mark.django_db

GONE = "erased"


def update(rows: Any, **values: Any) -> tuple[Any, Any]:
    return run_attempt(lambda context: context.update("rows", rows, **values), max_attempts=1)


def test_only_rows_with_other_values_are_changed_and_counted_and_again_none():
    make_recordings(ANA, 1_200)
    Recording.objects.bulk_create(Recording(owner=owner, payload="") for owner in (ANA, ANA, BEN))
    make_recordings(BEN, 3)

    ran, job = update(Recording.objects.filter(owner=ANA), payload="")
    _, again = update(Recording.objects.filter(owner=ANA), payload="")

    assert ran.outcome is Outcome.COMPLETED, job.events.last().detail
    assert job.receipt["stores"]["rows"] == {"found": 1_200, "done": 1_200, "left": 0}
    assert again.receipt["stores"]["rows"] == {"found": 0, "done": 0, "left": 0}
    assert Recording.objects.filter(owner=ANA, payload="").count() == 1_202
    assert Recording.objects.filter(owner=BEN).exclude(payload="").count() == 3


def test_rows_that_match_no_more_by_their_new_values_are_changed_too():
    make_visits(ANA, 700)
    make_visits(BEN, 2)

    ran, job = update(visits_of(ANA), owner=GONE)

    assert ran.outcome is Outcome.COMPLETED
    assert job.receipt["stores"]["rows"] == {"found": 700, "done": 700, "left": 0}
    assert sorted(Visit.objects.values_list("owner").annotate(n=Count("pk"))) == [(BEN, 2), (GONE, 700)]


QUERIES: dict[str, Callable[[], Any]] = {
    "joined": lambda: Photo.objects.filter(album__owner=ANA),
    "duplicates": lambda: Album.objects.filter(photos__place="Rome").filter(owner=ANA),
    "grouped": lambda: Album.objects.alias(n=Count("photos")).filter(n=2, owner=ANA),
    "extra": lambda: Photo.objects.extra(where=["hostapp_photo.id > 0"]).filter(album__owner=ANA),
    "ordered": lambda: Photo.objects.order_by("-album__owner").filter(album__owner=ANA),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_rows_of_any_query_that_can_be_erased_can_be_changed(query: Callable[[], Any]):
    for number, owner in enumerate([ANA, ANA, BEN]):
        album = Album.objects.create(owner=owner, code=str(number))
        Photo.objects.bulk_create(Photo(album=album, place="Rome") for _ in range(2))
    model = query().model
    values = {"place": "nowhere"} if model is Photo else {"owner": GONE}

    ran, job = update(query(), **values)

    assert ran.outcome is Outcome.COMPLETED, job.events.last().detail
    assert model.objects.filter(**values).count() == (4 if model is Photo else 2)
    assert job.receipt["stores"]["rows"]["done"] == (4 if model is Photo else 2)


def test_null_is_another_value_and_can_be_one():
    for _ in range(2):
        make_key()
    ApiKey.objects.filter(pk=ApiKey.objects.earliest("pk").pk).update(expires_at=LONG_AGO)

    _, to_null = update(ApiKey.objects.all(), expires_at=None)
    nulls = ApiKey.objects.filter(expires_at=None).count()
    _, from_null = update(ApiKey.objects.all(), expires_at=LONG_AGO, name="old")

    assert [job.receipt["stores"]["rows"]["done"] for job in (to_null, from_null)] == [1, 2]
    assert (nulls, ApiKey.objects.filter(expires_at=LONG_AGO, name="old").count()) == (2, 2)


@pytest.mark.parametrize("rows", [Visit.objects.none, lambda: Visit.objects.filter(pk__in=[])])
def test_no_rows_are_changed_where_none_can_match(rows: Callable[[], Any]):
    ran, job = update(rows(), owner=GONE)

    assert ran.outcome is Outcome.COMPLETED
    assert job.receipt["stores"]["rows"] == {"found": 0, "done": 0, "left": 0}


@pytest.mark.parametrize(
    "act",
    [
        lambda context: context.update("rows", Visit.objects.all()),
        lambda context: context.update("rows", Visit.objects.all(), owner=Upper("owner")),
        lambda context: context.update("rows", Visit.objects.all(), owner=F("id")),
        lambda context: context.update("rows", Visit.objects.all()[:3], owner=GONE),
        lambda context: context.update("rows", SHOWN.rows.all(), owner=GONE),
    ],
    ids=["no value", "function", "another column", "slice", "hidden rows"],
)
def test_what_could_not_be_verified_is_refused(act: Callable[[JobContext], None]):
    make_visits(ANA, 5)

    with pytest.raises(ActionMisused):
        act(make_context())

    assert visits_of(ANA).count() == 5


@pytest.mark.django_db(transaction=True)
def test_values_that_the_database_changes_end_the_attempt_and_not_in_an_endless_loop():
    make_visits(ANA, 5)
    if connection.vendor == "postgresql":
        make = (
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.owner := 'x'; RETURN NEW; END$$",
            "CREATE TRIGGER spoil BEFORE UPDATE ON hostapp_visit FOR EACH ROW EXECUTE FUNCTION spoil()",
        )
        remove = ("DROP TRIGGER spoil ON hostapp_visit", "DROP FUNCTION spoil")
    else:
        spoil = "UPDATE hostapp_visit SET owner = 'x' WHERE id = NEW.id"
        make = (f"CREATE TRIGGER spoil AFTER UPDATE ON hostapp_visit WHEN NEW.owner <> 'x' BEGIN {spoil}; END",)
        remove = ("DROP TRIGGER spoil",)
    execute(*make)
    try:
        ran, job = update(Visit.objects.all(), owner=GONE)
    finally:
        execute(*remove)

    assert ran.outcome is Outcome.FAILED
    assert "owner: the database has other values after the update" in job.events.last().detail
    assert visits_of(ANA).count() == 5


@postgresql_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["plain", "grouped"])
def test_a_row_that_is_given_away_while_the_chunk_waits_keeps_its_values(name: str):
    for number in range(3):
        album = Album.objects.create(owner=ANA, code=str(number))
        Photo.objects.bulk_create(Photo(album=album) for _ in range(2))
    moved = Album.objects.latest("pk").pk
    rows = {"plain": Album.objects.filter(owner=ANA), "grouped": QUERIES["grouped"]()}[name]

    with other_connection() as other:
        with transaction_of(other, f"UPDATE hostapp_album SET owner = '{BEN}' WHERE id = {moved}"):
            changing = InThread(lambda: update(rows, owner=GONE))
            until(somebody_waits_for_a_lock, what="the chunk to meet the row")
        changing.result()

    assert sorted(Album.objects.values_list("owner", flat=True)) == sorted([BEN, GONE, GONE])


@sqlite_only
@pytest.mark.django_db(transaction=True)
@isolate_apps("tests.support.hostapp")
def test_a_key_with_a_nul_is_not_cut_to_another():
    class Named(models.Model):
        id = models.TextField(primary_key=True)
        owner = models.TextField()

        class Meta:
            app_label, db_table, managed = "hostapp", "named", False

        def __str__(self) -> str:
            return f"named {self.pk!r}"

    execute("CREATE TABLE named (id text PRIMARY KEY, owner text)")
    try:
        for key, owner in (("nul\0x", ANA), ("nul", BEN), ("other", ANA)):
            Named.objects.create(pk=key, owner=owner)
        run_attempt(lambda context: context.update("rows", Named.objects.filter(pk="nul\0x"), owner=GONE))
        changed = list(Named.objects.order_by("pk").values_list("owner", flat=True))
        run_attempt(lambda context: context.erase("rows", Named.objects.exclude(owner=BEN)))
        left = list(Named.objects.values_list("pk", flat=True))
    finally:
        execute("DROP TABLE named")

    assert changed == [BEN, GONE, ANA]
    assert left == ["nul"]
