"""Odd headers, each with a GET and with a POST that must not create anything."""

from typing import Final

from tests.support.odd.row import JOBS, ME, REFUSABLE, REFUSALS, REFUSED, USER, VALID, Row, head, post

# The site must ignore these: the answer is the usual one.
IGNORED: Final = rb"""
Accept: text/html
Accept: text/html;q=1, application/json;q=0
Accept: application/xml
Accept: */*;q=0
Accept: ;;;,,,
Accept: application/json; indent=999999999
Accept: application/json; version=9
Accept-Charset: utf-16
Accept-Encoding: gzip;q=0, identity;q=0
Accept-Encoding: *;q=0
Accept-Encoding: zstd, x, ,;q=
Accept-Language: de, *;q=x
Accept-Language: ../../etc
Accept-Language: aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa
Cookie: =; ;; sessionid; csrftoken="; a=b=c
Cookie: sessionid=../../x; csrftoken=%00
Cookie: $Version=1; messages=x; __Host-=
X-HTTP-Method-Override: DELETE
X-HTTP-Method: PUT
X-Method-Override: PATCH
X-Original-URL: /admin/
X-Rewrite-URL: /admin/
X-Forwarded-For: 1.2.3.4, , unknown, _x, [::1]:1, 999.999.999.999
X-Forwarded-For: '; drop table jobs_job; --
X-Forwarded-Host: evil.example
X-Forwarded-Host: evil.example, 127.0.0.1
X-Forwarded-Port: -1
X-Forwarded-Port: 99999999999999999999
X-Forwarded-Proto: https
X-Forwarded-Proto: https, http
X-Forwarded-Proto: javascript
X-Forwarded-Prefix: /../..
X-Forwarded-Server: x
X-Real-IP: ::ffff:1.2.3.4%eth0
Forwarded: for="_x";proto=https;host=evil.example
Via: 1.1 x, 1.1 x
Max-Forwards: 0
Script-Name: /x
SCRIPT_NAME: /x
SCRIPT_NAME: /public
PATH_INFO: /admin/
REMOTE_USER: admin
Path-Info: /admin/
Remote-User: admin
Remote-Addr: 1.2.3.4
X-Remote-User: admin
Range: bytes=0-0
Range: bytes=9-1, -1, 99999999999999999999-
Range: lines=x
If-Range: "x"
If-Match: *
If-Match: "x"
If-Match: W/"
If-Modified-Since: yesterday
If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT
If-Modified-Since: Sun, 99 Feb 99999999 99:99:99 GMT
If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT
If-None-Match: "
If-None-Match: W/"x", y, ,
Origin: null
Origin: http://evil.example
Referer: javascript:alert(1)
Referer: http://[
Access-Control-Request-Method: DELETE
Sec-Fetch-Site: cross-site
X-Requested-With: XMLHttpRequest
X-CSRFToken: x
X-Request-Id: ../../etc
X-Request-Id: <script>
X-Request-Id: ${jndi:ldap://x}
traceparent: 00-zz-zz-zz
User-Agent:
User-Agent: () { :;}; id
Date: never
Pragma: x
Cache-Control: max-age=-1, no-store=x
TE: trailers, chunked;q=0
Trailer: Content-Length
Keep-Alive: timeout=-1, max=0
Prefer: respond-async, wait=1000000
Upgrade-Insecure-Requests: 1
DNT: x
Early-Data: 1
Proxy-Authorization: Basic x
Proxy-Connection: keep-alive
Proxy: http://evil.example
Content-Encoding: identity
Content-Language: x
Content-MD5: x
Content-Location: /admin/
Want-Digest: sha-256
From: a@b
Host-: x
X: 
X_Under: 1
Content_Length: 5
Transfer_Encoding: chunked
Authorization_: Bearer x
""".strip().splitlines()  # noqa: W291 – one has no value
# Only the settings may say that a proxy is to be believed, so the guide's address has nothing of these.
BELIEVED: Final = {
    b"X-Forwarded-Proto: https": b"https://127.0.0.1",
    b"X-Forwarded-Ssl: on": b"https://127.0.0.1",
    b"X-Forwarded-Protocol: ssl": b"https://127.0.0.1",
    b"X-Forwarded-Host: evil.example": b"evil.example",
    b"X-Forwarded-Port: 4711": b"4711",
    b"X-Forwarded-Prefix: /evil": b"/evil",
}
# Those that could change how a body is read, or which view reads it.
OF_BODIES: Final = tuple(b"X-HTTP X-Me X-Or X-Forwarded Content T SCRIPT PATH Range If- Accept- Early Prefer".split())
# A server may refuse these itself, as RFC 9112 and RFC 9110 ask or allow.
QUESTIONABLE: Final = [
    *(b"Bad Name: x", b": x", b"Y: y\r\n : x", b"NoColon", b"Name\x00: x", b"N\xc3\xa4me: x", b"Na(me: x", b"Name : x"),
    *(b"@: x", b"X: a\x00b", b"X: a\x01b", b"X: a\x7fb", b"X: a\rb", b"X: a\nb", b"X: \xff\xfe", b"X: \xc3\xa9"),
    *(b"X: a\x0bb", b"X: a\x1bb", b"X: a\r\n b", b"X: a\r\n\tb", b"Y: y\r\n X: leading", b"X:\r\n \r\n b"),
    b"Host: 127.0.0.1\r\n x",
    *(b"X: " + b"x" * size for size in (7000, 9000, 70_000, 500_000)),
    *(b"\r\n".join(b"X-%d: x" % number for number in range(count)) for count in (90, 120, 3000)),
    *(b"Cookie: " + b"a=b; " * 2000, b"Cookie: \xff=\xfe; \x80", b"X-Request-Id: \xff", b"Accept: \xff"),
    *(b"Accept-Language: \xff", b"Upgrade: h2c\r\nHTTP2-Settings: x", b"Upgrade: websocket\r\nSec-WebSocket-Key: x"),
    *(b"Upgrade: \xff", b"Upgrade: TLS/1.0", b"Expect: x", b"Expect: 100-continue, x", b"Expect: 200-ok", b"Expect:"),
    *(b"Content-Length:", b"Content-Length: -1", b"Content-Length: +0", b"Content-Length: 0x0", b"Content-Length: 1e0"),
    *(b"Content-Length: 0, 0", b"Content-Length: 0\r\nContent-Length: 0", b"Content-Length: 0\r\nContent-Length: 9"),
    *(b"Content-Length: x", b"Content-Length: 0 0", b"Content-Length: \xd9\xa3", b"Content-Length: 00"),
    *(b"Content-Length: 0_0", b"Content-Length: 99999999999999999999999999", b"Content-Length: 18446744073709551616"),
    *(b"Transfer-Encoding: x", b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip", b"Transfer-Encoding:"),
    *(b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: chunked, x", b"Transfer-Encoding: \x0bchunked"),
    *(b"Connection: x\r\nConnection: Authorization", b"Connection: Host", b"Connection: upgrade", b"Connection: \xff"),
]
HOSTS: Final = [
    *(b"", b"evil.example", b"127.0.0.1:99999", b"127.0.0.1:x", b"127.0.0.1:", b"127.0.0.1:80:80"),
    *(b"127.0.0.1@evil.example", b"evil.example@127.0.0.1", b"127.0.0.1/x", b"127.0.0.1?x", b"127.0.0.1#x"),
    *(b"127.0.0.1, evil.example", b"http://127.0.0.1", b"127.0.0.1\\x", b"[::1", b"[::1]", b"[127.0.0.1]", b"::1"),
    *(b".", b"..", b"127.0.0.1.", b"localhost.", b"LOCALHOST", b"*", b"a b", b"\xff", b"\xc3\xa9", b"xn--", b"%00"),
    *(b"%31%32%37.0.0.1", b"x" * 5000, b"2130706433", b"0x7f.1", b"127.1", b"a_b", b"'", b"<x>"),
]
KEYS: Final = [
    *(b"", b"Bearer", b"Bearer ", b"Bearer  ", b"Bearer \xff", b"Bearer \xc3\xa9", b"Bearer {secret}\xff"),
    *(b"Bearer {secret}\xc2\xa0", b"Bearer {secret},Bearer {secret}", b"Bearer {secret}, Basic x", b"Bearer {secret};"),
    *(b"Bearer {secret}=", b'Bearer "{secret}"', b"Bearer %7Bsecret%7D", b"Bearer null", b"Bearer undefined"),
    *(b"Bearer 0", b"Bearer true", b"Bearer *", b"Bearer %", b"Bearer jsk_%00", b"Bearer jsk_" + b"A" * 38),
    *(b"Bearer jsk_" + b"A" * 6000, b"Bearer jsk_\xe2\x80\xae", b"Bearer ' or 1=1 --", b"Bearer ../../x"),
    *(b"Basic {secret}", b"Basic OnRlc3Q=", b"Basic \xff", b"Basic", b"Digest username={secret}"),
    *(b"Negotiate {secret}", b"AWS4-HMAC-SHA256 x", b"Token {secret}", b"ApiKey {secret}", b"{secret}"),
    *(b"Bearer:{secret}", b"Bearer={secret}", b"Bear er {secret}", b"BearerX {secret}", b"Bearer\xc2\xa0{secret}"),
    *(b"\xef\xbb\xbfBearer {secret}", b"Bearer {secret} Bearer {secret}", b"Bearer {secret}\t{secret}"),
]
IDEMPOTENCY_KEYS: Final = [
    *(b"", b'""', b'"', b'"a', b'a"', b"a b", b"a,b", b"a\\b", b'"a\\x"', b"\xff", b"\xc3\xa9", b'"\xc3\xa9"', b"a\tb"),
    *(b"x" * 256, b'"' + b"x" * 256 + b'"', b"x" * 6000, b'"a", "b"', b"?1, ?0", b'"a";x=1', b"(a b)", b"a\x7f"),
    *(b'"%00\\"', b"'; drop --, x"),
]


def rows() -> list[Row]:
    """Return the rows of this module."""
    return [*_ignored(), *_questionable(), *_hosts(), *_keys(), *_idempotency_keys()]


def _ignored() -> list[Row]:
    gets = [Row(what="ignored", sent=head(b"GET", ME, line), statuses={200}) for line in IGNORED]
    posts = [
        Row(what="ignored", sent=post(JOBS, REFUSED, line), statuses={400})
        for line in IGNORED
        if line.startswith(OF_BODIES)
    ]
    believed = [
        Row(what="believed", sent=head(b"GET", b"/public/docs", line), statuses={200}, without=without)
        for line, without in BELIEVED.items()
    ]
    return gets + posts + believed


def _questionable() -> list[Row]:
    gets = [
        Row(what="header", sent=head(b"GET", ME, line), statuses=[200, *REFUSALS], **REFUSABLE) for line in QUESTIONABLE
    ]
    posts = [
        Row(what="header", sent=post(JOBS, REFUSED, line), statuses=REFUSALS, **REFUSABLE) for line in QUESTIONABLE
    ]
    # Content-Length: 9 and the like wait for a body; without one, the caller says that none will come.
    return [
        Row(**{**vars(row), "half_closed": b"Content-Length" in row.sent or b"Transfer" in row.sent})
        for row in gets + posts
    ]


def _hosts() -> list[Row]:
    usable = (b"127.0.0.1:99999", b"127.0.0.1:", b"127.0.0.1.", b"localhost.", b"LOCALHOST")
    found = [
        Row(
            what="host",
            sent=head(b"GET", ME, b"Host: " + host, without=(b"Host",)),
            statuses={200, 400} if host in usable else {400},
            is_http=False,
        )
        for host in HOSTS
    ]
    twice = (
        head(b"GET", ME, b"Host: evil.example"),
        head(b"GET", ME, b"Host: 127.0.0.1"),
        head(b"GET", ME, without=(b"Host",)),
    )
    old = head(b"GET", ME, without=(b"Host",), version=b"HTTP/1.0"), head(b"GET", ME, version=b"HTTP/1.0")
    return found + [Row(what="host", sent=sent, statuses={200, 400}, is_http=False) for sent in twice + old]


def _keys() -> list[Row]:
    found = []
    for key in KEYS:
        line, is_http = b"Authorization: " + key, key.isascii() and len(key) < 8000
        without = (b"Authorization",)
        found += [
            Row(what="key", sent=head(b"GET", JOBS, line, without=without), statuses={401}, is_http=is_http),
            Row(what="key", sent=head(b"DELETE", USER, line, without=without), statuses={401}, is_http=is_http),
        ]
    double = [
        b"Authorization: Bearer x",
        b"Authorization: Basic x",
        b"Authorization: Bearer {secret}",
        b"authorization:",
    ]
    return found + [
        Row(what="two keys", sent=head(b"GET", ME, line), statuses={200, 401}, is_http=False) for line in double
    ]


def _idempotency_keys() -> list[Row]:
    lines = [b"Idempotency-Key: " + key for key in IDEMPOTENCY_KEYS]
    lines += [b"Idempotency-Key: a\r\nIdempotency-Key: b", b'Idempotency-Key: "a"\r\nIdempotency-Key: "a"']
    return [
        Row(what="idempotency", sent=sent, statuses={400}, is_http=line.isascii() and b"\x7f" not in line)
        for line in lines
        for sent in (post(JOBS, VALID, line), head(b"DELETE", USER, line))
    ]
