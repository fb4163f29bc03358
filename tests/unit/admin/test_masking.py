"""Who sees whom a job is about: masked references, withheld texts, and characters that cannot be seen."""

import re
from typing import Final

import pytest
from django.test import Client

from jobs.actions import find_action
from jobs.admin.base.masking import masked, may_see_references, without_reference
from tests.support.admin_client import add_event, make_staff, page_of, text_of, url, with_permissions
from tests.support.factories import make_job

STAFF_MAY: Final = ("view_job", "view_reference")

ANA: Final = "ana@example.com"


def test_texts_of_integrators_are_withheld_without_the_permission_and_those_of_actions_and_staff_are_masked():
    touch = find_action("touch")
    assert touch is not None
    usual = make_job(reference_id=ANA, description=touch.describe(ANA))
    own = make_job(reference_id=ANA, description="For Ana Lopez of Porto", parameters={"city": "Porto"})
    for job in (usual, own):
        add_event(job, what="cancelled", actor="key:jsk_12345678", note="Ana Lopez called")
        add_event(job, what="held", actor="staff:1", note=f"{ANA} complained")
        add_event(job, what="cancelled", actor="user:7", note="Ana Lopez wrote")

    staff = with_permissions("view_job", "view_job_detail")
    pages = page_of(staff, usual), page_of(staff, own)
    full = page_of(with_permissions("view_job", "view_reference"), own)

    for page in pages:
        assert not re.search("lopez|porto|ana@", page, re.IGNORECASE)
        assert "a••••• complained" in page
        assert page.count("hidden: you may not see references") >= 3
    assert touch.describe("a•••••") in pages[0]
    for text in ("For Ana Lopez of Porto", "Ana Lopez called", "Ana Lopez wrote", "&quot;Porto&quot;"):
        assert text in full


def test_a_bulk_change_of_staff_is_about_nobody_and_not_masked():
    job = make_job(action="change_jobs", reference_id="cancel", description="Cancel all that match: status failed")
    add_event(job, what="cancelled", actor="staff:1", note="cancel was wrong")

    page = page_of(with_permissions("view_job"), job)

    assert "Cancel all that match: status failed" in page
    assert "cancel was wrong" in page
    assert "•••••" not in page
    assert "you may not see" not in page


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        ("ana@example.com", "ana@example.com"),
        ("Ana Lopez", "Ana Lopez"),
        ("a\u200bna", '<code class="jobs-unseen">U+200B</code>'),
        ("a\u202ena", '<code class="jobs-unseen">U+202E</code>'),
        (" ana", '<code class="jobs-unseen">U+0020</code>ana'),
        ("ana\u00a0", 'ana<code class="jobs-unseen">U+00A0</code>'),
        ("\u3164", '<code class="jobs-unseen">U+3164</code>'),
        ("<b>\ufeff", '&lt;b&gt;<code class="jobs-unseen">U+FEFF</code>'),
        ("Ünal 佐藤 Ωμέγα", "Ünal 佐藤 Ωμέγα"),
    ],
)
def test_characters_that_cannot_be_seen_are_shown_by_number(client: Client, reference: str, shown: str):
    job = make_job(reference_id=reference)

    assert f"{shown}" in page_of(client, job)
    assert shown in text_of(client.get(url("job_changelist")))
    assert reference.isprintable() or reference not in page_of(client, job)


@pytest.mark.parametrize(
    ("reference", "shown"),
    [("shekar@example.com", "s•••••"), ("x", "x•••••"), ("", ""), ("Ünal", "Ü•••••"), ("1234567890", "1•••••")],
)
def test_only_the_first_character_is_shown(reference: str, shown: str):
    assert masked(reference) == shown


@pytest.mark.parametrize(
    ("text", "reference", "shown"),
    [
        ("Delete shekar@example.com", "shekar@example.com", "Delete s•••••"),
        ("SHEKAR@example.com, Shekar@Example.Com", "shekar@example.com", "s•••••, s•••••"),
        ("Delete shekar@exampleXcom", "shekar@example.com", "Delete shekar@exampleXcom"),
        ("", "shekar@example.com", ""),
        (r"a.c abc \1", r"\1", r"a.c abc \•••••"),
        ("abc a.c", "a.c", "abc a•••••"),
        ("was cancelled, cancel", "cancel", "was cancelled, c•••••"),
        ("erased 120 rows of 12, key_12", "12", "erased 120 rows of 1•••••, key_1•••••"),
        ("Redacted.", "", "Redacted."),
    ],
)
def test_every_occurrence_is_masked_in_upper_and_lower_case_and_nothing_else(text: str, reference: str, shown: str):
    assert without_reference(text, reference) == shown


def test_references_need_their_permission():
    assert may_see_references(make_staff("view_job", "view_reference"))
    assert may_see_references(make_staff(superuser=True))
    assert not may_see_references(make_staff("view_job", "view_job_detail"))
