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
SQLITE = {"transaction_mode": "IMMEDIATE", "timeout": 20}


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


def test_a_production_environment_passes_the_deployment_check():
    done = python(*DEPLOYMENT_CHECK, SECRET_KEY=KEY, ALLOWED_HOSTS="a.example", CACHE_URL="redis://cache.example")

    assert done.returncode == 0, done.stderr


def test_a_site_with_a_broker_passes_the_deployment_check():
    engine = {"BROKER_URL": "amqp://jobs:password@broker.example/", "BROKER_PREFIX": "ours."}

    done = python(
        *DEPLOYMENT_CHECK, SECRET_KEY=KEY, ALLOWED_HOSTS="a.example", CACHE_URL="redis://cache.example", **engine
    )
    tasks, jobs = settings_with("TASKS", "JOBS", **engine)

    assert done.returncode == 0, done.stderr
    assert jobs["TASK_BACKEND"] in tasks
    assert "TASK_BACKEND" not in settings_with("JOBS")


def test_the_deployment_check_refuses_counts_of_requests_that_processes_do_not_share():
    done = python(*DEPLOYMENT_CHECK, SECRET_KEY=KEY, ALLOWED_HOSTS="a.example")

    assert done.returncode != 0
    assert "jobs.W002" in done.stderr


def test_the_deployment_check_refuses_a_missing_secret_key():
    done = python(*DEPLOYMENT_CHECK, ALLOWED_HOSTS="a.example")

    assert done.returncode != 0
    assert "security.W009" in done.stderr


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_nothing_is_served_without_a_secret_key(door: str):
    done = python("-c", f"import jobsite.{door}")

    assert done.returncode != 0
    assert "ImproperlyConfigured: SECRET_KEY is not set" in done.stderr


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
        (
            {"TRUSTED_PROXIES": "1", "RETENTION_DAYS": "90"},
            {"JOBS": {"TRUSTED_PROXIES": 1, "RETENTION_DAYS": 90}},
        ),
    ],
    ids=["default", "plain HTTP", "a proxy's scheme", "a comma list", "numbers"],
)
def test_settings_follow_the_environment(environment: dict[str, str], expected: dict[str, Any]):
    found = settings_with(*expected, "BASE_DIR", **environment)

    assert dict(zip(expected, found, strict=False)) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("CONN_MAX_AGE", "-1"),
        ("HSTS_SECONDS", "1e9"),
        ("TRUSTED_PROXIES", "x"),
        ("RETENTION_DAYS", "a"),
    ],
)
def test_an_invalid_value_is_refused_by_name(name: str, value: str):
    done = python("-c", "import jobsite.settings", **{name: value})

    assert done.returncode != 0
    assert f"ImproperlyConfigured: {name} must be" in done.stderr


@pytest.mark.parametrize("url", ["localhost:6379", "memcached://127.0.0.1"])
def test_a_cache_that_is_no_redis_is_refused(url: str):
    done = python("-c", "import jobsite.settings", CACHE_URL=url)

    assert done.returncode != 0
    assert "ImproperlyConfigured: CACHE_URL must start with redis:// or rediss://" in done.stderr


def test_requests_are_counted_in_the_named_redis_with_a_short_timeout():
    here, there = settings_with("CACHES"), settings_with("CACHES", CACHE_URL="redis://cache.example:6379/1")

    assert here["default"]["BACKEND"].endswith("LocMemCache")
    assert there["default"]["BACKEND"].endswith("RedisCache")
    assert there["default"]["LOCATION"] == "redis://cache.example:6379/1"
    assert there["default"]["OPTIONS"]["socket_timeout"] <= 1


@pytest.mark.parametrize("url", ["", "sqlite:///other.sqlite3"])
def test_sqlite_has_the_options_for_several_processes(url: str):
    database = settings_with("DATABASES", DATABASE_URL=url)["default"]

    assert {name: database["OPTIONS"][name] for name in SQLITE} == SQLITE
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
    assert Path(database["NAME"]).name == ("other.sqlite3" if url else "db.sqlite3")


def test_options_of_the_database_url_override_ours():
    database = settings_with("DATABASES", DATABASE_URL="sqlite:///other.sqlite3?timeout=5")["default"]

    assert database["OPTIONS"]["timeout"] == 5


def test_postgresql_connections_are_kept_and_checked():
    database = settings_with("DATABASES", DATABASE_URL="postgres://me@db.example/jobs", CONN_MAX_AGE="60")["default"]

    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (60, True)
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True  # for a pooler
    assert "transaction_mode" not in database.get("OPTIONS", {})
