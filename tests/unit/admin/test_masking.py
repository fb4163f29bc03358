"""References are masked for users without the permission to see them."""

import pytest

from jobs.admin.base.masking import masked, may_see_references, without_reference
from tests.support.admin_client import make_staff


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
        ("Redacted.", "", "Redacted."),
    ],
)
def test_every_occurrence_is_masked_in_upper_and_lower_case_and_nothing_else(text: str, reference: str, shown: str):
    assert without_reference(text, reference) == shown


def test_references_need_their_permission():
    assert may_see_references(make_staff("view_job", "view_reference"))
    assert may_see_references(make_staff(superuser=True))
    assert not may_see_references(make_staff("view_job", "view_job_detail"))
