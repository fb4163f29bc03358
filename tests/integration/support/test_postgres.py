"""The server that the suite itself is given: none is a failure, and none is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

from tests.support.postgres import NoServer, postgres_server


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    monkeypatch.delenv("TEST_POSTGRES", raising=False)


@pytest.mark.parametrize(
    "url",
    ["postgres://nobody@127.0.0.1:1/postgres", "mysql://root@127.0.0.1/mysql", "127.0.0.1"],
    ids=["nothing-listens", "another-database", "no-url"],
)
def test_a_named_server_that_cannot_be_used_is_a_failure(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEST_DATABASE_URL", url)

    with pytest.raises(NoServer, match="TEST_DATABASE_URL"), postgres_server():
        pass


def test_a_misspelt_choice_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEST_POSTGRES", "wheels")

    with pytest.raises(NoServer, match="TEST_POSTGRES"), postgres_server():
        pass


def test_the_server_of_the_wheel_ends_with_its_block(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEST_POSTGRES", "wheel")

    with postgres_server() as server, server.new_database("anything") as url, psycopg.connect(url) as connection:
        answer = connection.execute("SELECT lower('Ä')").fetchone()

    assert answer == ("ä",)
    assert not home_of(server.url).exists()


def test_the_server_of_the_wheel_ends_when_its_user_is_killed():
    program = "import time, tests.support.postgres as p\n"
    program += "with p.postgres_server() as server: print(server.url, flush=True); time.sleep(60)"
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "TEST_POSTGRES": "wheel"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        home = home_of(process.stdout.readline().strip())
        process.send_signal(signal.SIGKILL)

    assert is_gone_soon(home / "data" / "postmaster.pid")
    subprocess.run(["rm", "-rf", home], check=True)


def home_of(url: str) -> Path:
    """Return the directory of a server from the wheel; it is where its socket is."""
    return Path(unquote(urlsplit(url).hostname or ""))


def is_gone_soon(path: Path) -> bool:
    deadline = time.monotonic() + 20
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not path.exists()
