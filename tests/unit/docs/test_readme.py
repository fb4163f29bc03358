"""The README: its length, its drawing, its commands and its calls of the API."""

import json
import re
from typing import Final

import pytest

from jobs.models import Job
from jobs.status import Status
from tests.support.api_client import Api
from tests.support.doc_pages import README, snippets
from tests.support.factories import make_job
from tests.support.source import ROOT

TEXT: Final = README.read_text()
CALLS: Final = re.findall(r'^\$ curl -X (\w+) "\$BASE_URL(\S+)" -H "Authorization: Bearer \$KEY"', TEXT, re.MULTILINE)


def test_the_readme_is_short_and_has_a_drawing_two_snippets_and_two_commands():
    action, settings = snippets("README").values()  # which other tests run
    targets = re.findall(r"^make (\w+)", TEXT.split("```console")[1], re.MULTILINE)

    assert len(TEXT.splitlines()) <= 200
    assert all(status in TEXT.split("```")[3] for status in Status)
    assert settings.startswith("INSTALLED_APPS")
    assert action.startswith("# shop/job_actions.py")
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for target in targets)


@pytest.mark.django_db
def test_the_three_calls_list_show_and_cancel_a_job(api: Api):
    job = make_job(pk=3452, project=api.project)
    shown = json.loads(TEXT.split("limit=50&page=1")[1].split("\n", 1)[1].split("\n\n")[0])

    answers = [api.call(method, path.removeprefix("/public/$PROJECT_KEY")) for method, path in CALLS]

    assert [method for method, _ in CALLS] == ["GET", "GET", "DELETE"]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert list(answers[0].json()["data"][0]) == list(shown["data"][0])
    job.refresh_from_db()
    assert job.status == "cancelled"


@pytest.mark.django_db
def test_the_first_job_of_the_readme_is_due_at_once(api: Api):
    (sent,) = re.findall(r"-d '(\{.*?\})'", TEXT)

    answer = api.post("/jobs", json.loads(sent))

    assert answer.status_code == 201
    assert Job.objects.get().due_at <= Job.objects.get().created_at
