"""A table of odd requests, and how each must be answered.

In targets ``{ours}`` is the project's key, ``{theirs}`` another organization's, ``{job}`` a
scheduled job of ours, ``{done}`` a completed one, ``{foreign}`` one of theirs.
"""

from dataclasses import dataclass, field
from typing import Final

DELETE, GET, POST = "DELETE", "GET", "POST"
JOBS: Final = "/public/{ours}/jobs"
USERS: Final = "/public/{ours}/users/"
VALID: Final = b'{"action": "touch_publicly", "referenceId": "x"}'
CHUNKED: Final = {"Transfer-Encoding": "chunked", "Content-Length": None}


@dataclass(frozen=True, kw_only=True)
class Odd:
    """One request; a header of None is left out, ``{secret}`` in one stands for the key."""

    method: str
    target: str
    status: int
    headers: dict[str, str | None] = field(default_factory=dict)
    body: bytes = b""

    def __str__(self) -> str:
        """Return a name for the test."""
        headers = " ".join(f"{name}={value}" for name, value in self.headers.items())
        return f"{self.status} {self.method} {self.target} {headers} {self.body!r}"[:90]


def rows(status: int, method: str, *targets: str) -> list[Odd]:
    return [Odd(method=method, target=target, status=status) for target in targets]


def below(prefix: str, endings: str) -> list[str]:
    return [prefix + ending for ending in endings.split()]


def bodies(status: int, *sent: bytes) -> list[Odd]:
    return [Odd(method=POST, target=JOBS, status=status, body=body) for body in sent]


def with_headers(status: int, method: str, *sent: dict[str, str | None], body: bytes = b"") -> list[Odd]:
    return [Odd(method=method, target=JOBS, status=status, headers=headers, body=body) for headers in sent]


def bearer(*spellings: str | None) -> list[dict[str, str | None]]:
    return [{"Authorization": spelling} for spelling in spellings]


LISTS: Final = [
    *rows(
        200,
        GET,
        *below(JOBS + "?limit=", "0 201 -1 %2B5 1_0 %D9%A1 1.0 %00 %FF %ED%A0%80 1%0A 99999999999999999999 &"),
    ),
    *rows(200, GET, *below(JOBS + "?page=", "0 -1 9223372036854775807 9223372036854775808 1e9 x %2B1 +1 --1 0x2")),
    *rows(200, GET, JOBS + "?page=" + "9" * 3000, JOBS + "?limit=1&limit=abc", JOBS + "?page=abc&page=2", JOBS + "?"),
    *rows(200, GET, JOBS + "?" + "a&" * 1500, JOBS + "?=&&;=%&%%&%zz", JOBS + "?limit[]=5&limit%5B%5D=1"),
    *rows(200, GET, JOBS + "?format=html", JOBS + "?format=api&callback=x", JOBS + "?_method=DELETE", JOBS + "#top"),
    *with_headers(200, GET, {"Content-Type": "application/json; charset=rot13"}, {"Content-Type": "x; charset=utf-7"}),
    *with_headers(
        200, GET, {"Accept": "text/html"}, {"Accept": "application/xml;q=1"}, {"Accept": ""}, {"Accept": None}
    ),
    *with_headers(
        200, GET, {"X-HTTP-Method-Override": "DELETE"}, {"Cookie": "\xff=\xfe; sessionid=x"}, {"Range": "bytes=0-1"}
    ),
    *with_headers(
        200, GET, {"X-Request-Id": "a b"}, {"X-Request-Id": "\xff" * 200}, {"If-None-Match": "*"}, {"Origin": "null"}
    ),
    *with_headers(200, GET, {"Content-Length": "5"}, body=b"abcde"),
]
IDS: Final = [
    *rows(
        400,
        GET,
        *below(
            JOBS + "/", "abc 1.0 1e3 0x1 1_0 %20 1%20 %201 1%0A %00 %D9%A3 %EF%BC%91 -- +- null 1;2 %C2%B2 1%00 NaN"
        ),
    ),
    *rows(400, DELETE, *below(JOBS + "/", "abc 1.0 %00 {job}.0 {job}%20 {job}%0A {job}x {job},{job} *")),
    *rows(
        404,
        GET,
        *below(JOBS + "/", "0 -1 +0 9223372036854775807 9223372036854775808 1000000000000000000000000 {foreign}"),
    ),
    *rows(
        404,
        DELETE,
        *below(JOBS + "/", "0 -{job} 9223372036854775808 -9223372036854775809 {foreign}"),
        JOBS + "/" + "9" * 3000,
    ),
    *rows(200, GET, *below(JOBS + "/", "{job} +{job} 00{job} {job}?x=1 %2B{job}")),
    *rows(400, DELETE, JOBS + "/{done}", JOBS + "/{done}?force=1", JOBS + "/+{done}"),
]
PATHS: Final = [
    *rows(
        404,
        GET,
        *below(
            "/public", "/ /x /{ours} /{ours}/ /{ours}/jobs/ /{ours}//jobs //{ours}/jobs /{ours}/Jobs /{ours}/jobs.json"
        ),
    ),
    *rows(404, GET, *below("/public/{ours}/jobs/", "{job}/ {job}/x {job}%2F /{job} %2F {job}/events ../jobs")),
    *rows(
        404,
        GET,
        "/public/{ours}/users",
        "/public/{ours}/%FF",
        "/public/{ours}/jobs%00",
        "/public/{ours}/jobs;x",
        "/public/%",
    ),
    *rows(
        404,
        GET,
        *below(
            "/public/", "{theirs}/jobs unknown/jobs %00/jobs %FF/jobs %F0%9F%92%A9/jobs %0A/jobs {ours}%20/jobs ../jobs"
        ),
    ),
    *rows(404, GET, "/public/" + "x" * 3000 + "/jobs", "/public/{theirs}/jobs/{foreign}", "/public/{theirs}/jobs/abc"),
    *rows(
        404,
        DELETE,
        "/public/{theirs}/jobs/{foreign}",
        "/public/{theirs}/users/x",
        "/public/unknown/users/x",
        "/public/{ours}/users",
    ),
    *rows(404, POST, "/public/{ours}/jobs/", "/public/{theirs}/jobs", "/public/{ours}/"),
]
METHODS: Final = [
    *rows(405, GET, JOBS + "/batch", JOBS + "/batch?x", JOBS + "/%62atch"),
    *rows(405, DELETE, JOBS + "/batch"),
    *rows(400, GET, JOBS + "/BATCH", JOBS + "/batch%20", JOBS + "/batch%0A"),
    *rows(405, "PUT", JOBS, JOBS + "/{job}", USERS + "x"),
    *rows(405, "PATCH", JOBS, JOBS + "/{job}"),
    *rows(405, "OPTIONS", JOBS, JOBS + "/{job}", USERS + "x"),
    *rows(405, DELETE, JOBS),
    *rows(405, POST, JOBS + "/{job}", USERS + "x"),
    *rows(405, GET, USERS + "x"),
    *rows(405, "TRACE", JOBS),
    *rows(405, "FOO", JOBS),
    *rows(405, "PROPFIND", JOBS),
    *rows(405, "HEAD", USERS + "x"),
]
KEYS: Final = [
    *with_headers(
        401,
        GET,
        *bearer(None, "", "{secret}", "Bearer", "Bearer ", "Basic {secret}", "Bearer{secret}", "Token {secret}"),
    ),
    *with_headers(
        401,
        GET,
        *bearer("Bearer {secret}x", "Bearer {secret} {secret}", "Bearer \xff", "Bearer jsk_", "Bearer " + "x" * 5000),
    ),
    *with_headers(
        401,
        GET,
        *bearer('Bearer "{secret}"', "Bearer\t{secret}", "Bearer,{secret}", "{secret} Bearer", "Bearer={secret}"),
    ),
    *with_headers(401, GET, {"Authorization": None, "X-Api-Key": "{secret}"}),
    *with_headers(200, GET, *bearer("bearer {secret}", "BEARER {secret}", "Bearer   {secret}", "Bearer {secret}  ")),
    *with_headers(401, "PUT", *bearer("Bearer x")),
    *with_headers(401, POST, *bearer("Bearer x"), body=VALID),
]
HOSTS: Final = [
    *with_headers(
        400,
        GET,
        {"Host": "evil.example"},
        {"Host": "127.0.0.1:80:80"},
        {"Host": "localhost.evil.example"},
        {"Host": "a_b c"},
    ),
    *with_headers(400, DELETE, {"Host": "evil.example"}),
]
ELSEWHERE: Final = [*LISTS, *IDS, *PATHS, *METHODS, *KEYS, *HOSTS]
