"""Schemathesis finds nothing in twenty thousand requests; the short run is in ``tests/system/clients``."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.support.concurrency import postgresql_only
from tests.support.http_server import Site
from tests.support.schemathesis_run import configure, find_nothing

REQUESTS: Final = 20_000
# Hypothesis ends a run's calls that follow links once an answer differs from that to the same call before.
SCENARIOS: Final = 100
CALLERS: Final = 4


def statuses(access_log: Path) -> Counter[str]:
    """Count the requests to the API by the status of the answer, as the server logged them."""
    return Counter(re.findall(r"^\S+ access \S+ /public/\S+ (\d+) ", access_log.read_text(), re.MULTILINE))


@postgresql_only
@pytest.mark.timeout(7200)
def test_schemathesis_finds_nothing_in_twenty_thousand_requests(site: Site, tmp_path: Path, access_log: Path):
    run = partial(find_nothing, site, configure(site, tmp_path), examples=200)
    said: list[str] = []

    with ThreadPoolExecutor(CALLERS) as pool:
        while statuses(access_log).total() < REQUESTS:
            seeds = range(len(said), len(said) + CALLERS)
            said += pool.map(lambda seed: run(seed=seed), seeds)

    scenarios = sum(int(found) for text in said for found in re.findall(r"Scenarios: +(\d+)", text))
    answered = statuses(access_log)
    print(f"{answered.total()} requests, {scenarios} scenarios: {dict(answered)}")
    assert scenarios >= SCENARIOS
    assert answered.keys() >= {"200", "201", "304", "400", "401", "404", "405", "409", "415", "422"}
    assert "429" not in answered
