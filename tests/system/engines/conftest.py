"""An engine a test, with all that it started gone at the end."""

from collections.abc import Iterator

import pytest

from tests.system.engines.engines import ENGINES, CelerySolo, Engine, check_available

WITH_DISPATCHER = [engine for engine in ENGINES if engine.has_dispatcher]


def _given(engine: type[Engine]) -> Iterator[Engine]:
    check_available(engine)
    made = engine()
    try:
        yield made
    finally:
        for program in made.programs.all:
            print(f"---- {program.log_path.name}\n{program.log}")
        made.close()


@pytest.fixture(params=[*ENGINES, CelerySolo], ids=lambda engine: engine.__name__)
def any_engine(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Engine]:
    """Every engine in turn, and in every way to run it that the documentation names."""
    yield from _given(request.param)


@pytest.fixture(params=WITH_DISPATCHER, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Engine]:
    """Every engine in turn that a dispatcher hands jobs to."""
    yield from _given(request.param)
