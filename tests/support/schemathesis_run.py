"""A run of Schemathesis against a live site, with all checks that apply."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support import schemathesis_checks
from tests.support.factories import make_key
from tests.support.http_server import Site
from tests.support.openapi.operations import OPERATIONS

# What is not on:
# - the cache: what one run found out would change what the next one sends.
# - use_after_free: DELETE of a job cancels it; by the contract it stays to be read.
# - positive_data_acceptance, negative_data_rejection: our checks in `schemathesis_checks` call them, except for
#   findings that are as they should be.
CONFIG: Final = """
hooks = "{hooks}"

[parameters]
"path.projectKey" = "{project_key}"

[auth.wfc]
path = "{keys}"
user = "owner"
peers = ["owner", "stranger"]

[cache]
enabled = false

[checks]
use_after_free.enabled = false
positive_data_acceptance.enabled = false
negative_data_rejection.enabled = false
"""


def configure(site: Site, directory: Path) -> Path:
    """Write what runs against ``site`` have in common; return the file.

    Requests have the key of ``site``; what they read, the key of another organization must not get.
    """
    config, keys = directory / "schemathesis.toml", directory / "keys.json"
    secrets = {"owner": site.secret, "stranger": make_key().secret}
    keys.write_text(json.dumps({"auth": [_login(name, secret) for name, secret in secrets.items()]}))
    config.write_text(CONFIG.format(hooks=schemathesis_checks.__file__, project_key=site.project_key, keys=keys))
    return config


def find_nothing(site: Site, config: Path, *, examples: int, seed: int) -> str:
    """Assert that Schemathesis tests every operation and finds nothing; return what it says."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    command += [f"{site.address}/public/openapi.json", "--max-examples", str(examples), "--seed", str(seed)]
    command += ["--no-color", "--continue-on-failure"]

    done = subprocess.run(command, cwd=config.parent, capture_output=True, text=True)

    print(done.stdout[-3000:])
    assert done.returncode == 0, done.stdout[-20_000:]
    assert f"Tested: {len(OPERATIONS)}" in done.stdout
    return done.stdout


def _login(name: str, secret: str) -> dict[str, object]:
    return {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {secret}"}]}
