"""The settings, each read in a process of its own, as the environment decides them once."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.source import ROOT

READ_HERE = (
    "ALLOWED_HOSTS BROKER_PREFIX BROKER_URL CACHE_URL CONN_MAX_AGE CSRF_TRUSTED_ORIGINS DATABASE_URL DEBUG "
    "DEMO_PROJECT_KEY DJANGO_SETTINGS_MODULE HSTS_SECONDS INSECURE_HTTP LOG_LEVEL RETENTION_DAYS SECRET_KEY "
    "STATIC_ROOT TRUST_PROXY TRUSTED_PROXIES"
).split()
KEY = secrets.token_urlsafe(50)
DEPLOYMENT_CHECK = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with only those of our variables that are named."""
    clean = {name: value for name, value in os.environ.items() if name not in READ_HERE}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env={**clean, **environment}, capture_output=True, text=True, timeout=60)


def settings_with(*names: str, **environment: str) -> Any:
    """Return what the settings called ``names`` are, in that environment."""
    code = f"import json, jobsite.settings as s; print(json.dumps([getattr(s, n) for n in {names!r}], default=str))"
    done = python("-c", code, **environment)
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    return values[0] if len(names) == 1 else values


@pytest.mark.parametrize(
    "engine",
    [{}, {"BROKER_URL": "amqp://jobs:password@broker.example/", "BROKER_PREFIX": "ours."}],
    ids=["alone", "with a broker"],
)
def test_a_production_environment_passes_the_deployment_check(engine: dict[str, str]):
    done = python(
        *DEPLOYMENT_CHECK, SECRET_KEY=KEY, ALLOWED_HOSTS="a.example", CACHE_URL="redis://cache.example", **engine
    )
    jobs = settings_with("JOBS", **engine)

    assert done.returncode == 0, done.stderr
    assert ("TASK_BACKEND" in jobs) is bool(engine)
    assert not engine or jobs["TASK_BACKEND"] in settings_with("TASKS", **engine)


READ_SETTINGS = ("-c", "import jobsite.settings")
NO_REDIS = "ImproperlyConfigured: CACHE_URL must start with redis:// or rediss://"
REFUSED = [
    # Processes do not share the counts of requests.
    (DEPLOYMENT_CHECK, {"SECRET_KEY": KEY, "ALLOWED_HOSTS": "a.example"}, "jobs.W002"),
    (DEPLOYMENT_CHECK, {"ALLOWED_HOSTS": "a.example"}, "security.W009"),
    (("-c", "import jobsite.wsgi"), {}, "ImproperlyConfigured: SECRET_KEY is not set"),
    (("-c", "import jobsite.asgi"), {}, "ImproperlyConfigured: SECRET_KEY is not set"),
    (READ_SETTINGS, {"DEBUG": "maybe"}, "ImproperlyConfigured: DEBUG must be"),
    (READ_SETTINGS, {"CONN_MAX_AGE": "-1"}, "ImproperlyConfigured: CONN_MAX_AGE must be"),
    (READ_SETTINGS, {"HSTS_SECONDS": "1e9"}, "ImproperlyConfigured: HSTS_SECONDS must be"),
    (READ_SETTINGS, {"TRUSTED_PROXIES": "x"}, "ImproperlyConfigured: TRUSTED_PROXIES must be"),
    (READ_SETTINGS, {"RETENTION_DAYS": "a"}, "ImproperlyConfigured: RETENTION_DAYS must be"),
    (READ_SETTINGS, {"CACHE_URL": "localhost:6379"}, NO_REDIS),
    (READ_SETTINGS, {"CACHE_URL": "memcached://127.0.0.1"}, NO_REDIS),
]


@pytest.mark.parametrize(("arguments", "environment", "told"), REFUSED, ids=range(len(REFUSED)))
def test_an_unsafe_or_invalid_environment_is_refused(arguments: Any, environment: dict[str, str], told: str):
    done = python(*arguments, **environment)

    assert done.returncode != 0
    assert told in done.stderr


@pytest.mark.parametrize("environment", [{"SECRET_KEY": KEY}, {"DEBUG": "1"}])
def test_with_a_secret_key_or_for_debugging_the_site_is_served(environment: dict[str, str]):
    done = python("-c", "import jobsite.wsgi", **environment)

    assert done.returncode == 0, done.stderr


SECURE_NAMES = ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            {},
            {
                "DEBUG": False,
                "ALLOWED_HOSTS": [],
                "SECURE_HSTS_SECONDS": 30 * 24 * 3600,
                **dict.fromkeys(SECURE_NAMES, True),
                "SECURE_PROXY_SSL_HEADER": None,
                "JOBS": {"TRUSTED_PROXIES": 0, "RETENTION_DAYS": None},
            },
        ),
        ({"INSECURE_HTTP": "1"}, {**dict.fromkeys(SECURE_NAMES, False), "SECURE_HSTS_SECONDS": 0}),
        ({"TRUST_PROXY": "1"}, {"SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"]}),
        ({"ALLOWED_HOSTS": "a.example, b.example,"}, {"ALLOWED_HOSTS": ["a.example", "b.example"]}),
        ({"TRUSTED_PROXIES": "1", "RETENTION_DAYS": "90"}, {"JOBS": {"TRUSTED_PROXIES": 1, "RETENTION_DAYS": 90}}),
    ],
    ids=["default", "plain HTTP", "a proxy's scheme", "a comma list", "numbers"],
)
def test_settings_follow_the_environment(environment: dict[str, str], expected: dict[str, Any]):
    found = settings_with(*expected, "BASE_DIR", **environment)

    assert dict(zip(expected, found, strict=False)) == expected


def test_requests_are_counted_in_the_named_redis_with_a_short_timeout():
    here, there = settings_with("CACHES"), settings_with("CACHES", CACHE_URL="redis://cache.example:6379/1")

    assert here["default"]["BACKEND"].endswith("LocMemCache")
    assert there["default"]["BACKEND"].endswith("RedisCache")
    assert there["default"]["LOCATION"] == "redis://cache.example:6379/1"
    assert there["default"]["OPTIONS"]["socket_timeout"] <= 1


@pytest.mark.parametrize(
    ("url", "name", "timeout"),
    [("", "db", 20), ("sqlite:///other.sqlite3", "other", 20), ("sqlite:///other.sqlite3?timeout=5", "other", 5)],
)
def test_sqlite_has_the_options_for_several_processes_but_for_those_of_the_url(url: str, name: str, timeout: int):
    database = settings_with("DATABASES", DATABASE_URL=url)["default"]

    options = database["OPTIONS"]
    assert (options["transaction_mode"], options["timeout"]) == ("IMMEDIATE", timeout)
    assert "journal_mode=WAL" in options["init_command"]
    assert Path(database["NAME"]).name == f"{name}.sqlite3"


@pytest.mark.parametrize(("module", "seconds"), [("wsgi", "600"), ("asgi", "0")])
def test_connections_are_kept_where_threads_are(module: str, seconds: str):
    code = f"import jobsite.{module}; from django.db import connection; print(connection.settings_dict['CONN_MAX_AGE'])"

    done = python("-c", code, SECRET_KEY=KEY)

    assert (done.stdout.strip(), done.stderr) == (seconds, "")


def test_postgresql_connections_are_kept_and_checked():
    database = settings_with("DATABASES", DATABASE_URL="postgres://me@db.example/jobs", CONN_MAX_AGE="60")["default"]

    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (60, True)
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True  # for a pooler
    assert "transaction_mode" not in database.get("OPTIONS", {})
