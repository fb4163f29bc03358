"""The reference host behind gunicorn: connections that stay open, HEAD, and what a request leaves in the log."""

import http.client
import re
import time
from pathlib import Path

import pytest

from jobsite import gunicorn_conf
from tests.support.http_server import request, running_server
from tests.support.site_servers import option_of
from tests.support.source import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_connection_stays_open_longer_than_the_proxy_keeps_it():
    page = (ROOT / "docs" / "how-to" / "production.md").read_text()
    (of_the_proxy,) = re.findall(r"^ +keepalive_timeout ([0-9]+)s;", page, re.MULTILINE)

    with running_server() as port:
        connection = http.client.HTTPConnection("localhost", port, timeout=15)
        statuses = []
        for _ in range(2):
            connection.request("GET", "/livez")
            with connection.getresponse() as answer:
                statuses.append(answer.status)
                answer.read()
            time.sleep(3)  # gunicorn's own default is 2 s
        is_open = connection.sock is not None
        connection.close()

    assert statuses == [200, 200]
    assert is_open
    assert int(of_the_proxy) < gunicorn_conf.keepalive
    assert int(of_the_proxy) < int(option_of("uvicorn", "--timeout-keep-alive"))
    assert int(of_the_proxy) * 1000 < int(option_of("granian", "--http1-header-read-timeout"))


def test_a_head_has_no_body_and_no_request_has_a_line_beside_that_of_the_access_log(tmp_path: Path):
    log = tmp_path / "log"
    with log.open("wb") as file, running_server(file) as port:
        got = {path: request(port, path) for path in ("/livez", "/", "/public/openapi.json")}
        heads = {path: request(port, path, method="HEAD") for path in got}
        refused = [request(port, "/public/nowhere").status, request(port, "/nowhere").status]
        before = log.read_text()
        foreign = request(port, "/livez", host="x" * 4000).status
    written = log.read_text()

    assert {head.body for head in heads.values()} == {b""}
    assert all(head.headers["content-length"] == str(len(got[path].body)) for path, head in heads.items())
    assert (refused, foreign) == ([404, 404], 400)
    assert "WARNING" not in before
    assert "ERROR" not in before
    (line,) = written[len(before) :].splitlines()[:1]
    assert "Invalid HTTP_HOST" in line
    assert len(line) < 400
    assert len(written) - len(before) < 1000
