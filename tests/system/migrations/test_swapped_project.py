"""The contract of the REST API holds with a host's own project, keyed by UUID or derived from ours.

``tests/system/pairs/test_swapped_project.py`` runs whole suites so.
"""

from typing import Final

import pytest

from tests.support.empty_database import run_tests

CONTRACT: Final = ("test_contract.py", "test_create_job.py", "test_authentication.py")

pytestmark = [pytest.mark.uses_database, pytest.mark.timeout(200)]


@pytest.mark.parametrize("settings", ["tests.settings_swapped", "tests.settings_derived"])
def test_the_contract_holds_with_a_project_of_the_hosts_own(settings: str):
    run_tests(*(f"tests/unit/api/{name}" for name in CONTRACT), settings=settings)
