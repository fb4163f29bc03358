"""The steps of ``docs/how-to/project-model.md`` taken one by one in hosts that are written as the page says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.doc_pages import snippet
from tests.support.empty_database import empty_database
from tests.support.page_host import Host

PAGE: Final = "project-model"
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with empty_database(tmp_path) as url:
        yield Host(tmp_path, url)


def setting() -> str:
    return snippet(PAGE, "settings.py")


@pytest.mark.parametrize("title", ["shop/models.py: derived", "shop/models.py: its own"])
def test_a_new_model_follows_the_page(title: str, host: Host):
    host.write(snippet(PAGE, title))
    host.set(setting())
    host.manage("makemigrations", "shop")

    circle = host.complaint("check")
    host.mend("0001")
    host.manage("migrate", "--verbosity", "0")
    made = host.manage("createproject", "Web shop", "--organization", "Acme")

    assert "jobs.E003" in circle
    assert re.search(r"projectId:\s+[0-9]+\nprojectKey: [0-9A-Za-z]{20}", made)
    assert "No changes" in host.manage("makemigrations", "--check", "--dry-run")
    host.set("")
    assert "jobs.E008" in host.complaint("migrate")


def test_a_project_that_comes_late_says_so(host: Host):
    host.write("from django.db import models\n\nclass Region(models.Model):\n    pass\n")
    host.manage("makemigrations", "shop")
    host.write((host.shop / "models.py").read_text() + snippet(PAGE, "shop/models.py: its own"))
    host.set(setting())
    host.manage("makemigrations", "shop")
    host.mend("0002")

    late = host.complaint("check")
    host.come_before_jobs("0002")

    assert "jobs.E003" in late
    assert "no issues" in host.manage("check")
    host.manage("migrate", "--verbosity", "0")
