"""The command lines in ``docs/deploy`` run as they stand there, under production settings, and end when told to."""

import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from django.db import connection

from jobs.models import Job, Worker
from jobs.status import Status
from jobsite.models import Session
from tests.support.concurrency import one_value, until
from tests.support.deployment import (
    ADDRESS,
    DEPLOY,
    HOME,
    ROOT,
    apps,
    clean_environment,
    command_lines,
    interpolated,
    setting_of,
    stages,
    variables_in,
)
from tests.support.doc_pages import PAGES
from tests.support.factories import make_job, make_project
from tests.support.http_server import Answer, database_url, free_port, request, wait_until_it_answers
from tests.support.sessions import record_sessions
from tests.support.worker_process import status_of
from tests.system.engines.engines import BROKER_URL, Celery, check_available

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

SYSTEMD: Final = DEPLOY / "systemd"
OURS: Final = {"SECRET_KEY": secrets.token_urlsafe(50), "APP_PASSWORD": secrets.token_hex(24)}
HOST: Final = "jobs.example.com"
START_SECONDS: Final = 60
PROMISED_SECONDS: Final = 10
LATE_SECONDS: Final = 5  # what a busy machine may add


def environment_of(where: str) -> dict[str, str]:
    """Return the environment that an example gives its processes, but for secrets and addresses."""
    if where.endswith(".service"):
        given = variables_in(SYSTEMD / "jobs.env.example")
    else:
        offered = {**variables_in(DEPLOY / "compose.env.example"), **OURS}
        texts = apps()["web"]["environment"]
        given = {name: interpolated(text, offered) for name, text in texts.items()}
        given |= dict(re.findall(r"(DJANGO_SETTINGS_MODULE)=(\S+)", stages()[-1].last("ENV")))
        assert f"://jobs_app:{OURS['APP_PASSWORD']}@db:" in given["DATABASE_URL"]
    here = {"SECRET_KEY": OURS["SECRET_KEY"], "DATABASE_URL": database_url(), "CACHE_URL": "redis://127.0.0.1:6379/0"}
    return clean_environment(PYTHONWARNINGS="error", **{**given, **here})


def here(line: list[str], port: int) -> list[str]:
    """Return a command line with this Python in the place of the one it names, on a free port."""
    words = [ADDRESS.sub(f"127.0.0.1:{port}", word) for word in line]
    if words[0] in ("gunicorn", "celery"):
        words[0:1] = ["python", "-m", words[0]]
    assert words[0].rpartition("/")[2] == "python"
    return [sys.executable, *words[1:]]


@contextmanager
def running(where: str, *words: str, port: int = 0, **further: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start what stands at ``where``, with further ``words``; it is gone when the block ends."""
    environment = {**environment_of(where), **further}
    with subprocess.Popen([*here(command_lines()[where], port), *words], cwd=ROOT, env=environment) as process:
        try:
            yield process
        finally:
            # Not SIGKILL: gunicorn's children would go on answering at its port.
            process.terminate()
            process.wait(timeout=START_SECONDS)


def ends_within(process: "subprocess.Popen[bytes]", seconds: float) -> int:
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    status = process.wait(timeout=seconds + LATE_SECONDS)
    print(f"ended after {time.monotonic() - begun:.1f} s")
    return status


def get(port: int, path: str, *headers: str, host: str = HOST) -> Answer:
    return request(port, path, *headers, host=host)


@pytest.mark.parametrize("where", ["Dockerfile", "jobs-web.service"])
def test_the_site_is_served_with_production_settings(where: str):
    port = free_port()
    with running(where, port=port) as server:
        wait_until_it_answers(port, server)
        forwarded = "X-Forwarded-Proto: https"

        alive, ready = get(port, "/livez"), get(port, "/readyz")
        plain, secure = get(port, "/"), get(port, "/", forwarded)
        style = get(port, "/static/jobsite/site.css", forwarded)
        refused = get(port, "/public/me", forwarded)
        foreign = get(port, "/livez", host="elsewhere.example")
        status = ends_within(server, PROMISED_SECONDS)

    assert (alive.status, ready.status) == (200, 200)
    assert (plain.status, plain.headers["location"]) == (301, f"https://{HOST}/")
    assert (secure.status, "strict-transport-security" in secure.headers) == (200, True)
    assert (style.status, style.headers["content-type"].partition(";")[0]) == (200, "text/css")
    assert (refused.status, foreign.status) == (401, 400)
    assert status == 0


def test_the_health_check_of_the_image_fails_unless_the_site_serves():
    program, port = stages()[-1].listed("HEALTHCHECK"), free_port()
    check = [sys.executable, *(word.replace("8000", str(port)) for word in program[1:])]

    before = subprocess.run(check, capture_output=True, timeout=60)
    with running("Dockerfile", port=port) as server:
        wait_until_it_answers(port, server)
        served = subprocess.run(check, capture_output=True, timeout=60)
    with running("Dockerfile", port=port, ALLOWED_HOSTS=HOST) as server:
        wait_until_it_answers(port, server)
        unknown = subprocess.run(check, capture_output=True, timeout=60)

    assert (before.returncode, served.returncode, unknown.returncode) == (1, 0, 1)


def test_systemd_is_told_when_the_site_is_ready(tmp_path: Path):
    assert setting_of(SYSTEMD / "jobs-web.service", "Type") == "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(START_SECONDS)
        with running("jobs-web.service", port=free_port(), NOTIFY_SOCKET=str(tmp_path / "notify")):
            told = listener.recv(4096)

    assert b"READY=1" in told.splitlines()


@pytest.mark.parametrize("where", ["compose worker", "jobs-worker@.service"])
def test_a_worker_runs_a_job_and_ends_on_sigterm(where: str):
    project = make_project()
    record_sessions(project, "shekar@example.com", 3)
    job = make_job(project=project, action="delete_user_data", reference_id="shekar@example.com")

    with running(where) as worker:
        until(lambda: status_of(job) == Status.COMPLETED, what="the job to be completed")
        status = ends_within(worker, PROMISED_SECONDS)

    assert status == 0
    assert not Session.objects.exists()
    assert not Worker.objects.exists()


@pytest.mark.parametrize(
    ("where", "dispatching"),
    [("compose celery", "compose dispatcher"), ("jobs-celery@.service", "jobs-dispatcher.service")],
)
def test_celery_runs_the_job_that_the_dispatcher_dispatches(where: str, dispatching: str):
    check_available(Celery)
    project = make_project()
    record_sessions(project, "shekar@example.com", 3)
    job = make_job(project=project, action="delete_user_data", reference_id="shekar@example.com")
    # Celery warns of root, as whom tests may run.
    engine = {"BROKER_URL": BROKER_URL, "BROKER_PREFIX": f"jobs-test-{secrets.token_hex(6)}.", "PYTHONWARNINGS": ""}
    # Two of one name refuse each other; each container, and each instance of the unit, has one of its own.
    name = f"--hostname={secrets.token_hex(6)}@%h"

    try:
        with running(where, name, **engine) as celery, running(dispatching, **engine) as dispatcher:
            until(lambda: status_of(job) == Status.COMPLETED, what="the job to be completed")
            statuses = [ends_within(process, PROMISED_SECONDS) for process in (dispatcher, celery)]
    finally:
        Celery.delete_queues(engine["BROKER_PREFIX"])

    assert statuses == [0, 0]
    assert not Session.objects.exists()
    assert {event.actor.split(":")[0] for event in job.events.filter(attempt=1)} == {"worker"}
    assert not Worker.objects.exists()


@pytest.mark.parametrize("where", ["compose dispatcher", "compose celery"])
def test_dispatcher_and_celery_fail_with_a_message_without_a_broker(where: str):
    command = here(command_lines()[where], 0)

    done = subprocess.run(
        command, cwd=ROOT, env=environment_of(where) | {"PYTHONWARNINGS": ""}, capture_output=True, timeout=60
    )

    assert done.returncode != 0
    assert b"BROKER_URL" in done.stderr or b"TASK_BACKEND" in done.stderr


def test_the_timer_redacts_old_jobs():
    job = make_job(status=Status.COMPLETED)

    with running("jobs-prune.service") as refused:
        assert refused.wait(timeout=START_SECONDS) == 1  # the example keeps jobs for ever
    with running("jobs-prune.service", RETENTION_DAYS="90") as pruned:
        assert pruned.wait(timeout=START_SECONDS) == 0

    assert Job.objects.get(pk=job.pk).reference_id == ""


def test_the_loop_of_compose_prunes_and_ends_on_failure(tmp_path: Path):
    job = make_job(status=Status.COMPLETED)
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (tmp_path / "python").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    shell, option, loop = command_lines()["compose prune"]
    environment = {**environment_of("compose prune"), "PATH": path}

    failed = subprocess.run([shell, option, loop], cwd=ROOT, env=environment, capture_output=True, timeout=60)
    environment["RETENTION_DAYS"] = "90"
    with subprocess.Popen([shell, option, loop], cwd=ROOT, env=environment, start_new_session=True) as looping:
        try:
            until(lambda: Job.objects.get(pk=job.pk).reference_id == "", what="the job to be redacted")
            assert looping.poll() is None
        finally:
            os.killpg(looping.pid, signal.SIGKILL)

    assert failed.returncode == 1
    assert b"RETENTION_DAYS" in failed.stderr


def test_jobs_manage_runs_commands_in_the_environment_of_the_services(tmp_path: Path):
    example = (SYSTEMD / "jobs.env.example").read_text()
    odd = "https://example.com/$HOME&x"  # which a shell would make something else of
    ours = {"SECRET_KEY": OURS["SECRET_KEY"], "DATABASE_URL": database_url(), "CSRF_TRUSTED_ORIGINS": odd}
    for name, value in ours.items():
        example = re.sub(rf"^{name}=.*$", lambda _, line=f"{name}={value}": line, example, flags=re.MULTILINE)
    (tmp_path / "jobs.env").write_text(example)
    program = (SYSTEMD / "jobs-manage").read_text().replace("/etc/jobs/jobs.env", str(tmp_path / "jobs.env"))
    program = program.replace(f"{HOME}/.venv/bin/python", sys.executable).replace(HOME, str(ROOT))

    def manage(*words: str) -> str:
        command = ["sh", "-c", program, "jobs-manage", *words]
        done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = manage("createproject", "Web shop", "--organization", "Acme")
    shown = manage("shell", "--verbosity", "0", "--command", "import os; print(os.environ['CSRF_TRUSTED_ORIGINS'])")

    assert re.search(r"\b[0-9A-Za-z]{20}\b", made)
    assert shown == f"{odd}\n"


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite does not know who is connected")
def test_a_worker_has_as_many_connections_as_the_pages_say():
    project = make_project()
    jobs = [make_job(project=project, action="delete_user_data") for _ in range(40)]
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

    with running("jobs-worker@.service") as worker:
        until(lambda: {status_of(job) for job in jobs} == {Status.COMPLETED}, what="all jobs to be completed")
        threads = int(command_lines()["jobs-worker@.service"][-1])
        until(lambda: one_value(count) == threads + 4, what="every thread to have worked, and no further connection")
        most = max(one_value(count) for _ in range(20))
        ends_within(worker, PROMISED_SECONDS)

    assert most == threads + 4
    for page in ("production", "pgbouncer"):
        assert "one for each thread and four more" in PAGES[page].read_text()
