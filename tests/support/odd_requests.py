"""A table of odd requests, and how each must be answered; ids of users; and what is no HTTP at all.

In targets ``{ours}`` is the project's key, ``{theirs}`` another organization's, ``{job}`` a
scheduled job of ours, ``{done}`` a completed one, ``{foreign}`` one of theirs.
"""

from dataclasses import dataclass, field
from typing import Final

DELETE, GET, POST = "DELETE", "GET", "POST"
JOBS: Final = "/public/{ours}/jobs"
USERS: Final = "/public/{ours}/users/"
VALID: Final = b'{"action": "touch_publicly", "referenceId": "x"}'


@dataclass(frozen=True, kw_only=True)
class Odd:
    """One request; a header of None is left out, ``{secret}`` in one stands for the key."""

    method: str
    target: str
    status: int
    headers: dict[str, str | None] = field(default_factory=dict)
    body: bytes = b""

    def __str__(self) -> str:
        headers = " ".join(f"{name}={value}" for name, value in self.headers.items())
        return f"{self.status} {self.method} {self.target} {headers} {self.body!r}"[:90]


def parse(table: str) -> list[Odd]:
    """Return a request for each ending in lines of ``status method prefix ending …``; ``.`` is the prefix alone."""
    found = []
    for line in table.strip().splitlines():
        status, method, prefix, *endings = line.split()
        prefix = prefix.replace("JOBS", JOBS).replace("USERS/", USERS)
        found += [
            Odd(method=method, target=prefix + (ending if ending != "." else ""), status=int(status))
            for ending in endings
        ]
    return found


def rows(status: int, method: str, *targets: str) -> list[Odd]:
    return [Odd(method=method, target=target, status=status) for target in targets]


def bodies(status: int, *sent: bytes, target: str = JOBS) -> list[Odd]:
    return [Odd(method=POST, target=target, status=status, body=body) for body in sent]


def with_header(status: int, method: str, name: str, *values: str | None, body: bytes = b"") -> list[Odd]:
    return [Odd(method=method, target=JOBS, status=status, headers={name: value}, body=body) for value in values]


TARGETS: Final = r"""
200 GET JOBS?limit= 0 201 -1 %2B5 1_0 %D9%A1 1.0 %00 %FF %ED%A0%80 1%0A 99999999999999999999 & 1&limit=abc
200 GET JOBS?page= 0 -1 9223372036854775807 9223372036854775808 1e9 x %2B1 +1 --1 0x2 abc&page=2
400 GET JOBS ?limit[]=5&limit%5B%5D=1 ?Status=failed ?created_from=0 ?createdFrom=1764525600 ?startTo=-1
400 DELETE USERS/ a?b a?dryRun=true a?startAt=1764525600 a?startAt=-1 a?startAt= a?startAt=0&startAt=0
400 POST JOBS ?dryRun /batch?ifExists=return
200 GET JOBS ? ?=&&;=%&%%&%zz ?format=html ?format=api&callback=x ?_method=DELETE #top
400 GET JOBS/ abc 1.0 1e3 0x1 1_0 %20 1%20 %201 1%0A %00 %D9%A3 %EF%BC%91 -- +- null 1;2 %C2%B2 1%00 NaN
400 DELETE JOBS/ abc 1.0 %00 {job}.0 {job}%20 {job}%0A {job}x {job},{job} * {done} {done}?force=1 +{done}
404 GET JOBS/ 0 -1 +0 9223372036854775807 9223372036854775808 1000000000000000000000000 {foreign}
404 DELETE JOBS/ 0 -{job} 9223372036854775808 -9223372036854775809 {foreign}
200 GET JOBS/ {job} +{job} 00{job} {job}?x=1 %2B{job}
404 GET /public / /x /{ours} /{ours}/ /{ours}/jobs/ /{ours}//jobs //{ours}/jobs /{ours}/Jobs /{ours}/jobs.json /%
404 GET JOBS/ {job}/ {job}/x {job}%2F /{job} %2F {job}/events ../jobs
404 GET /public/{ours}/ users %FF jobs%00 jobs;x
404 GET /public/ {theirs}/jobs unknown/jobs %00/jobs %FF/jobs %F0%9F%92%A9/jobs %0A/jobs {ours}%20/jobs ../jobs
404 GET /public/{theirs}/jobs/ {foreign} abc
404 DELETE /public/ {theirs}/jobs/{foreign} {theirs}/users/x unknown/users/x {ours}/users
404 POST /public/ {ours}/jobs/ {theirs}/jobs {ours}/
405 GET JOBS/ batch batch?x %62atch
405 DELETE JOBS . /batch
400 GET JOBS/ BATCH batch%20 batch%0A
405 PUT JOBS . /{job}
405 PATCH JOBS . /{job}
405 OPTIONS JOBS . /{job}
405 POST JOBS/ {job}
405 TRACE JOBS .
405 FOO JOBS .
405 PROPFIND JOBS .
405 PUT USERS/ x
405 OPTIONS USERS/ x
405 POST USERS/ x
405 GET USERS/ x
405 HEAD USERS/ x
400 DELETE USERS/ x?ifExists x?ifExists=1 x?ifExists=%00 x?ifExists=%FF . ?x
400 POST JOBS ?ifExists=RETURN
400 DELETE USERS/ / // %2F a/ /a a//b a%2F%2Fb a%2F %2e %2E%2E a/./b a/../b ..%2Fjobs a/.. %00 a%00b %0A a%0D%0A %7F
400 DELETE USERS/. .
400 DELETE USERS/ ..
400 DELETE USERS/ %FF %C3 a%E9b %ED%A0%80 %C0%AF %F8%88%80%80%80 %20 %09 %C2%85 a%FFb a#b
"""
LONG: Final = [
    *rows(200, GET, JOBS + "?page=" + "9" * 3000, JOBS + "?" + "a&" * 1500),
    *rows(404, DELETE, JOBS + "/" + "9" * 3000),
    *rows(404, GET, "/public/" + "x" * 3000 + "/jobs"),
    *rows(400, DELETE, USERS + "x" * 257, USERS + "%C3%A9" * 129, USERS + "a%2F" * 100),
]
HEADERS: Final = [
    *with_header(200, GET, "Content-Type", "application/json; charset=rot13", "x; charset=utf-7"),
    *with_header(
        200, GET, "Accept", "text/html", "application/xml;q=1", "application/json;q=0", "", "x", "a/b;q=x", None
    ),
    *(
        Odd(method=GET, target=JOBS + ending, status=status, headers={"Accept": "text/html"})
        for ending, status in (("/abc?format=xml", 400), ("/{job}/nowhere", 404))
    ),
    *with_header(200, GET, "X-HTTP-Method-Override", "DELETE"),
    *with_header(200, GET, "Cookie", "\xff=\xfe; sessionid=x"),
    *with_header(200, GET, "Range", "bytes=0-1"),
    *with_header(200, GET, "X-Request-Id", "a b", "\xff" * 200),
    *with_header(200, GET, "If-None-Match", "*"),
    *with_header(200, GET, "Origin", "null"),
    *with_header(200, GET, "Content-Length", "5", body=b"abcde"),
    *with_header(400, GET, "Host", "evil.example", "127.0.0.1:80:80", "localhost.evil.example", "a_b c"),
    *with_header(400, DELETE, "Host", "evil.example"),
]
AUTHORIZATIONS: Final = [
    *(None, "", "{secret}", "Bearer", "Bearer ", "Basic {secret}", "Bearer{secret}", "Token {secret}"),
    *("Bearer {secret}x", "Bearer {secret} {secret}", "Bearer \xff", "Bearer jsk_", "Bearer " + "x" * 5000),
    *('Bearer "{secret}"', "Bearer\t{secret}", "Bearer,{secret}", "{secret} Bearer", "Bearer={secret}"),
    *("Bearer: {secret}", "Bearer <{secret}>"),
]
KEYS: Final = [
    *with_header(401, GET, "Authorization", *AUTHORIZATIONS),
    *with_header(401, "PUT", "Authorization", "Bearer x"),
    *with_header(401, POST, "Authorization", "Bearer x", body=VALID),
    Odd(method=GET, target=JOBS, status=401, headers={"Authorization": None, "X-Api-Key": "{secret}"}),
    *with_header(200, GET, "Authorization", *(f"{word} {{secret}}" for word in ("bearer", "BEARER", "bEaReR"))),
    *with_header(200, GET, "Authorization", "Bearer   {secret}", "Bearer {secret}  "),
]


def instead(old: bytes, *new: bytes) -> list[bytes]:
    return [VALID.replace(old, one) for one in new]


STARTS: Final = (b"1.0", b'"1"', b"null", b"1e3", b"-1", b"1764525600", b"9" * 19, b"-" + b"9" * 300)
IDEMPOTENCY_KEYS: Final = ("", '""', '"', "a b", "a,b", '"a";b', "\xe9", "\xff" * 300, "x" * 256)
BODIES: Final = [
    *bodies(400, b"", b"{", b"[]", b"null", b'"x"', b"{}", b"\xef\xbb\xbf{}", b'{"a": "\xff"}', b"\x00", VALID + b"x"),
    *bodies(400, VALID * 2, b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e400}', b'{"a": ' + b"1" * 60_000 + b"}"),
    *bodies(400, b'{"a":' * 10_000, b"[" * 60_000, b'{"action": 1, "action": 2}', VALID.decode().encode("utf-16")),
    *bodies(400, b'{"action": "touch_publicly"}'),
    *bodies(400, *instead(b'"x"', b"5", b'""', b'" "', b"null", rb'"\u0000"', rb'"\ud800"', rb'"a\nb"')),
    *bodies(400, *instead(b'"x"', b'"' + b"x" * 257 + b'"')),
    *bodies(400, *instead(b"}", b', "x": 1}', rb', "\ud800": 1}', b', "parameters": []}')),
    *bodies(400, *instead(b"}", *(b', "startAt": ' + start + b"}" for start in STARTS))),
    *bodies(400, *instead(b"touch_publicly", b"touch", rb"\u0000")),
    *bodies(413, b" " * 65_537, b"\xff" * 200_000),
    *with_header(415, POST, "Content-Type", None, "text/plain", "application/json;charset=rot13", body=VALID),
    *with_header(
        415, POST, "Content-Type", "multipart/form-data", "application/x-www-form-urlencoded", body=b"a=" * 2000
    ),
    *with_header(413, POST, "Content-Length", "99999999999", "65537", body=VALID),
    *with_header(400, POST, "Content-Length", str(len(VALID) + 1), "0", "5", body=VALID),
    Odd(
        method=POST,
        target=JOBS,
        status=411,
        headers={"Transfer-Encoding": "chunked", "Content-Length": None},
        body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(VALID), VALID),
    ),
    *with_header(400, POST, "Idempotency-Key", *IDEMPOTENCY_KEYS, body=VALID),
]
BATCH: Final = f"{JOBS}/batch"
BATCHES: Final = [
    *bodies(400, b"", b"{}", b"[]", b'{"jobs": []}', b'{"jobs": [' + VALID + b", null]}", target=BATCH),
    *bodies(400, b'{"jobs": [' + VALID + b", " + instead(b'"x"', rb'"\ud800"')[0] + b"]}", target=BATCH),
    *bodies(400, b'{"jobs": [' + b", ".join([VALID] * 1001) + b"]}", target=BATCH),
    *bodies(400, b'{"jobs": [' + VALID + b'], "jobs": []}', b'{"jobs": ' + b"[" * 500_000, target=BATCH),
    *bodies(400, b'{"jobs": [' + b"{}," * 300_000 + b"{}]}", target=BATCH),
    *bodies(413, b" " * (2**20 + 1), target=BATCH),
]
ALL: Final = [*parse(TARGETS), *LONG, *HEADERS, *KEYS, *BODIES, *BATCHES]

# Odd but proper spellings of a user, and who is meant; None: refused.
MEANT: Final = {
    "a%2Fb": "a/b", "a/b": "a/b", "a+b@x.y": "a+b@x.y", "%61%2b": "a+", "%25FF": "%FF", "%EF%BF%BD": "\ufffd",
    "a%3Fb": "a?b", "a%23b": "a#b", "%C3%A9": "é", "a%20b": "a b", "..a": "..a", ";a=1": ";a=1",
    "users/users/": None, "jobs/1": "jobs/1", "x" * 256: "x" * 256,
}  # fmt: skip

# What is no HTTP: gunicorn refuses it itself, in its own words.
NOT_HTTP: Final = [
    b"GET\r\n\r\n",
    b"DELETE /public/x/users/\xc3\xa9 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"DELETE /public/x/users/a b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"DELETE /public/x/jobs/\xd9\xa3 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET /public/x/jobs HTTP/9.9\r\n\r\n",
    b"GET /public/x/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nbad header\r\n\r\n",
    b"GET /public/x/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"GET /public/x/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    b"GET /public/" + b"x" * 9000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
]
