"""What the measures of size and time would find: a leak, a figure above its limit, a limit without a figure."""

import pytest

from tests.system.scale.findings import problems_of
from tests.system.scale.midnight_rows import SMALL_JOBS, share_out
from tests.system.scale.usage import Usage, growth


def usages(*, files_by_part: int) -> list[Usage]:
    return [
        Usage(memory=80_000, peak=81_000, files=10 + files_by_part * part, threads=7, connections=5)
        for part in range(10)
    ]


def test_one_file_that_stays_open_in_a_thousand_uses_is_growth_by_one():
    figures = growth("worker", usages(files_by_part=10), every=10_000)

    assert figures["worker_files_by_1000"] == 1.0
    assert problems_of(figures, {"worker_files_by_1000": 0.05}) == ["worker_files_by_1000 is 1, more than 0.05"]


def test_steady_use_is_no_growth():
    figures = growth("web", usages(files_by_part=0), every=1_000)

    grown = {name: value for name, value in figures.items() if name.endswith("_by_1000")}
    assert set(grown.values()) == {0.0}
    assert len(grown) == 4


def test_a_limit_without_its_figure_is_an_error():
    with pytest.raises(KeyError):
        problems_of({"lost": 0}, {"lost": 0, "doubled": 0})


def test_at_a_midnight_one_organization_has_half_of_all_jobs_and_most_have_ten():
    shares = share_out(list(range(200)), 100_000)

    assert sum(shares.jobs) == 100_000
    assert shares.jobs[0] >= 49_000
    assert len(shares.small) == 150
    assert shares.fair_place == 200 * SMALL_JOBS
