"""``Link`` and ``cursor``: the way from one page of the list to the next."""

import base64
import random
import re
import zlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest

from jobs.models import Job
from jobs.status import Status
from tests.support.api_client import Api, ids_of
from tests.support.factories import LONG_AGO, make_job

SORTS = ["jobId", "-jobId", "startAt", "-startAt"]
_LINK = re.compile(r'<jobs([^>]*)>; rel="([a-z]+)"')


def links_of(response: Any) -> dict[str, str]:
    """Return the queries of the targets by relation."""
    return {rel: target for target, rel in _LINK.findall(response["Link"])}


def walk(api: Api, query: str, rel: str = "next") -> Iterator[Any]:
    """Give the answer to ``query`` and to every link that follows."""
    while True:
        response = api.get(f"/jobs{query}")
        assert response.status_code == 200
        yield response
        if rel not in links_of(response):
            return
        query = links_of(response)[rel]


@pytest.fixture
def five(api: Api) -> Api:
    for number in range(5):
        make_job(project=api.project, start_at=LONG_AGO + timedelta(seconds=number // 2))
    return api


LINKS = {
    "": "first=?page=1",
    "limit=5": "first=?limit=5&page=1",
    "limit=2": "first=?limit=2&page=1 next=?limit=2&page=2",
    "limit=2&page=2": "first=?limit=2&page=1 prev=?limit=2&page=1 next=?limit=2&page=3",
    "limit=2&page=3": "first=?limit=2&page=1 prev=?limit=2&page=2",
    "limit=1&page=5": "first=?limit=1&page=1 prev=?limit=1&page=4",
    "limit=2&page=9": "first=?limit=2&page=1 prev=?limit=2&page=8",
    f"page={10**30}": f"first=?page=1 prev=?page={10**19 - 1}",
    # A limit that became 50 is repeated as 50.
    **{f"limit={limit}": "first=?limit=50&page=1" for limit in ("0", "201", "x", "9" * 3000)},
}


@pytest.mark.parametrize(("query", "links"), LINKS.items(), ids=range(len(LINKS)))
def test_prev_and_next_are_there_only_if_there_is_such_a_page(five: Api, query: str, links: str):
    assert " ".join(f"{rel}={target}" for rel, target in links_of(five.get(f"/jobs?{query}")).items()) == links


@pytest.mark.parametrize("sort", SORTS)
def test_pages_and_walks_by_their_links_give_the_whole_list(five: Api, sort: str):
    whole = ids_of(five.get(f"/jobs?sort={sort}"))

    for start in (f"?limit=2&sort={sort}", f"?limit=2&sort={sort}&cursor="):
        assert [job_id for response in walk(five, start) for job_id in ids_of(response)] == whole
    backwards = [ids_of(response) for response in walk(five, f"?limit=2&page=3&sort={sort}", "prev")]
    assert [job_id for page in reversed(backwards) for job_id in page] == whole


def test_links_repeat_limit_filters_and_sort_and_nothing_else(five: Api):
    make_job(project=five.project, reference_id="a&b=c d>\u00e4", status=Status.FAILED)
    asked = "?token=secret&limit=1&page=3&status=failed&status=failed&status=scheduled&sort=startAt&createdFrom=0&x="

    first = links_of(five.get(f"/jobs{asked}"))["first"]

    assert parse_qs(urlsplit(first).query) == {
        "limit": ["1"], "page": ["1"], "status": ["failed", "scheduled"], "sort": ["startAt"], "createdFrom": ["0"],
    }  # fmt: skip


def test_a_reference_in_a_link_is_quoted(five: Api):
    jobs = [make_job(project=five.project, reference_id='a&b=c d>,;"\u00e4+%').pk for _ in range(3)]

    answers = walk(five, "?limit=1&referenceId=a%26b%3Dc%20d%3E%2C%3B%22%C3%A4%2B%25")

    assert [job_id for response in answers for job_id in ids_of(response)] == jobs[::-1]


def test_links_are_right_under_any_prefix(five: Api):
    target = links_of(five.get("/jobs?limit=2"))["next"]

    address = "https://api.example.org/v2/p/KEY/jobs?limit=2"
    assert urljoin(address, target) == f"{address}&page=2"


def test_a_walk_has_no_page_and_no_prev_and_ends_without_next(five: Api):
    answers = list(walk(five, "?limit=2&page=3&cursor="))

    assert ids_of(answers[0]) == ids_of(five.get("/jobs?limit=2"))
    assert "page" not in answers[0]["Link"]
    assert [set(links_of(answer)) for answer in answers] == [{"first", "next"}, {"first", "next"}, {"first"}]
    assert links_of(answers[2])["first"] == "?limit=2&cursor="


@pytest.mark.parametrize("sort", SORTS)
def test_a_walk_during_inserts_and_deletes_repeats_and_loses_nothing(api: Api, sort: str):
    chance = random.Random(7)
    starts = dict(insert(api, chance) for _ in range(40))
    stays = set(starts)
    seen: list[int] = []

    for number, response in enumerate(walk(api, f"?limit=3&cursor=&sort={sort}")):
        seen += ids_of(response)
        if number < 8:
            starts.update(insert(api, chance) for _ in range(2))
            # Above all the job of the cursor.
            gone = {seen[-1], chance.choice(sorted(stays))}
            Job.objects.filter(pk__in=gone).delete()
            stays -= gone

    assert len(seen) == len(set(seen))
    assert stays <= set(seen)
    keys = [(starts[job_id], job_id) if "startAt" in sort else (0, job_id) for job_id in seen]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


def insert(api: Api, chance: random.Random) -> tuple[int, int]:
    """Insert a job; return its id and when it starts."""
    second = chance.randrange(5)
    return make_job(project=api.project, start_at=LONG_AGO + timedelta(seconds=second)).pk, second


def cursor_of(response: Any) -> str:
    return parse_qs(urlsplit(links_of(response)["next"]).query)["cursor"][0]


def forged(text: str) -> str:
    """Return a cursor of that content with the right check sum."""
    return packed(f"{text}.{zlib.crc32(text.encode()):08x}")


def packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


IMPOSSIBLE_STARTS = ["9" * 18, "-" + "9" * 18, "", "x", "1e3", "253402300800000000"]
BROKEN = [
    "x", "AAAA", "%00", "%FF", "%E2%82%AC", "%0A", "=", "====", "a" * 5000, "9" * 20, "-1", "1",
    packed("1.-jobId..5.00000000"), packed("1.-jobId..5"), forged("2.-jobId..5"), forged("1.-jobId..0"),
    forged("1.-jobId..-5"), forged("1.-jobId..9223372036854775808"), forged("1.-jobId..05"), forged("1.-jobId.7.5"),
    forged("1.-startAt..5"), forged("1.-jobId..٥"), forged("1.-jobId..5") + "=", forged("1.-jobId..5") + "%0A",
    forged("1.nonsense..5"), forged("1.-jobId..5.6"), forged("1..5"),
    *(forged(f"1.startAt.{start}.5") for start in IMPOSSIBLE_STARTS),
]  # fmt: skip


@pytest.mark.parametrize("cursor", BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("sort", ["-jobId", "startAt"])
def test_a_broken_cursor_is_refused(five: Api, cursor: str, sort: str):
    response = five.get(f"/jobs?cursor={cursor}&sort={sort}")

    assert response.status_code == 400
    assert response.json()["error"].startswith("cursor: is ")


def test_a_cursor_is_of_one_sort_and_refused_without_one_of_its_characters(five: Api):
    cursor = cursor_of(five.get("/jobs?limit=2&cursor="))

    other_sort = five.get(f"/jobs?cursor={cursor}&sort=jobId")
    cut = [five.get(f"/jobs?cursor={cursor[:place]}{cursor[place + 1 :]}") for place in range(len(cursor))]

    assert {answer.status_code for answer in (other_sort, *cut)} == {400}
    assert "keep the sort" in other_sort.json()["error"]


def test_a_cursor_of_another_project_is_only_a_position_and_may_lie_at_either_end_of_bigint(five: Api):
    cursor = cursor_of(five.get("/jobs?limit=2&cursor="))
    foreign = make_job()

    assert foreign.pk not in ids_of(five.get(f"/jobs?cursor={cursor}"))
    assert len(ids_of(five.get(f"/jobs?cursor={forged(f'1.-jobId..{2**63 - 1}')}"))) == 5
    assert ids_of(five.get(f"/jobs?cursor={forged('1.-jobId..1')}")) == []
