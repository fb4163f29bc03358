"""The peer that all are compared with: a WSGI callable, two prepared statements a request, no framework."""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import parse_qs

import orjson
import psycopg

from tests.benchmarks.peers.contract import ACCESS, BIGGEST_PAGE, CANCEL, COLUMNS, LIST, ONE, digest_of, job_of

STATUS: Final = {200: "200 OK", 400: "400 Bad Request", 401: "401 Unauthorized", 404: "404 Not Found"}


class _Thread(threading.local):
    """The connection of a thread of the server."""

    def __init__(self) -> None:
        self.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


_thread = _Thread()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    status, body = answer(environ)
    content = orjson.dumps(body)
    start_response(STATUS[status], [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
    return [content]


def answer(environ: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    _, prefix, project_key, *rest = environ["PATH_INFO"].split("/")
    if prefix != "public" or rest[:1] != ["jobs"] or len(rest) > 2:
        return 404, {"error": "no such path"}
    cursor = _thread.connection.cursor()
    found = cursor.execute(ACCESS, [digest_of(environ.get("HTTP_AUTHORIZATION", "")), project_key]).fetchone()
    if found is None:
        return 401, {"error": "no such key"}
    if len(rest) == 1:
        asked = parse_qs(environ["QUERY_STRING"])
        limit, page = (int(asked.get(name, default)[0]) for name, default in (("limit", "50"), ("page", "1")))
        if not (1 <= limit <= BIGGEST_PAGE and page >= 1):
            return 400, {"error": "no such page"}
        rows = cursor.execute(LIST.format(columns=COLUMNS), [*found, limit, (page - 1) * limit]).fetchall()
        return 200, {"data": [job_of(row) for row in rows]}
    is_cancel = environ["REQUEST_METHOD"] == "DELETE"
    row = cursor.execute((CANCEL if is_cancel else ONE).format(columns=COLUMNS), [*found, int(rest[1])]).fetchone()
    if row is None:
        return (400 if is_cancel else 404), {"error": "no such job, or it has ended"}
    return 200, {"data": job_of(row)}
