"""The table of odd requests, continued: bodies, ids of users, and what is no HTTP at all."""

from typing import Final

from tests.support.odd_requests import (
    CHUNKED,
    DELETE,
    ELSEWHERE,
    JOBS,
    POST,
    USERS,
    VALID,
    Odd,
    below,
    bodies,
    rows,
    with_headers,
)

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
BATCHES: Final = [
    Odd(method=POST, target=f"{JOBS}/batch", status=status, body=body)
    for status, body in [
        (400, b""),
        (400, b"{}"),
        (400, b"[]"),
        (400, b'{"jobs": []}'),
        (400, b'{"jobs": [' + VALID + b", null]}"),
        (400, b'{"jobs": [' + VALID + b", " + VALID.replace(b'"x"', rb'"\ud800"') + b"]}"),
        (400, b'{"jobs": [' + b", ".join([VALID] * 1001) + b"]}"),
        (400, b'{"jobs": [' + VALID + b'], "jobs": []}'),
        (400, b'{"jobs": ' + b"[" * 500_000),
        (400, b'{"jobs": [' + b"{}," * 300_000 + b"{}]}"),
        (413, b" " * (2**20 + 1)),
    ]
]
ONCE: Final = [
    *with_headers(
        400,
        POST,
        *(
            {"Idempotency-Key": sent}
            for sent in ("", '""', '"', "a b", "a,b", '"a";b', "\xe9", "\xff" * 300, "x" * 256)
        ),
        body=VALID,
    ),
    *rows(
        400, DELETE, USERS + "x?ifExists", USERS + "x?ifExists=1", USERS + "x?ifExists=%00", USERS + "x?ifExists=%FF"
    ),
    *rows(400, POST, JOBS + "?ifExists=RETURN"),
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
        *below(USERS, "%FF %C3 a%E9b %ED%A0%80 %C0%AF %F8%88%80%80%80 %20 %09 %C2%85 a%FFb a#b"),
        USERS,
        USERS + "?x",
    ),
    *rows(400, DELETE, USERS + "x" * 257, USERS + "%C3%A9" * 129, USERS + "a%2F" * 100),
]
ALL: Final = [*ELSEWHERE, *BODIES, *BATCHES, *ONCE, *USER_IDS]

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
