"""Schemathesis sends whatever the OpenAPI document allows, and what it forbids, to a live server."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.concurrency import postgresql_only
from tests.support.http_server import Site
from tests.support.openapi.operations import OPERATIONS

SEED = 20261124
EXAMPLES = 40

# Findings that were looked at, and are as they should be:
# - positive_data_acceptance: whether a well-formed request is accepted also depends on the action (which takes no
#   parameters) and on the job's status (which may be final), and no schema says so.
# - use_after_free: DELETE of a job cancels it; by the contract it stays to be read.
# - negative_data_rejection of the list: by the contract `limit` and `page` never fail a call, whatever they hold.
CONFIG = """
[parameters]
"path.projectKey" = "{project_key}"

[checks]
positive_data_acceptance.enabled = false
use_after_free.enabled = false

[[operations]]
include-name = "GET /{{projectKey}}/jobs"

[operations.checks]
negative_data_rejection.enabled = false
"""


@postgresql_only
@pytest.mark.timeout(900)
def test_schemathesis_finds_nothing(site: Site, tmp_path: Path):
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(project_key=site.project_key))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    command += [f"{site.address}/public/openapi.json", "--header", f"Authorization: Bearer {site.secret}"]
    command += ["--max-examples", str(EXAMPLES), "--seed", str(SEED), "--no-color", "--continue-on-failure"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    print(done.stdout[-3000:])
    assert done.returncode == 0, done.stdout[-20_000:]
    assert f"Tested: {len(OPERATIONS)}" in done.stdout
