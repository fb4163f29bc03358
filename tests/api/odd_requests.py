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
        *below(JOBS + "?limit=", "0 201 -1 %2B5 1_0 ١ %D9%A1 1.0 %00 %FF %ED%A0%80 1%0A 99999999999999999999 &"),
    ),
    *rows(200, GET, *below(JOBS + "?page=", "0 -1 9223372036854775807 9223372036854775808 ٣ 1e9 x %2B1 +1 --1 0x2")),
    *rows(200, GET, JOBS + "?page=" + "9" * 3000, JOBS + "?limit=1&limit=abc", JOBS + "?page=abc&page=2", JOBS + "?"),
    *rows(
        200, GET, JOBS + "?" + "a&" * 1500, JOBS + "?=&&;=%&%%&%zz", JOBS + "?limit[]=5&limit%5B%5D=1", JOBS + "?\xff"
    ),
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
        *below(JOBS + "/", "abc 1.0 1e3 0x1 1_0 %20 1%20 %201 1%0A %00 ٣ %D9%A3 %EF%BC%91 -- +- null 1;2 ² 1%00 NaN"),
    ),
    *rows(400, DELETE, *below(JOBS + "/", "abc 1.0 %00 ٣ {job}.0 {job}%20 {job}%0A {job}x {job},{job} *")),
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
    *with_headers(
        401, GET, {"Authorization": None, "X-Api-Key": "{secret}"}, {"Authorization": None, "authorization ": "x"}
    )[:1],
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
    *with_headers(200, GET, {"Host": "evil.example", "X-Forwarded-Host": "127.0.0.1"})[:0],
]
BODIES: Final = [
    *bodies(
        400,
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b"\xef\xbb\xbf{}",
        b'{"a": "\xff"}',
        b"\x00",
        VALID + b"x",
        VALID * 2,
    ),
    *bodies(
        400, b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e400}', b'{"a": ' + b"1" * 60_000 + b"}", b'{"a":' * 10_000
    ),
    *bodies(
        400,
        b"[" * 60_000,
        b'{"action": 1, "action": 2}',
        VALID.decode().encode("utf-16"),
        b'{"action": "touch_publicly"}',
    ),
    *bodies(
        400,
        VALID.replace(b'"x"', b"5"),
        VALID.replace(b'"x"', b'""'),
        VALID.replace(b'"x"', b'" "'),
        VALID.replace(b'"x"', b"null"),
    ),
    *bodies(
        400, VALID.replace(b'"x"', rb'"\u0000"'), VALID.replace(b'"x"', rb'"\ud800"'), VALID.replace(b'"x"', rb'"a\nb"')
    ),
    *bodies(
        400,
        VALID.replace(b'"x"', b'"' + b"x" * 257 + b'"'),
        VALID.replace(b"}", b', "x": 1}'),
        VALID.replace(b"}", rb', "\ud800": 1}'),
    ),
    *bodies(
        400,
        *(
            VALID.replace(b"}", b', "startAt": ' + start + b"}")
            for start in (b"1.0", b'"1"', b"null", b"1e3", b"9" * 19, b"-" + b"9" * 300)
        ),
    ),
    *bodies(
        400,
        VALID.replace(b"touch_publicly", b"touch"),
        VALID.replace(b"touch_publicly", rb"\u0000"),
        VALID.replace(b"}", b', "parameters": []}'),
    ),
    *bodies(413, b" " * 65_537, b"\xff" * 200_000),
    *with_headers(
        415,
        POST,
        {"Content-Type": None},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json;charset=rot13"},
        body=VALID,
    ),
    *with_headers(
        415,
        POST,
        {"Content-Type": "multipart/form-data"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        body=b"a=" * 2000,
    ),
    *with_headers(413, POST, {"Content-Length": "99999999999"}, {"Content-Length": "65537"}, body=VALID),
    *with_headers(
        400, POST, {"Content-Length": str(len(VALID) + 1)}, {"Content-Length": "0"}, {"Content-Length": "5"}, body=VALID
    ),
    *with_headers(411, POST, CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(VALID), VALID)),
]
USER_IDS: Final = [
    *rows(
        400,
        DELETE,
        *below(
            USERS,
            "/ // %2F a/ /a a//b a%2F%2Fb a%2F . .. %2e %2E%2E a/./b a/../b ..%2Fjobs a/.. %00 a%00b %0A a%0D%0A %7F",
        ),
    ),
    *rows(
        400,
        DELETE,
        *below(USERS, "%FF %C3 a%E9b %ED%A0%80 %C0%AF %F8%88%80%80%80 %20 %09 %C2%85 a%FFb a\xffb a#b"),
        USERS,
        USERS + "?x",
    ),
    *rows(400, DELETE, USERS + "x" * 257, USERS + "%C3%A9" * 129, USERS + "a%2F" * 100),
]
ALL: Final = [*LISTS, *IDS, *PATHS, *METHODS, *KEYS, *HOSTS, *BODIES, *USER_IDS]

# Who is meant by odd but proper spellings.
MEANT: Final = {
    "a%2Fb": "a/b",
    "a/b": "a/b",
    "a+b@x.y": "a+b@x.y",
    "%61%2b": "a+",
    "%25FF": "%FF",
    "%EF%BF%BD": "\ufffd",
    "a%3Fb": "a?b",
    "a?b": "a",
    "a%23b": "a#b",
    "%C3%A9": "é",
    "\xc3\xa9": "é",
    "a%20b": "a b",
    "..a": "..a",
    ";a=1": ";a=1",
    "users/users/": None,
    "jobs/1": "jobs/1",
    "x" * 256: "x" * 256,
}

# What is no HTTP: gunicorn refuses it itself, in its own words.
NOT_HTTP: Final = [
    b"GET\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET /public/x/jobs HTTP/9.9\r\n\r\n",
    b"GET /public/x/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nbad header\r\n\r\n",
    b"GET /public/x/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"GET /public/x/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    b"GET /public/" + b"x" * 9000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
]
