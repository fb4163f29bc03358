"""``docs/deploy/roles.sql`` on a real server: the owner migrates, and one role without further rights does all else."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tests.support.concurrency import postgresql_only, until
from tests.support.deployment import DEPLOY, ROOT, apps, clean_environment, command_lines, interpolated
from tests.support.empty_database import empty_database
from tests.support.http_server import request, running_server
from tests.support.staff_login import Staff
from tests.system.engines.engines import BROKER_URL, Celery, check_available

pytestmark = [postgresql_only, pytest.mark.timeout(300)]

ROLES: Final = ("jobs_owner", "jobs_app")
STAFF_PASSWORD: Final = secrets.token_hex(12)
RIGHTS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
REFUSED: Final = [
    "CREATE TABLE mine (id integer)",
    "CREATE TEMPORARY TABLE mine (id integer)",
    "CREATE SCHEMA mine",
    "CREATE EXTENSION pg_trgm",
    "CREATE INDEX mine ON jobs_job (id)",
    "ALTER TABLE jobs_job ADD mine integer",
    "ALTER TABLE jobs_jobevent DISABLE TRIGGER ALL",
    "ALTER ROLE CURRENT_USER CREATEDB",
    "DROP TABLE jobs_job CASCADE",
    "TRUNCATE jobs_job CASCADE",
    "ALTER TABLE jobs_job OWNER TO CURRENT_USER",
    "SET ROLE {jobs_owner}",
    "COPY jobs_job TO PROGRAM 'cat'",
    "SELECT pg_read_file('/etc/passwd')",
]


@dataclass(frozen=True, kw_only=True)
class Database:
    """An empty database that ``roles.sql`` has prepared; ``names`` are what its roles are called here."""

    url: str  # of the superuser
    names: dict[str, str]
    passwords: dict[str, str] = field(repr=False)

    def url_of(self, service: str) -> str:
        """Return the URL that Compose gives a service, with this server, database and roles in it."""
        meant = urlsplit(interpolated(apps()[service]["environment"]["DATABASE_URL"], self.passwords))
        here = urlsplit(self.url)
        login = f"{self.names[str(meant.username)]}:{meant.password}"
        return here._replace(netloc=f"{login}@{here.netloc.rpartition('@')[2]}").geturl()

    def environment_of(self, service: str, **further: str) -> dict[str, str]:
        site = {"DJANGO_SETTINGS_MODULE": "jobsite.settings", "SECRET_KEY": secrets.token_urlsafe(50)}
        return clean_environment(DATABASE_URL=self.url_of(service), **site, PYTHONWARNINGS="error", **further)

    def manage(self, service: str, *words: str, **further: str) -> str:
        """Run a command as a service of Compose; return what it printed, errors in the log among it."""
        return run([sys.executable, "manage.py", *words], self.environment_of(service, **further))

    def ask(self, query: str, *params: Any) -> list[Any]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query, params).fetchall()


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def drop(*roles: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        for role in roles:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with roles of its own, as Compose makes and migrates it; both are gone afterwards."""
    psql = shutil.which("psql")
    if psql is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("psql is not installed here")
    # Roles belong to the whole server, where others may be called like that.
    names = {role: f"{role}_{uuid4().hex[:12]}" for role in ROLES}
    passwords = {name: secrets.token_hex(24) for name in ("POSTGRES_PASSWORD", "OWNER_PASSWORD", "APP_PASSWORD")}
    program = tmp_path_factory.mktemp("roles") / "roles.sql"
    text = (DEPLOY / "roles.sql").read_text()
    program.write_text(re.sub("|".join(ROLES), lambda found: names[found[0]], text))
    with ExitStack() as stack:
        stack.callback(drop, *names.values())
        url = stack.enter_context(empty_database(program.parent))
        # As the entrypoint of the image `postgres` runs it.
        options = ["--set", "ON_ERROR_STOP=1", "--no-password", "--no-psqlrc", "--dbname", url, "--file", str(program)]
        run([psql, *options], clean_environment(**passwords))
        made = Database(url=url, names=names, passwords=passwords)
        made.manage("migrate", *command_lines()["compose migrate"][2:])
        yield made


def test_neither_role_has_an_attribute_beyond_its_login(database: Database):
    attributes = database.ask(
        "SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,"
        " EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid) FROM pg_roles WHERE rolname = ANY(%s)",
        list(database.names.values()),
    )

    assert attributes == [(True, *[False] * 6)] * 2


def test_the_owner_owns_all_tables_and_the_app_may_write_their_rows_alone(database: Database):
    app, owner = database.names["jobs_app"], database.names["jobs_owner"]
    tables = database.ask(
        "SELECT relname, pg_get_userbyid(relowner), ARRAY(SELECT has_table_privilege(%s, pg_class.oid, each)"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS rights (each, place) ORDER BY place)"
        " FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace",
        app,
        list(RIGHTS),
    )
    owned = database.ask("SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) = %s", app)
    (may_create,) = database.ask(
        "SELECT has_schema_privilege(%s, 'public', 'CREATE'), has_database_privilege(%s, current_database(), 'CREATE'),"
        " has_database_privilege(%s, current_database(), 'TEMPORARY')",
        *[app] * 3,
    )

    assert {"jobs_job", "jobs_jobevent", "jobsite_session", "auth_user", "django_session"} <= {row[0] for row in tables}
    assert {row[1] for row in tables} == {owner}
    assert {tuple(row[2]) for row in tables} == {(True, True, True, True, False, False, False)}
    assert owned == []
    assert may_create == (False, False, False)


@pytest.mark.parametrize("statement", REFUSED)
def test_the_server_refuses_whatever_is_not_about_rows(database: Database, statement: str):
    with (
        psycopg.connect(database.url_of("worker"), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(sql.SQL(statement.format(**database.names)))  # type: ignore[arg-type]


def test_a_table_of_a_later_migration_is_the_app_s_to_write(database: Database):
    with psycopg.connect(database.url_of("migrate")) as connection:
        connection.execute("CREATE TABLE later (id serial PRIMARY KEY, number bigint GENERATED BY DEFAULT AS IDENTITY)")

    with psycopg.connect(database.url_of("web")) as connection:
        inserted = connection.execute("INSERT INTO later DEFAULT VALUES RETURNING id, number").fetchall()
        connection.execute("UPDATE later SET number = 2")
        deleted = connection.execute("DELETE FROM later RETURNING number").fetchall()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE later")

    assert (inserted, deleted) == ([(1, 1)], [(2,)])


def prepare(database: Database) -> tuple[str, str]:
    """Make what the site needs, by the commands of the page; return the key of a project and a secret."""
    made = database.manage("web", "createproject", "Web shop", "--organization", "Acme")
    (project,) = re.findall(r"\b[0-9A-Za-z]{20}\b", made)
    (key,) = re.findall(r"\bjsk_\w+", database.manage("web", "createapikey", "--organization", "Acme"))
    login = {"DJANGO_SUPERUSER_PASSWORD": STAFF_PASSWORD}
    database.manage("web", "createsuperuser", "--no-input", "--username", "staff", "--email", "s@example.com", **login)
    database.manage("web", "createroles")
    record = "from jobs.models import Project; from tests.support.sessions import record_sessions"
    database.manage(
        "web", "shell", "--command", f"{record}; record_sessions(Project.objects.get(), 'a@example.com', 3)"
    )
    return project, key


def test_site_worker_admin_and_commands_need_no_other_role(database: Database):
    project, key = prepare(database)
    site = {"url": database.url_of("web"), "DJANGO_SETTINGS_MODULE": "jobsite.settings"}
    headers = (f"Authorization: Bearer {key}", "Content-Type: application/json")

    with running_server(**site) as port:

        def call(method: str, path: str, **body: Any) -> tuple[int, Any]:
            sent = json.dumps(body) if body else ""
            answer = request(port, f"/public/{project}{path}", *headers, method=method, body=sent)
            return answer.status, json.loads(answer.body)["data"]

        now = {"action": "delete_user_data", "referenceId": "a@example.com", "startAt": 0}
        created, job = call("POST", "/jobs", **now)
        waiting, other = call("POST", "/jobs", action="delete_user_data", referenceId="b@example.com")
        sessions = database.ask("SELECT count(*) FROM jobsite_session")
        output = work_until(database, lambda: call("GET", f"/jobs/{job['jobId']}")[1]["status"] == "completed")
        cancelled, _ = call("DELETE", f"/jobs/{other['jobId']}")
        staff = Staff(f"http://127.0.0.1:{port}", "staff", STAFF_PASSWORD)
        pages = [staff.read(f"/admin/jobs/{path}") for path in ("job/", f"job/{job['jobId']}/change/", "apikey/")]
        ready = request(port, "/readyz").status
    health = json.loads(database.manage("web", "jobhealth", "--json", "--min-workers", "0").splitlines()[-1])
    with psycopg.connect(database.url_of("prune")) as connection:
        connection.execute("UPDATE jobs_job SET finished_at = finished_at - interval '2 days'")
    database.manage("prune", "prunejobs", RETENTION_DAYS="1")
    references = database.ask("SELECT DISTINCT reference_id FROM jobs_job WHERE finished_at IS NOT NULL")
    database.manage("prune", "prunejobs", "--project", project, "--now", "--no-input")

    assert (created, waiting, cancelled, ready) == (201, 201, 200, 200)
    assert sessions == [(3,)]
    assert not re.search(" (ERROR|CRITICAL) |Traceback", output)
    assert "a@example.com" in pages[1]
    assert health["problems"] == []
    assert references == [("",)]
    left = "SELECT count(*) FROM jobs_job WHERE project_id = (SELECT id FROM jobs_project WHERE key = %s)"
    assert database.ask(left, project) == [(0,)]
    assert database.ask("SELECT count(*) FROM jobsite_session") == [(0,)]


def work_until(database: Database, is_done: Any) -> str:
    """Run the worker of Compose until something is done; return what it logged."""
    command = [sys.executable, *command_lines()["compose worker"][1:]]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=database.environment_of("worker"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as worker:
        try:
            until(is_done, what="the worker to have done it", seconds=60)
        finally:
            worker.terminate()
            output, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0, output
    return output


def test_the_dispatcher_needs_no_other_role(database: Database):
    check_available(Celery)
    engine = {"BROKER_URL": BROKER_URL, "BROKER_PREFIX": f"jobs-test-{secrets.token_hex(6)}."}
    create = "from jobs.testing import *; make_job('delete_user_data', reference_id='c@example.com')"
    database.manage("web", "shell", "--command", create)

    try:
        database.manage("dispatcher", *command_lines()["compose dispatcher"][2:], "--drain", **engine)
    finally:
        Celery.delete_queues(engine["BROKER_PREFIX"])

    assert database.ask("SELECT count(reserved_until) FROM jobs_job WHERE reference_id = 'c@example.com'") == [(1,)]
