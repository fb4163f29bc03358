"""The samples of the documentation page, one after the other, are programs that work on a live site."""

import re
import shutil
import sys
import urllib.request
from html import unescape
from pathlib import Path
from typing import Final

import pytest
from django.utils import timezone

from jobs.models import Job
from tests.support.clients.scene import run
from tests.support.http_server import Site

# A job is followed to its end; the cancel is its end.
ORDER: Final = ("first", "find", "create", "erase", "cancel", "follow")
PROGRAMS: Final = {"curl": ("bash", "-eu"), "python": (sys.executable,), "javascript": ("node",)}


def program_of(site: Site, language: str) -> str:
    with urllib.request.urlopen(f"{site.address}/public/docs") as answer:
        page = answer.read().decode()
    samples = [re.findall(rf'<code id="{name}-{language}">(.*?)</code>', page, re.DOTALL)[0] for name in ORDER]
    whole = unescape("\n".join(samples))
    return whole.replace("YOUR_PROJECT_KEY", site.project_key).replace("YOUR_API_KEY", site.secret)


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_samples_of_a_language_are_a_program(site: Site, tmp_path: Path, language: str):
    if shutil.which(PROGRAMS[language][0]) is None:
        pytest.skip(f"{PROGRAMS[language][0]} is not installed here")
    program = tmp_path / ("program.mjs" if language == "javascript" else "program")
    text = program_of(site, language)
    if language == "curl":  # its samples name a job of their own
        text = "JOB=3451\n" + text
    program.write_text(text)

    printed = run(*PROGRAMS[language], program, cwd=tmp_path)

    erase = Job.objects.get(reference_id="mehdi@example.com")
    assert erase.start_at <= timezone.now()
    job = Job.objects.get(reference_id="shekar@example.com")
    if language == "curl":
        assert printed.count('"data":') == 4
        assert "job_not_found" in printed
    else:
        assert job.status == "cancelled"
        assert "cancelled" in printed
