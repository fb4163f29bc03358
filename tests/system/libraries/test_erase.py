"""An erase removes rows from their table, whatever a library's manager shows and its ``delete()`` does.

``tests/system/hosts/test_libraries.py`` runs this module with settings of its own. Rows are counted in SQL.
"""

from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models

from jobs import JobContext
from jobs.exceptions import ActionMisused
from jobs.execution.runner import Outcome
from jobs.models import Job
from tests.support.concurrency import (
    InThread,
    other_connection,
    postgresql_only,
    somebody_waits_for_a_lock,
    transaction_of,
    until,
)
from tests.support.execution import ANA, BEN, make_context, run_attempt
from tests.support.libraryhost.models import (
    Audited,
    Circle,
    Comment,
    Folder,
    Member,
    Mention,
    Person,
    Pin,
    Post,
    SafeDoc,
    SafePage,
    Shape,
    SoftNote,
    Tag,
    Tracked,
    Upload,
)

pytestmark = pytest.mark.django_db(transaction=True)


def count(model: type[models.Model], where: str = "1 = 1") -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {model._meta.db_table} WHERE {where}")
        return int(cursor.fetchone()[0])


def erase(rows: Any, **options: Any) -> Job:
    ran, job = run_attempt(lambda context: context.erase("rows", rows, **options), max_attempts=1)
    assert ran.outcome is Outcome.COMPLETED, job.events.last().detail
    return job


def numbers(job: Job) -> tuple[int, int, int]:
    entry = job.receipt["stores"]["rows"]
    return entry["found"], entry["done"], entry["left"]


def test_rows_that_safedelete_has_marked_are_erased_with_the_others_and_their_pages():
    docs = [SafeDoc.objects.create(owner=ANA) for _ in range(3)]
    docs[0].delete()
    SafePage.objects.create(doc=docs[0]).delete()
    SafePage.objects.create(doc=docs[1])
    SafeDoc.objects.create(owner=BEN)

    job = erase(SafeDoc.all_objects.filter(owner=ANA))

    assert numbers(job) == (3, 3, 0)
    assert (count(SafeDoc), count(SafePage)) == (1, 0)


def test_rows_that_model_utils_has_marked_are_erased_with_the_others():
    SoftNote.all_objects.bulk_create(SoftNote(owner=ANA) for _ in range(3))
    SoftNote.available_objects.filter(pk=SoftNote.all_objects.earliest("pk").pk).delete()

    job = erase(SoftNote.all_objects.filter(owner=ANA))

    assert numbers(job) == (3, 3, 0)
    assert count(SoftNote) == 0


@pytest.mark.parametrize(
    ("rows", "manager", "plain"),
    [
        (lambda: SafeDoc.objects.filter(owner=ANA), "SafeDoc.objects", "SafeDoc.all_objects"),
        (lambda: SafeDoc.deleted_objects.filter(owner=ANA), "SafeDoc.deleted_objects", "SafeDoc.all_objects"),
        (lambda: SoftNote.available_objects.filter(owner=ANA), "SoftNote.available_objects", "SoftNote.all_objects"),
        (lambda: Comment.objects.all(), "Comment.objects", "Comment.all_rows"),
        (lambda: Post(pk=1).comment_set.all(), "Comment.objects", "Comment.all_rows"),
    ],
    ids=["safedelete", "safedelete's marked", "model-utils", "own manager", "related manager"],
)
def test_rows_of_a_manager_that_hides_some_are_refused_with_the_plain_manager_to_use(
    rows: Any, manager: str, plain: str
):
    doc = SafeDoc.objects.create(owner=ANA)
    SoftNote.all_objects.create(owner=ANA)

    for use in (JobContext.erase, JobContext.verify):
        with pytest.raises(ActionMisused, match=rf"conditions of libraryhost\.{manager},.* use libraryhost\.{plain},"):
            use(make_context(), "rows", rows())

    assert doc.pk
    assert (count(SafeDoc), count(SoftNote)) == (1, 1)


def test_with_keep_hidden_only_the_rows_that_the_manager_shows_are_erased():
    docs = [SafeDoc.objects.create(owner=ANA) for _ in range(3)]
    docs[0].delete()
    SoftNote.all_objects.create(owner=ANA, is_removed=True)
    SoftNote.all_objects.create(owner=ANA)

    safe = erase(SafeDoc.objects.filter(owner=ANA), keep_hidden=True)
    soft = erase(SoftNote.available_objects.filter(owner=ANA), keep_hidden=True)

    assert (numbers(safe), numbers(soft)) == ((2, 2, 0), (1, 1, 0))
    assert (count(SafeDoc, "deleted IS NOT NULL"), count(SafeDoc), count(SoftNote)) == (1, 1, 1)


def test_the_rows_of_a_history_stay_until_they_are_erased_themselves():
    for _ in range(3):
        Tracked.objects.create(owner=ANA)

    erase(Tracked.objects.filter(owner=ANA))
    after = count(Tracked), count(Tracked.history.model)
    job = erase(Tracked.history.filter(owner=ANA))

    assert after == (0, 6)  # one for each creation, one for each deletion
    assert numbers(job) == (6, 6, 0)
    assert count(Tracked.history.model) == 0


def test_the_audit_log_of_a_deletion_is_part_of_its_chunk():
    from auditlog.models import LogEntry

    Audited.objects.create(owner=ANA)

    job = erase(Audited.objects.filter(owner=ANA))

    assert numbers(job) == (1, 1, 0)
    assert count(Audited) == 0
    assert count(LogEntry) == 2


def test_polymorphic_rows_go_from_all_their_tables():
    Shape.objects.create(owner=ANA)
    Circle.objects.create(owner=ANA)
    Circle.objects.create(owner=BEN)

    job = erase(Shape.objects.filter(owner=ANA))
    left = count(Shape), count(Circle)
    of_child = erase(Circle.objects.filter(owner=BEN))

    assert (numbers(job), left) == ((2, 2, 0), (1, 1))
    assert (numbers(of_child), count(Shape), count(Circle)) == ((1, 1, 0), 0, 0)


def test_a_tree_goes_with_its_branches():
    root = Folder.objects.create(owner=ANA)
    for _ in range(3):
        Folder.objects.create(owner=ANA, parent=Folder.objects.create(owner=BEN, parent=root))

    erase(Folder.objects.filter(owner=ANA))

    assert count(Folder) == 0


def test_rows_with_files_go_and_no_storage_is_asked():
    Upload.objects.bulk_create(Upload(owner=ANA, file=f"{number}.txt") for number in range(3))

    job = erase(Upload.objects.filter(owner=ANA))

    assert numbers(job) == (3, 3, 0)
    assert count(Upload) == 0


def test_rows_of_a_cascade_that_their_base_manager_hides_go_or_are_set_to_null():
    post = Post.objects.create(owner=ANA)
    kind = ContentType.objects.get_for_model(Post)
    for is_removed in (False, True):
        Comment.all_rows.create(post=post, is_removed=is_removed)
        Mention.all_rows.create(post=post, is_removed=is_removed)
        Tag.all_rows.create(content_type=kind, object_id=post.pk, is_removed=is_removed)
        Tag.all_rows.create(content_type=kind, object_id=post.pk + 1, is_removed=is_removed)
        Member.all_rows.create(post=post, owner=BEN, is_removed=is_removed)

    job = erase(Post.objects.filter(owner=ANA))

    assert numbers(job) == (1, 1, 0)
    assert [count(model) for model in (Post, Comment, Member, Person)] == [0, 0, 0, 0]
    assert (count(Mention), count(Mention, "post_id IS NULL")) == (2, 2)
    assert (count(Tag), count(Tag, f"object_id = {post.pk}")) == (2, 0)


def test_a_row_that_its_base_manager_hides_protects_as_others_do():
    Pin.all_rows.create(post=Post.objects.create(owner=ANA), is_removed=True)

    ran, job = run_attempt(lambda context: context.erase("rows", Post.objects.filter(owner=ANA)), max_attempts=1)

    assert ran.outcome is Outcome.FAILED
    assert "ProtectedError" in job.events.last().detail
    assert (count(Post), count(Pin)) == (1, 1)


def test_rows_in_two_tables_go_from_both_by_child_and_by_parent():
    for is_removed in (False, True):
        Member.all_rows.create(owner=ANA, is_removed=is_removed)
        Member.all_rows.create(owner=BEN, is_removed=is_removed)

    child = erase(Member.all_rows.filter(owner=ANA))
    left = count(Member), count(Person)
    parent = erase(Person.all_rows.filter(owner=BEN))

    assert (numbers(child), numbers(parent)) == ((2, 2, 0), (2, 2, 0))
    assert (left, count(Member), count(Person)) == ((2, 2), 0, 0)


@postgresql_only
def test_a_row_in_two_tables_that_is_given_away_while_the_chunk_waits_survives():
    for _ in range(3):
        Member.all_rows.create(owner=ANA)
    moved = Member.all_rows.latest("pk").pk
    context = make_context()

    with other_connection() as other:
        give_away = f"UPDATE {Person._meta.db_table} SET owner = '{BEN}' WHERE id = {moved}"
        with transaction_of(other, give_away):
            erasing = InThread(lambda: context.erase("rows", Member.all_rows.filter(owner=ANA)))
            until(somebody_waits_for_a_lock, what="the chunk to meet the row")
        erasing.result()

    assert list(Member.all_rows.values_list("pk", "owner")) == [(moved, BEN)]
