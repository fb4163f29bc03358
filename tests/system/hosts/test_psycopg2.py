"""A host with the real psycopg2, and without psycopg 3, is told at once, and its worker does not start."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.environments import CLEAN, make_environment
from tests.support.source import ROOT

pytestmark = pytest.mark.timeout(300)

PACKAGES: Final = ["django>=5.2,<5.3", "djangorestframework>=3.16", "django-filter>=25.1", "psycopg2-binary>=2.9"]
# No server is asked: the check reads what is installed.
PROGRAM: Final = """
import sys
from django.conf import settings
from django.core.management import execute_from_command_line
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "jobs", "HOST": "127.0.0.1", "PORT": 1}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "jobs"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    MIDDLEWARE=["jobs.middleware.JsonErrors"],
    USE_TZ=True,
)
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


def test_check_and_jobworker_refuse_psycopg2_by_name_with_the_cure(tmp_path: Path):
    python = make_environment(tmp_path / "environment", python=sys.executable, packages=PACKAGES)

    for command in ("check", "jobworker"):
        done = subprocess.run(
            [str(python), "-c", PROGRAM, command], cwd=ROOT, env=CLEAN, capture_output=True, text=True, timeout=60
        )

        assert done.returncode == 1
        assert "(jobs.E011) Jobs need psycopg 3.2 or newer" in done.stderr
        assert "is reached by psycopg2 2." in done.stderr
        assert "HINT: pip install 'psycopg[binary]>=3.2'" in done.stderr
