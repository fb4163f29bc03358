"""Settings of the attacks: those of the benchmarks, with the limits that hosts have by default."""

from tests.benchmarks.settings import *  # noqa: F403

JOBS: dict[str, object] = {}
