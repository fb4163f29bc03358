"""What the README says to hosts about hooks and signals is so: its snippets run."""

import json
import re
import sys
from types import ModuleType
from typing import Any

import pytest

from jobs.models import Job
from jobs.signals import job_finished
from jobs.testing import make_job, run_due_jobs
from tests.support.api_client import Api
from tests.support.source import ROOT

README = (ROOT / "README.md").read_text()

pytestmark = pytest.mark.django_db


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load the snippet ``shop/<name>.py`` as a module ``shop.<name>``."""
    (snippet,) = re.findall(rf"```python\n(# shop/{name}\.py.*?)```", README, re.DOTALL)
    package, module = ModuleType("shop"), ModuleType(f"shop.{name}")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "shop", package)
    monkeypatch.setitem(sys.modules, f"shop.{name}", module)
    exec(compile(snippet, f"shop/{name}.py", "exec"), vars(module))
    return module


def test_the_first_job_of_the_readme_is_due_at_once(api: Api):
    (sent,) = re.findall(r"-d '(\{.*?\})'", README)

    answer = api.post("/jobs", json.loads(sent))

    assert answer.status_code == 201
    (job,) = Job.objects.all()
    assert job.due_at <= job.created_at


def test_the_receiver_of_the_readme_hears_of_an_end(monkeypatch: pytest.MonkeyPatch):
    module = load("receivers", monkeypatch)
    heard: list[Any] = []

    def note(**sent: Any) -> None:
        heard.append(sent["job"])
        module.tell_the_customer(**sent)

    job_finished.connect(note, sender=Job)
    try:
        make_job("touch")
        ran = run_due_jobs()
    finally:
        job_finished.disconnect(note, sender=Job)
        was_connected = job_finished.disconnect(module.tell_the_customer, sender=Job)

    assert was_connected
    assert heard == ran
