"""An erase in a host whose models are made with libraries; in a process of its own, as libraries have receivers."""

import os
import subprocess
import sys

import pytest

from tests.support.source import ROOT

pytestmark = pytest.mark.uses_database


@pytest.mark.timeout(300)
def test_erases_of_models_of_libraries_leave_no_row_in_their_tables():
    environment = os.environ | {
        "TEST_RUN": f"{os.environ['TEST_RUN']}_libraries",
        "DJANGO_SETTINGS_MODULE": "tests.settings_libraries",
        "PYTEST_ADDOPTS": "",
    }

    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "tests/system/libraries",
    ]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)

    assert ran.returncode == 0, ran.stdout
    assert "17 passed" in ran.stdout or "16 passed, 1 skipped" in ran.stdout
