"""What the clients find."""

from pathlib import Path

import pytest

from tests.support.clients.scene import Scene, set_scene
from tests.support.http_server import Site


@pytest.fixture
def scene(site: Site, tmp_path: Path) -> Scene:
    """A live site, and its document in a directory of the test's own."""
    return set_scene(site, tmp_path)
