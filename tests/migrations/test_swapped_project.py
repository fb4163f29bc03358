"""A host's own project, keyed by UUID, serves as well as ours: the suites in which projects matter, once more."""

from typing import Final

import pytest

from tests.migrations.databases import run
from tests.settings import TEST_RUN

SUITES: Final = ("tests/api", "tests/services", "tests/test_claims.py", "tests/test_whole_job.py")


@pytest.mark.timeout(400)
def test_the_suites_pass_with_a_project_of_the_hosts_own():
    options = ["-q", "-p", "no:cacheprovider", "--maxfail=10", "--ds=tests.settings_swapped"]

    # The database's name starts as all of this run do, so that it is removed also if the run is cut short.
    done = run("-m", "pytest", *options, *SUITES, settings="tests.settings_swapped", TEST_RUN=f"{TEST_RUN}_swapped")

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    assert " passed" in done.stdout
