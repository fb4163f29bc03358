"""Schemathesis sends whatever the OpenAPI document allows, and what it forbids, to a live server."""

from pathlib import Path

import pytest

from tests.support.concurrency import postgresql_only
from tests.support.http_server import Site
from tests.support.schemathesis_run import configure, find_nothing


@postgresql_only
@pytest.mark.timeout(900)
def test_schemathesis_finds_nothing(site: Site, tmp_path: Path):
    find_nothing(site, configure(site, tmp_path), examples=40, seed=20261124)
