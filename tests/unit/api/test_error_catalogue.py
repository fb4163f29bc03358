"""The catalogue of errors has every code that the API can answer with, and the page shows the catalogue."""

import re

import pytest

from jobs import exceptions
from jobs.api.error_catalogue import CATALOGUE
from jobs.api.errors import RAISED_ON, status_of_jobs_error
from jobs.http import WORDS
from tests.support.source import ROOT

PAGE = ROOT / "docs" / "errors.md"
# Of management commands and of staff alone.
NOT_OF_THE_API = {exceptions.ApiKeyNotFound, exceptions.StepRefused}


def kinds(base: type[exceptions.JobsError] = exceptions.JobsError) -> list[type[exceptions.JobsError]]:
    return [kind for below in base.__subclasses__() for kind in (below, *kinds(below))]


ANSWERED = [
    kind for kind in kinds() if status_of_jobs_error(kind) not in (None, RAISED_ON) and kind not in NOT_OF_THE_API
]


@pytest.mark.parametrize("kind", ANSWERED, ids=lambda kind: kind.__name__)
def test_every_error_of_ours_is_in_the_catalogue(kind: type[exceptions.JobsError]):
    assert CATALOGUE[kind.code].status == status_of_jobs_error(kind)


@pytest.mark.parametrize("status", sorted(WORDS))
def test_every_code_of_a_bare_status_is_in_the_catalogue(status: int):
    assert CATALOGUE[WORDS[status][0]].status == status


def test_every_code_that_the_sources_name_is_in_the_catalogue():
    source = "".join(path.read_text() for path in (ROOT / "jobs" / "api").glob("*.py"))
    named = set(re.findall(r'code="(\w+)"', source))

    assert named
    assert named <= set(CATALOGUE)


def test_nothing_is_in_the_catalogue_that_cannot_be_answered():
    source = "".join(path.read_text() for path in (ROOT / "jobs" / "api").glob("*.py"))
    named = set(re.findall(r'code="(\w+)"', source))

    assert set(CATALOGUE) == {kind.code for kind in ANSWERED} | {code for code, _ in WORDS.values()} | named


def test_the_page_shows_the_catalogue():
    rows = [
        f"| `{code}` | {entry.status} | {entry.cause} | {entry.cure} | {entry.details or '–'} |"
        for code, entry in CATALOGUE.items()
    ]

    assert "\n".join(rows) in PAGE.read_text()
