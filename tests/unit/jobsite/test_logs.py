"""What the logs hold, and what they must not."""

import logging
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from gunicorn.config import Config

from jobsite import gunicorn_conf
from jobsite.access_log import NO_ROUTE, RouteLogger, route_of
from jobsite.logs import OneLine

CANARY = "canary@example.com"


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("/public/3sWXSsqHgSKnE87YkNJK/jobs", "/public/<str:project_key>/jobs"),
        (f"/public/3sWXSsqHgSKnE87YkNJK/users/{CANARY}", "/public/<project_key>/users/<user_id>"),
        ("/static/jobsite/site.css", "/static/…"),
        (f"/nowhere/{CANARY}", NO_ROUTE),
        ("/nowhere/\xff\xfe", NO_ROUTE),
    ],
)
def test_a_request_is_named_by_its_route(path: str, route: str):
    assert route_of(path) == route


def test_the_access_log_holds_neither_path_nor_query_nor_key(capfd: pytest.CaptureFixture[str]):
    config = Config()
    for name in ("accesslog", "access_log_format"):
        config.set(name, getattr(gunicorn_conf, name))
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "DELETE",
        "RAW_URI": f"/public/p/users/{CANARY}?referenceId={CANARY}",
        "PATH_INFO": f"/public/p/users/{CANARY}",
        "QUERY_STRING": f"referenceId={CANARY}",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_AUTHORIZATION": f"Bearer jsk_{CANARY}",
    }
    answer = SimpleNamespace(status="200 OK", sent=267, headers=[])
    request = SimpleNamespace(headers=[("AUTHORIZATION", f"Bearer jsk_{CANARY}")])

    RouteLogger(config).access(answer, request, environ, timedelta(milliseconds=4))

    written = "".join(capfd.readouterr())
    assert "DELETE /public/<project_key>/users/<user_id> 200 267 bytes 4 ms" in written
    assert CANARY not in written


def test_the_server_masks_users_in_its_error_log(capfd: pytest.CaptureFixture[str]):
    logger = RouteLogger(Config())

    logger.warning("Error handling request %s", f"/public/p/users/{CANARY}")

    written = "".join(capfd.readouterr())
    assert "Error handling request /public/p/users/***" in written
    assert CANARY not in written


def test_a_record_is_one_line_whatever_it_holds():
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "smuggled\nline", None, sys.exc_info())

    line = OneLine("{levelname} {message}", style="{").format(record)

    assert "\n" not in line
    assert line.startswith("ERROR smuggled\\nline\\nTraceback")


def test_the_line_of_a_refused_host_is_short():
    try:
        raise ValueError("x" * 8000)
    except ValueError as error:
        name = "django.security.DisallowedHost"
        record = logging.LogRecord(name, logging.ERROR, "f", 1, str(error), None, sys.exc_info())

    line = OneLine("{levelname} {message}", style="{").format(record)

    assert line == f"ERROR {'x' * 200}"


def test_every_handler_masks():
    assert all("mask" in handler["filters"] for handler in settings.LOGGING["handlers"].values())
    assert all(not logger["handlers"] for logger in settings.LOGGING["loggers"].values())
