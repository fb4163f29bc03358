"""The two ways of an erase, in sets and row by row, leave the same rows, counts, receipt and events."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

import pytest
from django.db import connection, models
from django.db.models import Count, Q
from django.db.models.signals import post_delete
from django.test.utils import isolate_apps
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import DrawFn, composite, integers, lists, sampled_from

from jobs.execution import chunks, erasing
from jobs.execution.runner import Outcome
from tests.support.concurrency import (
    InThread,
    execute,
    other_connection,
    postgresql_only,
    somebody_waits_for_a_lock,
    statements,
    transaction_of,
    until,
)
from tests.support.execution import ANA, BEN, make_context, make_visits, run_attempt, visits_of
from tests.support.hostapp.models import Album, Click, Face, Photo, Recording, Visit

TABLES: Final = (Album, Photo, Face)
# Conditions of one table, of several, with duplicates, and such that match nothing; the last are not erased in sets.
QUERIES: Final[dict[str, Callable[[], Any]]] = {
    "one table": lambda: Album.objects.filter(owner=ANA),
    "excluded": lambda: Album.objects.exclude(owner=BEN),
    "either": lambda: Album.objects.filter(Q(owner=ANA) | Q(code__lt="3")),
    "duplicates": lambda: Album.objects.filter(photos__faces__isnull=False),
    "a subquery": lambda: Album.objects.filter(code__in=Photo.objects.filter(place="Rome").values("album")),
    "ordered": lambda: Photo.objects.select_related("album").order_by("album__owner"),
    "of the owner": lambda: Photo.objects.filter(album__owner=ANA),
    "without others": lambda: Photo.objects.filter(faces=None),
    "leaves": lambda: Face.objects.filter(photo__album__in=Album.objects.filter(owner=ANA)),
    "all leaves": lambda: Face.objects.all(),
    "none": lambda: Album.objects.none(),
    "impossible": lambda: Face.objects.filter(pk__in=[]),
    "extra": lambda: Face.objects.extra(select={"one": "1"}, where=["hostapp_face.id > 1"]),
    "another table": lambda: Face.objects.extra(tables=["hostapp_photo"], where=["hostapp_photo.id = photo_id + 1"]),
    "grouped": lambda: Album.objects.alias(n=Count("photos")).filter(n__gte=2),
}
IN_SETS: Final = [name for name in QUERIES if name not in ("extra", "grouped")]


@composite
def rows_of_three_tables(draw: DrawFn) -> dict[type[models.Model], list[models.Model]]:
    owners = draw(lists(sampled_from([ANA, BEN, "zoe@example.com"]), max_size=9))
    albums = [Album(pk=number, owner=owner, code=str(number)) for number, owner in enumerate(owners, 1)]
    of_albums = draw(lists(sampled_from(albums), max_size=12)) if albums else []
    photos = [
        Photo(pk=number, album=album, place=draw(sampled_from(["Rome", "Oslo"])))
        for number, album in enumerate(of_albums, 1)
    ]
    of_photos = draw(lists(sampled_from(photos), max_size=12)) if photos else []
    return {
        Album: list(albums),
        Photo: list(photos),
        Face: [Face(pk=number, photo=photo) for number, photo in enumerate(of_photos, 1)],
    }


def erase_from(rows: dict[type[models.Model], list[models.Model]], query: Callable[[], Any], first: int) -> Any:
    """Insert rows and erase some; return all that can be seen afterwards."""
    for model in reversed(TABLES):
        model.objects.all().delete()
    for model in TABLES:
        model.objects.bulk_create(rows[model])
    with patch.object(chunks, "FIRST_BATCH", first), patch("jobs.db.connection.PAUSE_SECONDS", 0):
        ran, job = run_attempt(lambda context: context.erase("rows", query()))
    connection.check_constraints()
    assert ran.outcome is Outcome.COMPLETED, job.events.last().detail
    return {
        "rows": {model: sorted(model.objects.values_list("pk", flat=True)) for model in TABLES},
        "stores": job.receipt["stores"],
        "progress": (job.progress_done, job.progress_total),
        "events": list(job.events.order_by("id").values_list("what", "from_status", "to_status", "note")),
    }


@contextmanager
def row_by_row() -> Iterator[None]:
    """Let Django see each row, as it must where a receiver waits for a signal."""
    with patch.object(erasing, "is_deleted_in_sets", lambda rows: False):
        yield


@pytest.mark.django_db
@pytest.mark.timeout(400)
@settings(max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(rows=rows_of_three_tables(), name=sampled_from(list(QUERIES)), first=integers(1, 4))
def test_in_sets_and_row_by_row_an_erase_does_the_same(rows: Any, name: str, first: int):
    query = QUERIES[name]

    in_sets = erase_from(rows, query, first)
    with row_by_row():
        one_by_one = erase_from(rows, query, first)

    assert in_sets == one_by_one


@pytest.mark.django_db
@pytest.mark.parametrize("name", QUERIES)
def test_rows_are_erased_in_sets_where_django_need_not_see_them(name: str):
    assert erasing.is_deleted_in_sets(QUERIES[name]()) is (name in IN_SETS)


@pytest.mark.django_db
@pytest.mark.parametrize("model", TABLES)
def test_with_a_receiver_of_its_signals_or_of_those_of_rows_that_go_with_it_each_row_is_seen(model: Any):
    heard: list[int] = []
    rows: dict[Any, Any] = {
        Album: [Album(pk=1, owner=ANA, code="1")],
        Photo: [Photo(pk=1, album_id="1"), Photo(pk=2, album_id="1")],
        Face: [Face(pk=1, photo_id=1), Face(pk=2, photo_id=1), Face(pk=3, photo_id=2)],
    }

    def hear(instance: Any, **_: Any) -> None:
        heard.append(instance.pk)

    post_delete.connect(hear, sender=model)
    try:
        erase_from(rows, Album.objects.all, 4)
    finally:
        post_delete.disconnect(hear, sender=model)

    assert len(heard) == len(rows[model])


@pytest.mark.django_db
@pytest.mark.parametrize(("query", "deletes"), [(Face.objects.all, 1), (Album.objects.all, 3)])
def test_a_chunk_deletes_by_one_statement_a_table_and_reads_no_row(query: Callable[[], Any], deletes: int):
    Album.objects.create(owner=ANA, code="1").photos.create().faces.create()
    context = make_context()

    with statements() as sent:
        context.erase("rows", query())

    deleting = [number for number, sql in enumerate(sent) if sql.startswith("DELETE")]
    assert len(deleting) == deletes
    assert not any('."owner"' in sql or '."place"' in sql for sql in sent[: deleting[-1]])


@postgresql_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("change", "left"),
    [("owner = 'ben@example.com'", 1), ("owner = owner", 0)],
    ids=["matches no more", "still matches"],
)
def test_a_row_that_changes_while_the_chunk_waits_is_erased_only_if_it_still_matches(change: str, left: int):
    make_visits(ANA, 5)
    moved = visits_of(ANA).earliest("pk").pk

    with other_connection() as other:
        with transaction_of(other, f"UPDATE hostapp_visit SET {change} WHERE id = {moved}"):
            erasing_it = InThread(lambda: run_attempt(lambda context: context.erase("visits", visits_of(ANA))))
            until(somebody_waits_for_a_lock, what="the chunk to meet the row")
        ran, job = erasing_it.result()

    assert ran.outcome is Outcome.COMPLETED
    assert Visit.objects.count() == left
    assert job.receipt["stores"]["visits"] == {"found": 5, "done": 5 - left, "left": 0}


@postgresql_only
@pytest.mark.django_db(transaction=True)
def test_a_row_of_a_join_that_changes_while_the_chunk_waits_survives():
    ana, ben = (Recording.objects.create(owner=owner) for owner in (ANA, BEN))
    clicks = Click.objects.bulk_create(Click(recording=ana) for _ in range(3))
    move = f"UPDATE hostapp_click SET recording_id = {ben.pk} WHERE id = {clicks[0].pk}"
    rows = Click.objects.filter(recording__owner=ANA)

    with other_connection() as other:
        with transaction_of(other, move):
            erasing_it = InThread(lambda: run_attempt(lambda context: context.erase("clicks", rows)))
            until(somebody_waits_for_a_lock, what="the chunk to meet the row")
        erasing_it.result()

    assert list(Click.objects.values_list("pk", flat=True)) == [clicks[0].pk]


@postgresql_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "make",
    [
        "CREATE VIEW odd AS SELECT id, owner FROM hostapp_visit",
        "CREATE TABLE odd (id bigint, owner text) PARTITION BY RANGE (id);"
        "CREATE TABLE odd_1 PARTITION OF odd FOR VALUES FROM (0) TO (100);"
        "CREATE TABLE odd_2 PARTITION OF odd FOR VALUES FROM (100) TO (200)",
        "CREATE TABLE odd (id bigint, owner text); CREATE TABLE odd_more () INHERITS (odd)",
    ],
    ids=["view", "partitioned", "inherited"],
)
@isolate_apps("tests.support.hostapp")
def test_rows_of_views_and_of_tables_in_parts_are_named_by_their_keys(make: str):
    class Odd(models.Model):
        owner = models.TextField()

        class Meta:
            app_label, db_table, managed = "hostapp", "odd", False

        def __str__(self) -> str:
            return f"odd {self.pk}"

    execute(make)
    try:
        owner = f"CASE WHEN n % 2 = 0 THEN '{ANA}' ELSE '{BEN}' END"
        execute(f"INSERT INTO odd SELECT n, {owner} FROM generate_series(1, 199) n")
        with statements() as sent:
            ran, job = run_attempt(lambda context: context.erase("rows", Odd.objects.filter(owner=ANA)))
        left = list(Odd.objects.values_list("owner", flat=True).distinct())
    finally:
        execute(f"DROP {'VIEW' if 'VIEW' in make else 'TABLE'} odd CASCADE")

    assert ran.outcome is Outcome.COMPLETED
    assert job.receipt["stores"]["rows"] == {"found": 99, "done": 99, "left": 0}
    assert left == [BEN]
    assert not any("ctid" in sql for sql in sent)


@postgresql_only
@pytest.mark.django_db(transaction=True)
@isolate_apps("tests.support.hostapp")
def test_a_field_may_have_any_name():
    class Trip(models.Model):
        place = models.TextField()

        class Meta:
            app_label, db_table, managed = "hostapp", "trip", False

        def __str__(self) -> str:
            return f"trip {self.pk}"

    execute("CREATE TABLE trip (id bigint PRIMARY KEY, place text)")
    try:
        execute("INSERT INTO trip VALUES (1, 'Rome'), (2, 'Oslo')")
        ran, _ = run_attempt(lambda context: context.erase("rows", Trip.objects.filter(place="Rome")))
        left = list(Trip.objects.values_list("pk", flat=True))
    finally:
        execute("DROP TABLE trip")

    assert ran.outcome is Outcome.COMPLETED
    assert left == [2]


@postgresql_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("key", "column", "erased", "stays"),
    [
        (models.CharField(max_length=3, primary_key=True), "varchar(9)", "abcdef", "abc"),
        (models.CharField(max_length=3, primary_key=True), "char(6)", "abcdef", "abc   "),
        (models.CharField(max_length=3, primary_key=True), "text", "abcdef", "abc"),
        (models.IntegerField(primary_key=True), "bigint", 2**40, 2),
    ],
    ids=["text", "padded", "without length", "number"],
)
@isolate_apps("tests.support.hostapp")
def test_keys_may_be_wider_than_the_model_says(key: Any, column: str, erased: Any, stays: Any):
    class Wide(models.Model):
        id = key.clone()
        owner = models.TextField()

        class Meta:
            app_label, db_table, managed = "hostapp", "wide", False

        def __str__(self) -> str:
            return f"wide {self.pk}"

    class Part(models.Model):
        wide = models.ForeignKey(Wide, on_delete=models.CASCADE)

        class Meta:
            app_label, db_table, managed = "hostapp", "part", False

        def __str__(self) -> str:
            return f"part {self.pk}"

    execute(f"CREATE TABLE wide (id {column} PRIMARY KEY, owner text)")
    execute(f"CREATE TABLE part (id bigint PRIMARY KEY, wide_id {column})")
    try:
        execute(f"INSERT INTO wide VALUES ('{erased}', '{ANA}'), ('{stays}', '{BEN}')")
        execute(f"INSERT INTO part VALUES (1, '{erased}'), (2, '{stays}')")
        ran, job = run_attempt(lambda context: context.erase("rows", Wide.objects.filter(owner=ANA)))
        left = list(Wide.objects.values_list("pk", flat=True)), list(Part.objects.values_list("pk", flat=True))
    finally:
        execute("DROP TABLE part, wide")

    assert ran.outcome is Outcome.COMPLETED
    assert job.receipt["stores"]["rows"] == {"found": 1, "done": 1, "left": 0}
    assert left == ([stays], [2])
