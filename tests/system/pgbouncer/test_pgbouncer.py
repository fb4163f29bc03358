"""Behind a real pgbouncer in transaction mode, set up as ``docs/how-to/pgbouncer.md`` says: migrate, serve, work."""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import psycopg
import pytest

from tests.settings import TEST_RUN
from tests.support.deployment import ROOT, clean_environment
from tests.support.environments import run
from tests.support.http_server import send
from tests.support.postgres import Server

PAGE: Final = (ROOT / "docs/how-to/pgbouncer.md").read_text()
PROGRAM: Final = shutil.which("pgbouncer")
# So few that transactions of different clients must share them.
CONNECTIONS: Final = 2
USER: Final = "erased@example.com"
SEED: Final = """
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from jobs import schedule_job, get_project_model
from jobsite.models import Session
project = get_project_model().objects.get()
for number in range(20):
    user = f"{number}." + %r
    Session.objects.create(project=project, user_id=user, started_at=timezone.now(), duration=timedelta(0))
    schedule_job("delete_user_data", project=project, reference_id=user, start_at=timezone.now())
"""

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not os.environ.get("DATABASE_URL", "").startswith("postgres"), reason="this run has no PostgreSQL"
    ),
]


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """An empty database, by way of the pooler and without it; and the environment of a site on it."""

    direct: str
    port: int
    environment: dict[str, str]

    def manage(self, *arguments: str) -> str:
        return run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment)

    def statuses(self) -> dict[str, int]:
        """Return how many jobs there are, by status."""
        with psycopg.connect(self.direct) as connection:
            return dict(connection.execute("SELECT status, count(*) FROM jobs_job GROUP BY status").fetchall())


def configuration(parts: SplitResult, port: int, directory: Path) -> str:
    """Return the page's file, with our addresses in it, and few connections."""
    (text,) = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    ours = {
        r"^jobs = .*$": f"jobs = host={parts.hostname} port={parts.port or 5432} dbname={parts.path[1:]}",
        r"^listen_port = .*$": f"listen_port = {port}",
        r"^auth_type = .*$": "auth_type = trust",
        r"^auth_file = .*$": f"auth_file = {directory / 'users.txt'}",
        r"^default_pool_size = .*$": f"default_pool_size = {CONNECTIONS}",
    }
    for pattern, line in ours.items():
        text, count = re.subn(pattern, line, text, flags=re.MULTILINE)
        assert count == 1, pattern
    assert "pool_mode = transaction" in text
    own = f"unix_socket_dir =\nlogfile = {directory / 'pgbouncer.log'}\n"
    return text + own + ("user = nobody\n" if os.geteuid() == 0 else "")  # it refuses to run as root


@pytest.fixture
def pooled(tmp_path: Path) -> Iterator[Pooled]:
    if PROGRAM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("pgbouncer is not installed here")
    server = Server(url=os.environ["DATABASE_URL"], version="", origin="the suite's")
    with server.new_database(f"test_jobs_{TEST_RUN}") as direct, socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
        listener.close()
        parts = urlsplit(direct)
        for path in tmp_path.parents[:3]:  # of this run alone
            path.chmod(0o755)
        tmp_path.chmod(0o777)
        (tmp_path / "users.txt").write_text(f'"{parts.username or "postgres"}" "{parts.password or ""}"\n')
        (tmp_path / "pgbouncer.ini").write_text(configuration(parts, port, tmp_path))
        with subprocess.Popen([PROGRAM, str(tmp_path / "pgbouncer.ini")]) as pooler:
            url = f"postgres://{parts.username or 'postgres'}@127.0.0.1:{port}/jobs"
            _wait_until_it_answers(url)
            site = {"SECRET_KEY": secrets.token_urlsafe(50), "ALLOWED_HOSTS": "localhost", "INSECURE_HTTP": "1"}
            environment = clean_environment(DATABASE_URL=url, DJANGO_SETTINGS_MODULE="jobsite.settings", **site)
            try:
                yield Pooled(direct=direct, port=port, environment=environment)
            finally:
                pooler.terminate()


def _wait_until_it_answers(url: str) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(url, connect_timeout=5, prepare_threshold=None).close()
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def test_a_site_migrates_works_and_serves_behind_a_pooler_of_transactions(pooled: Pooled, tmp_path: Path):
    pooled.manage("migrate", "--verbosity", "0")
    pooled.manage("createproject", "Web shop", "--organization", "Acme")
    run([sys.executable, "-c", SEED % USER], cwd=ROOT, env=pooled.environment)
    key = re.findall(r"jsk_[0-9A-Za-z]{38}", pooled.manage("createapikey", "--organization", "Acme"))[0]
    with (tmp_path / "workers.log").open("wb") as log:
        command = [sys.executable, "manage.py", "jobworker", "--threads", "4"]
        workers = [subprocess.Popen(command, cwd=ROOT, env=pooled.environment, stderr=log) for _ in range(2)]
        try:
            _until(lambda: pooled.statuses() == {"completed": 20}, "all jobs to be completed")
            _until(lambda: (tmp_path / "workers.log").read_text().count("NOTIFY is not heard here") == 2, "the note")
            statuses = _use_the_api(pooled, key)
            _until(lambda: pooled.statuses() == {"completed": 21, "cancelled": 1}, "the new job to be completed")
        finally:
            for worker in workers:
                worker.terminate()
            ended = [worker.wait(timeout=30) for worker in workers]

    assert statuses == [201, 201, 200, 200]
    assert ended == [0, 0]
    assert " ERROR " not in (tmp_path / "workers.log").read_text()
    with psycopg.connect(pooled.direct) as connection:
        assert connection.execute("SELECT count(*) FROM jobsite_session").fetchone() == (0,)


def _use_the_api(pooled: Pooled, key: str) -> list[int]:
    """Create a job for now and one for later, cancel that one, and list; return the statuses."""
    with psycopg.connect(pooled.direct) as connection:
        ((project,),) = connection.execute("SELECT key FROM jobs_project").fetchall()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "gunicorn", "--config", "python:jobsite.gunicorn_conf"]
        command += ["--bind", f"fd://{listener.fileno()}", "jobsite.wsgi"]
        port = listener.getsockname()[1]
        with subprocess.Popen(command, cwd=ROOT, env=pooled.environment, pass_fds=[listener.fileno()]) as server:
            try:
                jobs = f"/public/{project}/jobs"
                body = '{"action": "delete_user_data", "referenceId": "%s", "startAt": %d}'
                made = [
                    _ask(port, "POST", jobs, key, body % ("now@example.com", 0)),
                    _ask(port, "POST", jobs, key, body % ("later@example.com", 4_000_000_000_000)),
                ]
                later = re.findall(rb'"jobId": ?(\d+)', made[1][1])[0].decode()
                asked = [_ask(port, "DELETE", f"{jobs}/{later}", key), _ask(port, "GET", jobs, key)]
                return [status for status, _ in (*made, *asked)]
            finally:
                server.terminate()


def _ask(port: int, method: str, path: str, key: str, body: str = "") -> tuple[int, bytes]:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Authorization: Bearer {key}"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", body]
    answer = send(port, "\r\n".join(lines).encode())
    return answer.status, answer.body


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.2)
