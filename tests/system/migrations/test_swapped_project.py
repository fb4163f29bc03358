"""The suites in which projects matter pass with a host's own project, keyed by UUID or derived from ours."""

from typing import Final

import pytest

from tests.support.empty_database import run
from tests.settings import TEST_RUN

pytestmark = pytest.mark.uses_database

CONTRACT: Final = ("test_contract.py", "test_create_job.py", "test_authentication.py")
SUITES: Final = {
    "tests.settings_swapped": (
        *("tests/unit/api", "tests/integration/api", "tests/unit/services", "tests/integration/services"),
        *("tests/unit/workers/test_claim_order.py", "tests/integration/execution/test_whole_job.py"),
    ),
    "tests.settings_derived": tuple(f"tests/unit/api/{name}" for name in CONTRACT),
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("host", SUITES)
def test_the_suites_pass_with_a_project_of_the_hosts_own(host: str):
    options = ["-q", "-p", "no:cacheprovider", "--maxfail=10", f"--ds={host}"]

    # The database's name starts as all of this run do, so that it is removed also if the run is cut short.
    name = f"{TEST_RUN}_{host.rpartition('_')[2]}"
    done = run("-m", "pytest", *options, *SUITES[host], settings=host, TEST_RUN=name)

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    assert " passed" in done.stdout
