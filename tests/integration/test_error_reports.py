"""What leaves the process of an unexpected error: where it happened, and neither a key nor a reference."""

import re
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.empty_database import empty_database, run_json

pytest.importorskip("sentry_sdk", reason="the package sentry-sdk is not here")

CANARY: Final = re.compile(r"canary-7f3a|jsk_[0-9A-Za-z]{38}")
AROUND: Final = 150


def canaries_in(text: str) -> list[str]:
    return [text[max(0, found.start() - AROUND) : found.end() + AROUND] for found in CANARY.finditer(text)]


@pytest.mark.uses_database
def test_reports_name_the_place_of_an_error_and_neither_a_key_nor_a_reference(tmp_path: Path):
    with empty_database(tmp_path) as url:
        program = ("-m", "tests.support.django_program", "tests.support.error_reports")
        reported: Any = run_json(*program, settings="tests.settings", DATABASE_URL=url)

    events, mails = reported["events"], reported["mails"]
    assert [canaries_in(text) for text in (*events, *mails) if canaries_in(text)] == []
    assert len(mails) == len(events) - 6, "two commands and a thread, each twice, send no mail"
    assert all('"function": "refuse_' in text or '"function":"refuse_' in text for text in events)
    assert any("no_such_column" in text for text in events)
    assert sum("nrequest=" in text for text in events) == 10, "the API's have the id of the request"
