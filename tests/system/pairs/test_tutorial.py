"""The tutorial works on the oldest and on the newest Python, with the Django that pip installs there."""

from pathlib import Path

import pytest

from tests.support.environments import required_python
from tests.support.interpreters import REQUIRED, Pair
from tests.support.tutorial import new_reader


@pytest.mark.timeout(600)
@pytest.mark.parametrize("pair", REQUIRED, ids=str)
def test_the_tutorial_prints_what_it_shows(pair: Pair, tmp_path: Path):
    with new_reader(tmp_path, python=Path(required_python(pair))) as reader:
        reader.read()
        versions = reader.versions()

    assert reader.keys
    assert f"{versions}.".startswith(f"{pair.name}.")
