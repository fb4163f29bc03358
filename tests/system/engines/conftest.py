"""Fixtures that give a test each engine in turn, and end all that it started."""

from collections.abc import Iterator

import pytest

from tests.system.engines.engines import ENGINES, CelerySolo, Engine, check_available, closing_engine


@pytest.fixture(params=[*ENGINES, CelerySolo], ids=lambda engine: engine.__name__)
def any_engine(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Engine]:
    """Every engine in turn, in every way to run it that the documentation names."""
    check_available(request.param)
    with closing_engine(request.param()) as engine:
        yield engine


@pytest.fixture(params=[engine for engine in ENGINES if engine.has_dispatcher], ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Engine]:
    """Every engine in turn that has a dispatcher."""
    check_available(request.param)
    with closing_engine(request.param()) as engine:
        yield engine
