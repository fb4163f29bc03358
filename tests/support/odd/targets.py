"""Odd methods and odd targets."""

from typing import Final

from tests.support.odd.row import ME, REFUSABLE, REFUSALS, Row, head

# No endpoint knows these; most of the others are no tokens (RFC 9110 §5.6.2).
METHODS: Final = [
    b"OPTIONS",
    b"TRACE",
    b"PROPFIND",
    b"LOCK",
    b"FOO",
    b"PURGE",
    b"X" * 20,
    b"QUERY",
    b"UPDATE",
    b"M-SEARCH",
]
NO_METHODS: Final = [
    b"get",
    b"G\xc3\x89T",
    b"GE(T",
    b'"GET"',
    b"G\x00T",
    b"GET\t",
    b"X" * 2000,
    b"",
    b"CONNECT",
    b"!",
    b"PRI",
]
PLACES: Final = [ME, b"/public/{ours}/jobs", b"/public/{ours}/jobs/{done}", b"/public/docs", b"/public/openapi.json"]

# The path is taken as it is sent: no server may resolve dots or join slashes before the site sees them.
PATHS: Final = rb"""
/public//me /public/me/ /public/me// /public/./me /public/../public/me /public/x/../me /public/%2e/me
/public/%2e%2e/public/me /public/x/%2e%2e/me /public/..;/public/me /public/;/me /public/me;x=1 /public/me;jsessionid=1
/public/{ours};x/jobs /public/me%3Fx /public/me%23x /public/m%65%00 /public/me%00 /public/%00 /public/me%0A
/public/me%0D%0A /public/me%20 /public/%20me /public/me%09 /public/me%7F /public/me%C2%A0 /public/ME /public/%FF
/public/%FF/jobs /public/%C0%AF/jobs /public/%C3%28/jobs /public/%ED%A0%80/jobs /public/%F4%90%80%80/jobs
/public/%E2%80%AE/jobs /public/%EF%BB%BF/jobs /public/%uD800/jobs /public/%/jobs /public/%2/jobs /public/%zz/jobs
/public/%25/jobs /public/%252e%252e/me /public/me%2F /public/\..\me /public/me\ /public/{ours}/jobs/{done}/
/public/{ours}/jobs//{done} /public/{ours}/jobs/./{done} /public/{ours}/jobs/x/../{done}
/public/{ours}/jobs/%2E%2E/%2E%2E/me /public/{ours}/jobs/{done}%00 /public/{ours}/jobs/{done}%FF
/public/{ours}/jobs/{done}%0D%0AX:%20y /public/{ours}/jobs/{done};v=1 /public/{ours}/jobs/{done}.json
/public/{theirs}/jobs/../../{ours}/jobs /public/docs/ /public/docs/../me /public/docs%00 /public/docs/reference/
/public/openapi.json/ /public/openapi.json%00 /public/openapi%2Ejson%20 /public/~ /public/* /public/'"<> /public/{}
/public/[::1] /public/me|x /public/`id` /public/$(id) /public/me^
"""
# The site has these outside the API: its pages answer.
ELSEWHERE: Final = (
    rb"/public //public/me /./public/me /public;x/me /x/../public/me /%2e/public/me /publicity/me /public\me /Public/me"
)
# These reach the endpoint: a query is free, and an escaped letter is that letter.
REACHED: Final = rb"""
/%70ublic/me /public/%6De /public/%6d%65 /public/me? /public/me?? /public/me?/../x /public/me?a=b=c /public/me?;;;
/public/me?&&&& /public/me?= /public/me?%00=%00 /public/me?%FF /public/me?%ED%A0%80=1 /public/me?%zz
/public/me?a=1&a=2&a /public/me?a[]=1&a[x][y]=2 /public/me?<script> /public/me?'or'1 /public/me?%0D%0AX:y
/public/me?http://x/ /public/me?\ /public/{ours}/jobs?limit=1;page=2 /public/{ours}/jobs?limit=1&limit=2
/public/{ours}/jobs?page=&page=2&limit= /public/{ours}/jobs?%6Cimit=1 /public/{ours}/jobs?limit=%31
/public/{ours}/jobs?limit=1%00 /public/{ours}/jobs?limit=1#x /public/{ours}/jobs/{done}?include=
/public/{ours}/jobs/{done}?include=,,, /public/{ours}/jobs/{done}?include=receipt&include=receipt /public%2Fme
/%70ublic%2Fme /public/{ours}/jobs%2F{done} /public/{ours}%2Fjobs
"""
REFUSED_QUERIES: Final = rb"""
status=%00 status=%FF status=failed%00 referenceId=%00 referenceId= startFrom=%00 startFrom=NaN startFrom=1e400
createdFrom=99999999999999999999 createdFrom=-1 sort=%00 sort=id;drop cursor=%00 cursor=%FF cursor=a cursor=//
status=failed&status=%ED%A0%80 startTo=1 LIMIT=1 +limit=1 limit[]=1 Sort=x action=%00 id=%00 createdTo=0x10
startTo=%D9%A1 cursor=%3D%3D%3D cursor=%F0
"""


def rows() -> list[Row]:
    """Return the rows of this module."""
    return [*_methods(), *_paths(), *_forms(), *_long()]


def _methods() -> list[Row]:
    found = [
        Row(what="method", sent=head(method, place), statuses={405}, is_http=method != b"TRACE")
        for method in METHODS
        for place in PLACES
    ]
    found += [
        Row(what="no method", sent=head(method, place), statuses=[200, *REFUSALS], is_http=False, may_close=True)
        for method in NO_METHODS
        for place in PLACES[:1]
    ]
    return [*found, *(Row(what="HEAD", sent=head(b"HEAD", place), statuses={200, 405}) for place in PLACES)]


def _paths() -> list[Row]:
    found = []
    for path in PATHS.split():
        is_http = b"{ours}" in path or b"{theirs}" in path or not set(path) & set(b'\\"<>{}|^`[]')
        found += [
            Row(what="path", sent=head(method, path), statuses=REFUSALS, is_http=is_http)
            for method in ((b"GET", b"DELETE") if b"{ours}" in path else (b"GET",))
        ]
    found += [
        Row(what="elsewhere", sent=head(b"GET", path), statuses={404}, in_api=False) for path in ELSEWHERE.split()
    ]
    found += [Row(what="reached", sent=head(b"GET", path), statuses={200}, is_http=False) for path in REACHED.split()]
    return found + [
        Row(what="query", sent=head(b"GET", b"/public/{ours}/jobs?" + query), statuses={200, 400})
        for query in REFUSED_QUERIES.split()
    ]


def _forms() -> list[Row]:
    """Return the forms of a target other than a path (RFC 9112 §3.2), and what is none; uvicorn takes all for paths."""
    forms = [
        *(b"http://127.0.0.1/public/me", b"https://127.0.0.1/public/me", b"http://evil.example/public/me"),
        *(b"http://127.0.0.1:80/public/me", b"HTTP://127.0.0.1/public/me", b"http:/public/me", b"http://"),
        *(b"http:///public/me", b"http://user:pw@127.0.0.1/public/me", b"ftp://127.0.0.1/public/me"),
        *(b"file:///etc/passwd", b"javascript:x", b"//evil.example/public/me", b"*", b"127.0.0.1:80", b"public/me"),
        *(b"?x", b"#", b"", b".", b"..", b"http://[::1/public/me", b"/public/\xc3\xa9", b"/public/\xff"),
        *(b"/public/me?\xff", b"/public/m e", b"/public/me\x00", b"/public/me\x7f", b"/public/\x01", b"/public/me\tx"),
        *(b"http://127.0.0.1:x/public/me", b"http://127.0.0.1:99999/public/me", b"http://%00/public/me"),
    ]
    methods = (b"GET", b"DELETE")
    return [
        Row(what="form", sent=head(method, form), statuses=[200, 301, *REFUSALS], in_api=False, **REFUSABLE)
        for form in forms
        for method in methods
    ]


def _long() -> list[Row]:
    long = [b"/public/" + b"x" * size + b"/jobs" for size in (1000, 4000, 9000, 70_000, 500_000)]
    long += [
        ME + b"?" + part * (size // len(part)) for part in (b"a", b"a=1&", b"%00") for size in (3000, 9000, 70_000)
    ]
    long += [b"/public" + b"/x" * 2000, b"/public/" + b"../" * 1000 + b"me", b"/public/{ours}/users/" + b"%41" * 1000]
    return [
        Row(
            what="long",
            sent=head(b"GET", target),
            statuses=[200, *REFUSALS],
            is_http=len(target) < 3900,
            may_close=len(target) > 60_000,
        )
        for target in long
    ]
