"""Behind a real pgbouncer in transaction mode, set up as ``docs/how-to/pgbouncer.md`` says: migrate, serve, work."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import psycopg
import pytest

from tests.settings import TEST_RUN
from tests.support.concurrency import until
from tests.support.deployment import ROOT, clean_environment
from tests.support.environments import run
from tests.support.http_server import free_port, request, wait_until_it_answers
from tests.support.postgres import Server

eventually = partial(until, seconds=60)
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
def pooled() -> Iterator[Pooled]:
    if PROGRAM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("pgbouncer is not installed here")
    server = Server(url=os.environ["DATABASE_URL"], version="", origin="the suite's")
    # Not below TMPDIR: started by root, pgbouncer runs as `nobody`, who must get there.
    with (
        tempfile.TemporaryDirectory(prefix="jobs-pgbouncer-", dir="/tmp") as name,
        server.new_database(f"test_jobs_{TEST_RUN}") as direct,
    ):
        directory, port, parts = Path(name), free_port(), urlsplit(direct)
        directory.chmod(0o777)
        (directory / "users.txt").write_text(f'"{parts.username or "postgres"}" "{parts.password or ""}"\n')
        (directory / "pgbouncer.ini").write_text(configuration(parts, port, directory))
        url = f"postgres://{parts.username or 'postgres'}@127.0.0.1:{port}/jobs"
        site = {"SECRET_KEY": secrets.token_urlsafe(50), "ALLOWED_HOSTS": "localhost", "INSECURE_HTTP": "1"}
        environment = clean_environment(DATABASE_URL=url, DJANGO_SETTINGS_MODULE="jobsite.settings", **site)
        with subprocess.Popen([PROGRAM, str(directory / "pgbouncer.ini")]) as pooler:
            try:
                eventually(lambda: takes_connections(url), what="pgbouncer to take connections")
                yield Pooled(direct=direct, port=port, environment=environment)
            finally:
                pooler.terminate()


def takes_connections(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5, prepare_threshold=None).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_site_migrates_works_and_serves_behind_a_pooler_of_transactions(pooled: Pooled, tmp_path: Path):
    pooled.manage("migrate", "--verbosity", "0")
    pooled.manage("createproject", "Web shop", "--organization", "Acme")
    run([sys.executable, "-c", SEED % USER], cwd=ROOT, env=pooled.environment)
    key = re.findall(r"jsk_[0-9A-Za-z]{38}", pooled.manage("createapikey", "--organization", "Acme"))[0]
    with (tmp_path / "workers.log").open("wb") as log:
        command = [sys.executable, "manage.py", "jobworker", "--threads", "4"]
        workers = [subprocess.Popen(command, cwd=ROOT, env=pooled.environment, stderr=log) for _ in range(2)]
        try:
            eventually(lambda: pooled.statuses() == {"completed": 20}, what="all jobs to be completed")
            until(
                lambda: (tmp_path / "workers.log").read_text().count("NOTIFY is not heard here") == 2,
                what="the note",
                seconds=60,
            )
            statuses = _use_the_api(pooled, key)
            until(
                lambda: pooled.statuses() == {"completed": 21, "cancelled": 1},
                what="the new job to be completed",
                seconds=60,
            )
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
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "python:jobsite.gunicorn_conf"]
    command += ["--bind", f"127.0.0.1:{port}", "jobsite.wsgi"]
    headers = (f"Authorization: Bearer {key}", "Content-Type: application/json")
    jobs = f"/public/{project}/jobs"
    body = '{"action": "delete_user_data", "referenceId": "%s", "startAt": %d}'
    with subprocess.Popen(command, cwd=ROOT, env=pooled.environment) as server:
        try:
            wait_until_it_answers(port, server)
            now = request(port, jobs, *headers, method="POST", body=body % ("now@example.com", 0))
            later = request(port, jobs, *headers, method="POST", body=body % ("later@example.com", 4_000_000_000_000))
            (job_id,) = re.findall(rb'"jobId": ?(\d+)', later.body)
            cancelled = request(port, f"{jobs}/{job_id.decode()}", *headers, method="DELETE")
            return [answer.status for answer in (now, later, cancelled, request(port, jobs, *headers))]
        finally:
            server.terminate()
