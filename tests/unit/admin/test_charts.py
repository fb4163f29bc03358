"""The charts of the overview show the numbers of its table."""

import re
from datetime import datetime, timedelta
from typing import Final

import pytest
from django.test import Client

from jobs.admin.base.display import duration
from jobs.status import Status
from tests.support.admin_overview import MINUTE, make_history, page_of, words_of
from tests.support.ended_jobs import make_ended
from tests.support.factories import make_project

STAFF_MAY: Final = ("view_job",)


def cells_of(html: str) -> list[list[str]]:
    """Return the lines of the table of figures, without their headings."""
    (table,) = re.findall(r'<details id="jobs-figures".*?</details>', html, re.DOTALL)
    return [[words_of(cell) for cell in re.findall(r"<td>(.*?)</td>", line)] for line in table.split("<tr>")[2:]]


def spots_of(html: str, chart: str) -> list[list[str]]:
    """Return what each period of a chart says when pointed at: its values, in words."""
    (drawing,) = re.findall(rf'<figure class="jobs-chart" id="jobs-chart-{chart}">.*?</figure>', html, re.DOTALL)
    told = re.findall(r'<rect class="jobs-spot"[^>]*><title>(.*?)</title>', drawing)
    return [[part.rpartition(": ")[2] for part in words_of(words).split(" – ", 1)[1].split(", ")] for words in told]


@pytest.mark.parametrize("span", ["1h", "24h", "7d"])
def test_the_charts_show_the_numbers_of_the_table(client: Client, now: datetime, span: str):
    make_history(now)

    html = page_of(client, span=span)
    cells = cells_of(html)

    assert len(cells) == {"1h": 13, "24h": 49, "7d": 57}[span]
    for chart, columns in {"ended": (0, 3), "share": (3, 4), "wait": (4, 6), "run": (6, 8)}.items():
        assert spots_of(html, chart) == [line[slice(*columns)] for line in cells], chart
    if span != "1h":
        assert sum(int(count) for line in cells for count in line[:3]) == 40


def test_the_height_of_a_bar_is_its_number(client: Client, now: datetime):
    project = make_project()
    ended = now - 40 * MINUTE
    for status, count in ((Status.COMPLETED, 5), (Status.CANCELLED, 2), (Status.FAILED, 1)):
        for _ in range(count):
            make_ended(ended, status=status, project=project)

    html = page_of(client, span="1h")

    heights = {}
    for name in ("completed", "cancelled", "failed"):
        (path,) = re.findall(rf'<path class="jobs-bar-{name}" d="M[\d.]+ ([\d.]+V[\d.]+)h8V[\d.]+Z"/>\s', html)
        low, high = map(float, path.split("V"))
        heights[name] = (low, high)
    # Eight on a scale up to eight, one on top of the other.
    assert heights == {"completed": (100, 37.5), "cancelled": (37.5, 12.5), "failed": (12.5, 0)}


def test_a_chart_has_a_name_and_a_description_and_marks_beside_its_colours(client: Client, now: datetime):
    make_history(now)

    html = page_of(client)

    for chart, title in {
        "ended": "Ended jobs",
        "share": "Share of failures",
        "wait": "Wait",
        "run": "Run time",
    }.items():
        names = f"jobs-chart-{chart}-title jobs-chart-{chart}-desc"
        assert f'role="img" aria-labelledby="{names}"' in html
        assert f'<title id="jobs-chart-{chart}-title">{title}, Last 24 hours</title>' in html
        assert f'<desc id="jobs-chart-{chart}-desc">' in html
    for mark in ("✓", "⊘", "✗"):
        assert f'<span aria-hidden="true">{mark}</span>' in html


def test_the_page_shows_the_total_of_the_span(client: Client, now: datetime):
    project = make_project()
    for status in [Status.COMPLETED] * 6 + [Status.FAILED] * 2 + [Status.CANCELLED]:
        make_ended(now - 30 * MINUTE, status=status, ran=600, project=project)

    words = words_of(page_of(client))

    assert "Ended 9 Failed 25.0 % of those not cancelled" in words
    assert re.search(r"Run time half within about (8|9|1\d) min", words)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (-5, "0 s"), (0.0123, "12 ms"), (0.9994, "999 ms"), (0.9996, "1 s"), (1, "1 s"), (1.44, "1.4 s"),
        (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min"), (61, "1 min 1 s"), (240, "4 min"),
        (601, "10 min"), (3599, "59 min"), (3600, "1 h"), (7500, "2 h 5 min"), (86_400, "1 d"), (273_600, "3 d 4 h"),
    ],
)  # fmt: skip
def test_a_duration_has_at_most_two_units(seconds: float, words: str):
    assert duration(timedelta(seconds=seconds)) == words
