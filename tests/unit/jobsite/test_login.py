"""The login of staff: guesses are counted, and neither a password nor a name is logged."""

import logging

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client

from jobsite import login
from tests.support.processes import run_python

pytestmark = pytest.mark.django_db

NAME, PASSWORD = "ana@example.com", "a long and right one"


@pytest.fixture(autouse=True)
def no_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(login.time, "time", lambda: 1_000_000.0)
    get_user_model().objects.create_superuser(NAME, password=PASSWORD)


def is_let_in(name: str, password: str, address: str = "192.0.2.1") -> bool:
    form = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post("/admin/login/", form).status_code == 302


def test_after_ten_wrong_passwords_for_a_name_the_right_one_is_refused_for_a_quarter_of_an_hour(
    monkeypatch: pytest.MonkeyPatch,
):
    for number in range(9):
        assert not is_let_in(NAME, "wrong", f"192.0.2.{number}")
    assert is_let_in(NAME, PASSWORD)
    assert not is_let_in(NAME.upper(), "wrong")

    assert not is_let_in(NAME, PASSWORD, "198.51.100.7")
    answer = Client().post("/admin/login/", {"username": NAME, "password": PASSWORD})
    assert "Too many failed logins" in answer.content.decode()
    monkeypatch.setattr(login.time, "time", lambda: 1_000_000.0 + login.WINDOW_SECONDS)
    assert is_let_in(NAME, PASSWORD)


def test_after_thirty_failures_an_address_is_refused_and_another_one_is_not():
    for number in range(30):
        assert not is_let_in(f"name-{number}", "wrong", "2001:db8::1")

    assert not is_let_in(NAME, PASSWORD, "2001:db8::2")
    assert is_let_in(NAME, PASSWORD, "192.0.2.2")


def test_failures_are_logged_with_user_and_address_and_without_what_was_typed(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    pk = get_user_model().objects.get().pk

    is_let_in(NAME, "my-secret-guess")
    is_let_in("my-secret-guess", "")
    is_let_in("my-secret-guess", "x")

    assert [message for message in caplog.messages if "login" in message] == [
        f"A login failed: user={pk} address=192.0.2.1",
        "A login failed: user=none address=192.0.2.1",
    ]
    assert "my-secret-guess" not in caplog.text
    assert NAME not in caplog.text


@pytest.mark.parametrize(("cache_url", "engine"), [("", "db"), ("redis://127.0.0.1:6379/0", "cache")])
def test_sessions_are_in_the_cache_that_all_processes_share_where_there_is_one(cache_url: str, engine: str):
    program = "from django.conf import settings; print(settings.SESSION_ENGINE)"

    done = run_python(
        "-c", program, settings="jobsite.settings", CACHE_URL=cache_url, DATABASE_URL="sqlite:///:memory:"
    )

    assert done.stdout == f"django.contrib.sessions.backends.{engine}\n", done.stderr
