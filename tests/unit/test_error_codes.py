"""The table of error codes has every code that the API can answer with, and the documents show the table."""

import re

from jobs.api.errors import find_status
from jobs.error_codes import BY_STATUS, ERROR_CODES, INTERNAL_STATUSES
from jobs.exceptions import JobsError
from tests.support.openapi.error_page import PAGE, updated_page
from tests.support.source import ROOT


def kinds(base: type[JobsError] = JobsError) -> list[type[JobsError]]:
    below = [kind for kind in base.__subclasses__() if kind.__module__.startswith("jobs.")]
    return [found for kind in below for found in (kind, *kinds(kind))]


def test_every_error_has_a_status_and_the_table_on_the_page_has_the_codes_that_can_be_answered_and_no_other():
    source = "".join(path.read_text() for path in (ROOT / "jobs" / "api").glob("*.py"))
    source += (ROOT / "jobs" / "middleware.py").read_text()
    named = set(re.findall(r'(?:code=|403, )"(\w+)"', source))
    statuses = [(kind.code, find_status(kind)) for kind in kinds()]
    answered = {code for code, status in statuses if status != 500} - INTERNAL_STATUSES.keys()

    assert {status for _, status in statuses} == {400, 404, 409, 422, 429, 503, 500}
    assert named
    assert set(ERROR_CODES) == answered | named | set(BY_STATUS.values())
    assert INTERNAL_STATUSES.keys() <= {code for code, _ in statuses} - ERROR_CODES.keys()
    assert PAGE.read_text() == updated_page(), "run `make openapi`"
