"""The suites in which projects matter pass with a host's own project, keyed by UUID."""

from typing import Final

import pytest

from tests.support.empty_database import run_tests

SUITES: Final = (
    *("tests/unit/api", "tests/integration/api", "tests/unit/services", "tests/integration/services"),
    *("tests/unit/workers/test_claim_order.py", "tests/integration/execution/test_whole_job.py"),
)

pytestmark = [pytest.mark.uses_database, pytest.mark.timeout(600)]


def test_the_suites_pass_with_a_project_of_the_hosts_own():
    run_tests(*SUITES, settings="tests.settings_swapped")
