"""What a type checker tells hosts of their actions: the class of ``job.project``, if they name it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final, get_type_hints

import pytest

from jobs import JobContext
from jobs.models import Project
from tests.support.source import ROOT

HOST: Final = """
from typing import assert_type

from jobs import JobContext, action


class Shop:
    name: str = ""


@action("name_it", description="Name it")
def name_it(job: JobContext[Shop]) -> None:
    assert_type(job.project, Shop)
    print(job.project.name)
    print(job.project.nmae)  # line 15


@action("leave_it", description="Leave it open")
def leave_it(job: JobContext) -> None:
    print(job.project.anything)


class Named:
    def run(self, job: JobContext[Shop]) -> str:
        return with_any(job)


def with_any(job: JobContext) -> str:
    return job.reference_id


def with_shop(job: JobContext[Shop]) -> int:
    return with_any(job)  # line 33
"""


@pytest.mark.timeout(300)
def test_a_strict_type_checker_knows_the_project_where_it_is_named_and_accepts_the_bare_name(tmp_path: Path):
    module, config = tmp_path / "shop_actions.py", tmp_path / "mypy.ini"
    module.write_text(HOST)
    config.write_text("[mypy]\nstrict = True\nfollow_imports = silent\npython_version = 3.11\n")
    command = [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", tmp_path / "cache", module]

    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True, timeout=280
    )

    errors = [line.partition(".py:")[2] for line in done.stdout.splitlines() if ": error:" in line]
    assert [error.partition(":")[0] for error in errors] == ["15", "33"], done.stdout + done.stderr
    assert '"Shop" has no attribute "nmae"' in errors[0]


def test_an_annotation_with_the_project_can_be_evaluated():
    def handler(job: "JobContext[Project]") -> None:
        pass

    assert get_type_hints(handler, {"JobContext": JobContext, "Project": Project})["job"] == JobContext[Project]
