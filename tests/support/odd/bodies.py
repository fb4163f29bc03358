"""Odd bodies, their types, and how they are framed; pipelines and callers that pause or stop."""

import gzip
import zlib
from typing import Final

from tests.support.odd.row import BATCH, CUT, DONE, JOBS, ME, REFUSALS, REFUSED, USER, VALID, Row, head, post

TEXT: Final = VALID.decode()
# None of these is a job that may be created: each is refused with a 400.
BODIES: Final = [
    *(b"", b" ", b"\n", b"\x00", b"null", b"true", b"0", b'"x"', b"[]", b"[{}]", b"[" + VALID + b"]", b"{}", b"{"),
    *(b"}", b"{]", b"{,}", b"{}{}", b"{} {}", b"{}x", b"//", b"/**/{}", b"{'a': 1}", b"{a: 1}", b'{"a": 1,}'),
    *(b'{"a" 1}', b'{"a":}', b'{"a": 01}', b'{"a": +1}', b'{"a": .5}', b'{"a": 1.}', b'{"a": 0x1}', b'{"a": 1e400}'),
    *(b'{"a": -1e400}', b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": undefined}', b'{"a": "\\x"}', b'{"a": "\\u12"}'),
    *(b'{"a": "\\ud800"}', b'{"\\ud800": 1}', b'{"\\u0000": 1}', b'{"a": "\x00"}', b'{"a": "\n"}'),
    *(b'{"a": "' + b"x" * 60_000 + b'"}', b'{"' + b"x" * 60_000 + b'": 1}', b'{"a": ' + b"9" * 60_000 + b"}"),
    *(b'{"a": 1e' + b"9" * 60_000 + b"}", b'{"a":' * 30_000, b"[" * 60_000, b"[" * 33 + b"]" * 33, b"{" * 60_000),
    *(b'"' * 60_001, b"\\" * 60_000, b'["' * 30_000, b'{"a": 1, "a": 2}', b'{"a": 1, "\\u0061": 2}'),
    *(VALID[:-1] + b', "action": "touch_publicly"}', VALID[:-1] + b', "\\u0061ction": "x"}', b"\xef\xbb\xbf" + VALID),
    *(TEXT.encode("utf-16"), TEXT.encode("utf-16-le"), TEXT.encode("utf-32"), TEXT.encode("utf-7")[:-1] + b"\xff}"),
    *(b"\xff", b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', b'{"a": "\xc0\x80"}', b'{"\xc3": 1}', VALID[:-1]),
    *(VALID[:20], VALID + b"\x00", gzip.compress(VALID), zlib.compress(VALID), b"action=touch_publicly&referenceId=x"),
    *(b"<?xml version='1.0'?><x/>", b"--x\r\n\r\n--x--", b'{"action": null, "referenceId": null}'),
    *(b'{"action": [], "referenceId": {}}', b'{"action": 1e400, "referenceId": "x"}'),
    *(b'{"action": true, "referenceId": "x"}', b'{"action": "", "referenceId": "x"}'),
    b'{"action": "touch_publicly\\u0000", "referenceId": "x"}',
    b'{"__proto__": {}, "action": "touch_publicly", "referenceId": "x"}',
    b'{"Action": "touch_publicly", "ReferenceId": "x"}',
]
REFERENCES: Final = [
    *(b"null", b"1", b"[]", b"{}", b"true", b'""', b'" "', b'"\\u0000"', b'"\\ud800"', b'"\\udc00\\ud800"'),
    *(b'"a\\r\\nb"', b'"\\u007f"', b'"' + b"x" * 257 + b'"', b'"' + "é".encode() * 129 + b'"', b'"\\u0085"', b'"\\t"'),
    *(b"1e400", b"9" * 400),
]
# The value of one member of a job beside the others; they are refused.
MEMBERS: Final = {
    b"startAt": (
        b'"x"',
        b"true",
        b"1e400",
        b"1.5",
        b"-1",
        b"[]",
        b"9" * 30,
        b"1",
        b'"\\u0000"',
        b"{}",
        b'"2030-01-01"',
    ),
    b"parameters": (b"[]", b'"x"', b"1", b'{"\\ud800": 1}', b"true", b'{"a": 1e400}'),
    b"description": (b"[]", b"1", b'"\\u0000"', b'"' + b"x" * 5000 + b'"'),
    b"id": (b"1", b"null"),
    b"status": (b'"completed"', b"null"),
    b"leaseToken": (b"null",),
    b"": (b"1",),
}
TYPES: Final = [
    *(b"", b"text/plain", b"application/jsonx", b"application/x-www-form-urlencoded", b"multipart/form-data"),
    *(b"multipart/form-data; boundary=", b"multipart/form-data; boundary=" + b"x" * 300),
    *(b"multipart/mixed; boundary=\xff", b"application/json; charset=utf-16", b"json", b"/"),
    *(b"application/json; charset=\xff", b"application/json, text/html", b"application/vnd.api+json"),
    *(b"application/json/x", b"*/*", b";", b"application/xml", b"application/octet-stream", b"text/json"),
    *(b"application/json; charset=rot13", b"application/json; charset=unicode_escape"),
]


def rows() -> list[Row]:
    """Return the rows of this module."""
    return [*_bodies(), *_types(), *_framing(), *_chunked(), *_stopped(), *_several(), *_creating()]


def _bodies() -> list[Row]:
    found = [
        Row(what="body", sent=post(target, body), statuses={400, 413} if len(body) > 65_536 else {400})
        for body in BODIES
        for target in (JOBS, BATCH)
    ]
    jobs = [VALID.replace(b'"x"', value) for value in REFERENCES]
    jobs += [VALID[:-1] + b', "%b": %b}' % (name, value) for name, values in MEMBERS.items() for value in values]
    for job in jobs:
        found += [
            Row(what="member", sent=post(JOBS, job), statuses={400}),
            Row(what="member", sent=post(BATCH, b'{"jobs": [' + VALID + b", " + job + b"]}"), statuses={400}),
        ]
    large = [b" " * size for size in (70_000, 1_100_000, 3_000_000)]
    found += [Row(what="large", sent=post(JOBS, body), statuses={413}) for body in large]
    return found + [
        Row(what="unread body", sent=post(target, VALID).replace(b"POST", method, 1), statuses=[200, 400, 405])
        for method, target in (
            (b"GET", ME),
            (b"GET", JOBS),
            (b"DELETE", USER),
            (b"DELETE", DONE),
            (b"PUT", JOBS),
            (b"PATCH", JOBS),
            (b"OPTIONS", ME),
        )
    ]


def _types() -> list[Row]:
    found = [
        Row(what="type", sent=post(target, VALID, b"Content-Type: " + kind), statuses={415}, is_http=kind.isascii())
        for kind in TYPES
        for target in (JOBS, BATCH)
    ]
    encoded = [(name, gzip.compress(VALID)) for name in (b"gzip", b"br", b"deflate", b"x", b"gzip, gzip")]
    found += [
        Row(what="encoding", sent=post(JOBS, body, b"Content-Encoding: " + name), statuses={400, 415})
        for name, body in encoded
    ]
    return [*found, Row(what="type", sent=post(JOBS, VALID, without=(b"Content-Type",)), statuses={415})]


def _framing() -> list[Row]:
    """Return lengths that are wrong, doubled or contradicted (RFC 9112 §6.3), with bodies that are refused anyway."""
    size = len(REFUSED)
    lengths = [
        *(b"-1", b"-0", b"+%d" % size, b"0x29", b"%d.0" % size, b"1e1", b"%d, %d" % (size, size), b"%d, 1" % size),
        *(b"x", b"", b" ", b"\xd9\xa3", b"4_1", b"0%d" % size, b"9" * 19, b"9" * 40, b"%d;" % size, b"'%d'" % size),
        *(b"%d\x0b" % size, b"\x00%d" % size),
    ]
    found = [
        Row(what="length", sent=post(JOBS, REFUSED, b"Content-Length: " + length), statuses=REFUSALS, **CUT)
        for length in lengths
    ]
    pairs = [
        (b"%d" % size, b"%d" % size),
        (b"%d" % size, b"1"),
        (b"1", b"%d" % size),
        (b"0", b"%d" % size),
        (b"%d" % size, b"0"),
    ]
    found += [
        Row(
            what="two lengths",
            sent=post(JOBS, REFUSED, b"Content-Length: %b\r\nContent-Length: %b" % pair),
            statuses=REFUSALS,
            **CUT,
        )
        for pair in pairs
    ]
    wrong = [0, 1, size - 1, size + 1, size * 100, 65_537, 2**31, 2**63]
    return found + [
        Row(what="wrong length", sent=post(target, REFUSED, length=length), statuses=REFUSALS, **CUT)
        for length in wrong
        for target in (JOBS, BATCH)
    ]


def _chunked() -> list[Row]:
    whole = b"%x\r\n%b\r\n0\r\n\r\n" % (len(REFUSED), REFUSED)
    broken = [
        *(b"", b"0\r\n\r\n", b"0\r\n", b"\r\n", b"x\r\n", b"-1\r\n\r\n", b"+1\r\nx\r\n0\r\n\r\n"),
        *(b"0x1\r\nx\r\n0\r\n\r\n", b"1 \r\nx\r\n0\r\n\r\n", b"5\r\nab\r\n0\r\n\r\n", b"1\r\nabc\r\n0\r\n\r\n"),
        *(b"ffffffffffffffff\r\nx", b"f" * 40 + b"\r\nx", b"1;" + b"x" * 9000 + b"\r\nx\r\n0\r\n\r\n"),
        *(b"1;a=b\r\n{\r\n0\r\n\r\n", b'1;a="\r\n{\r\n0\r\n\r\n', b"1\n{\n0\n\n", b"1\r\n{\r\n00000\r\n\r\n"),
        *(b"1_0\r\n{\r\n0\r\n\r\n", whole[:-2], whole[:-5], whole[:9], whole[:-2] + b"X: y\r\n\r\n"),
        *(whole[:-2] + b"Content-Length: 5\r\nHost: evil.example\r\n\r\n", whole[:-2] + b"bad trailer\r\n\r\n"),
        *(whole[:-2] + b"X: " + b"y" * 70_000 + b"\r\n\r\n", whole[:-2] + b"Authorization: Bearer x\r\n\r\n"),
        *(b"\xff\r\nx", b"1\r\n{\r\n" * 5000 + b"0\r\n\r\n"),
    ]
    chunked, without = b"Transfer-Encoding: chunked", (b"Content-Length",)
    found = [
        Row(what="chunks", sent=post(target, body, chunked, without=without), statuses=REFUSALS, **CUT)
        for body in [whole, *broken]
        for target in (JOBS, BATCH)
    ]
    names = [
        *(b"Chunked", b"chunked,", b", chunked", b"chunked;x=1", b"x, chunked"),
        *(b"chunked\r\nTransfer-Encoding: chunked", b"identity, chunked", b"gzip, chunked", b"chunked, gzip"),
        *(b"\tchunked", b"chunked\x00", b"xchunked", b"\xffchunked", b"chunked\r\nTransfer-Encoding: x"),
    ]
    found += [
        Row(
            what="coding",
            sent=post(JOBS, whole, b"Transfer-Encoding: " + name, without=without),
            statuses=REFUSALS,
            **CUT,
        )
        for name in names
    ]
    return found + [
        Row(what="length and chunks", sent=post(JOBS, whole, chunked, length=length), statuses=REFUSALS, **CUT)
        for length in (0, 1, len(whole), len(whole) + 1, 10**6)
    ]


def _stopped() -> list[Row]:
    """Return callers that pause or stop, and what is no HTTP."""
    get, create, size = head(b"GET", ME), post(JOBS, REFUSED), len(REFUSED)
    found = [
        Row(what="stopped", sent=create[: len(create) - cut], statuses=REFUSALS, **CUT)
        for cut in (1, size // 2, size, size + 1, size + 3, size + 30)
    ]
    found += [
        Row(what="stopped", sent=get[:cut], statuses=REFUSALS, **CUT)
        for cut in (1, 3, 8, 20, len(get) - 3, len(get) - 1)
    ]
    found += [Row(what="no HTTP", sent=sent, statuses=REFUSALS, **CUT) for sent in NO_HTTP]
    found += [
        Row(what="paused", sent=whole[:cut], later=whole[cut:], statuses={200, 400})
        for whole in (get, create)
        for cut in (1, 5, 30, len(whole) - 1)
    ]
    return found


def _several() -> list[Row]:
    """Return callers that ask before they send a body, or send several requests at once."""
    get, kept = head(b"GET", ME), head(b"GET", ME).replace(b"Connection: close\r\n", b"")
    create, size = post(JOBS, REFUSED), len(REFUSED)
    expecting = post(JOBS, REFUSED, b"Expect: 100-continue")
    found = [
        Row(what="expects", sent=expecting[:-size], later=expecting[-size:], statuses={400}),
        Row(what="expects", sent=expecting, statuses={400}),
    ]
    found += [
        Row(
            what="expects",
            sent=post(JOBS, b"", b"Expect: 100-continue", length=10**7),
            statuses={413},
            **CUT,
        )
    ]
    several = [
        (kept + get, {200}, 2),
        (kept * 9 + get, {200}, 10),
        (create.replace(b"Connection: close\r\n", b"") + get, {200, 400}, 2),
    ]
    several += [(b"\r\n" + get, {200}, 1), (b"\r\n" * 5 + get, {200, 400}, 1), (kept + b"\r\n" + get, {200}, 2)]
    found += [
        Row(what="pipeline", sent=sent, statuses=statuses, answers=answers, is_http=False)
        for sent, statuses, answers in several
    ]
    smuggled = post(JOBS, REFUSED + post(JOBS, VALID), length=size)
    return [
        *found,
        Row(what="after close", sent=smuggled, statuses={400}),
        Row(what="half-closed", sent=get, statuses={200}, **{**CUT, "is_http": True}),
    ]


NO_HTTP: Final = [
    *(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET\r\n\r\n"),
    *(b"GET /public/me\r\n\r\n", b"\x00" * 100, b"GET /public/me HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n"),
    *(b"GET /public/me HTTP/0.9\r\n\r\n", b"GET /public/me http/1.1\r\n\r\n", b"GET /public/me HTTP/1.1 x\r\n\r\n"),
    *(b"GET  /public/me  HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"GET /public/me HTTP/1.\r\n\r\n", b"\xff\xfe\r\n\r\n"),
    *(b"GET /public/me HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n", b"SSH-2.0-x\r\n", b"\r\n\r\n", b"EHLO x\r\n"),
    b"HTTP/1.1 200 OK\r\n\r\n",
]


def _creating() -> list[Row]:
    """Return what is odd, but good: each creates one job."""
    bodies = [
        *(b"\r\n\t " + VALID + b" \r\n", VALID.replace(b'"x"', '"💩"'.encode())),
        *(VALID.replace(b'"x"', b'"\\ud83d\\udca9"'), VALID.replace(b"action", b"\\u0061ction", 1)),
        *(VALID.replace(b'"x"', b'"' + b"x" * 256 + b'"'), VALID.replace(b'"x"', b'"<script>"')),
    ]
    found = [Row(what="good", sent=post(JOBS, body), statuses={201}, creates=True) for body in bodies]
    lines = [
        b'Content-Type: APPLICATION/JSON;CHARSET="UTF-8"',
        b'Idempotency-Key: "one"',
        b"Idempotency-Key:  two ",
        b"Accept: image/png",
        b"Content-Encoding: identity",
    ]
    return found + [Row(what="good", sent=post(JOBS, VALID, line), statuses={201}, creates=True) for line in lines]
