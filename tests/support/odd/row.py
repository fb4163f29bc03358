"""One row of the table of odd requests, and how its bytes are put together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

CRLF: Final = b"\r\n"
# ``{ours}`` is the key of a project, ``{theirs}`` that of another organization's, ``{done}`` a completed job of ours,
# ``{secret}`` the API key.
ME, JOBS, USER = b"/public/me", b"/public/{ours}/jobs", b"/public/{ours}/users/someone"
BATCH, DONE = JOBS + b"/batch", JOBS + b"/{done}"
HEADERS: Final = {
    b"Host": b"127.0.0.1",
    b"Authorization": b"Bearer {secret}",
    b"Connection": b"close",
}
VALID: Final = b'{"action": "touch_publicly", "referenceId": "x"}'
# What a POST sends where its header is odd: whatever the header does, nothing is created.
REFUSED: Final = b'{"action": "unknown", "referenceId": "x"}'
REFUSALS: Final = range(400, 500)
# For ``Row``: a server may refuse it itself, in its own words, or close the connection.
REFUSABLE: Final[dict[str, Any]] = {"is_http": False, "may_close": True}
CUT: Final[dict[str, Any]] = {**REFUSABLE, "half_closed": True}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One odd request: the bytes, and how it may be answered.

    ``statuses`` are those of the site. Only where ``is_http`` is false may a server refuse the request itself; only
    where ``may_close`` is true may it close the connection without an answer. Only where ``in_api`` is false may the
    site answer with a page.
    """

    what: str
    sent: bytes
    statuses: Iterable[int]
    is_http: bool = True
    in_api: bool = True
    may_close: bool = False
    # Whether it is meant to create a job.
    creates: bool = False
    # What follows a little later, and whether the caller then says that no more will come.
    later: bytes = b""
    half_closed: bool = False
    answers: int = 1
    # What the body of no answer may have.
    without: bytes = b"\0"

    def __str__(self) -> str:
        usual = head(b"", b"").split(CRLF)
        return f"{self.what} {CRLF.join(line for line in self.sent.split(CRLF) if line not in usual)[:160]!r}"

    def bytes_of(self, names: Mapping[str, object]) -> list[bytes]:
        """Return what is sent, in its parts; ``{ours}`` and the like are replaced by ``names``."""
        parts = [part for part in (self.sent, self.later) if part]
        for name, value in names.items():
            parts = [part.replace(b"{%b}" % name.encode(), str(value).encode()) for part in parts]
        return parts


def head(
    method: bytes, target: bytes, *lines: bytes, version: bytes = b"HTTP/1.1", without: tuple[bytes, ...] = ()
) -> bytes:
    """Return a request's head: the usual headers but for those in ``without``, then ``lines``."""
    usual = [b"%b: %b" % (name, value) for name, value in HEADERS.items() if name not in without]
    return CRLF.join([b"%b %b %b" % (method, target, version), *usual, *lines, b"", b""])


def post(
    target: bytes, body: bytes, *lines: bytes, without: tuple[bytes, ...] = (), length: int | None = None
) -> bytes:
    """Return a POST of JSON with its length, or with ``length``."""
    named = {line.partition(b":")[0].lower() for line in lines}
    usual = [b"Content-Type: application/json", b"Content-Length: %d" % (len(body) if length is None else length)]
    kept = [
        line
        for line in usual
        if line.partition(b":")[0].lower() not in named and line.partition(b":")[0] not in without
    ]
    return head(b"POST", target, *kept, *lines, without=without) + body
