"""The examples in ``docs/deploy`` agree with the code and with each other; ``test_deploy_processes`` runs them."""

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import get_commands, load_command_class

import jobsite.settings
from jobs.processes import process
from jobsite import gunicorn_conf
from tests.support.deployment import (
    COMPOSE,
    DEPLOY,
    HOME,
    OFFERED,
    ROOT,
    UNITS,
    apps,
    command_lines,
    lines_of,
    setting_of,
    stages,
    variables_in,
)
from tests.support.source import sources

DOCUMENTED: Final = {
    name for line in re.findall(r"^``.*``$", jobsite.settings.__doc__ or "", re.MULTILINE) for name in line.split("``")
} - {"", ", "}
FOR_DEVELOPMENT: Final = {"DEBUG", "DEMO_PROJECT_KEY"}
GUNICORNS: Final = {"WEB_CONCURRENCY"}
DATABASE_PASSWORDS: Final = ("POSTGRES_PASSWORD", "OWNER_PASSWORD", "APP_PASSWORD")
COMPOSES: Final = {*DATABASE_PASSWORDS, "RABBITMQ_PASSWORD", "COMPOSE_PROFILES"}
SERVICES: Final = [unit for unit in UNITS if unit.suffix == ".service"]
ENDING: Final = [unit for unit in SERVICES if ("Type", "oneshot") in lines_of(unit)]
# As `systemd-analyze security` counts: 0 is shut, 10 is open; a unit without any hardening has 9.6.
MOST_EXPOSED: Final = 2.0


def test_the_settings_document_what_the_site_reads():
    read = {
        call.args[0].value
        for source in sources("jobsite")
        for call in ast.walk(source.tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        if call.func.id in ("text", "words", "flag", "number") and call.args and isinstance(call.args[0], ast.Constant)
    }

    assert read == DOCUMENTED


def test_the_examples_show_all_variables_that_production_may_set_and_no_other():
    in_compose = {name for app in apps().values() for name in app["environment"]}
    asked = {found["name"] for found in OFFERED.finditer((DEPLOY / "compose.yaml").read_text())}
    for_compose = set(variables_in(DEPLOY / "compose.env.example", commented=True))
    for_systemd = set(variables_in(DEPLOY / "systemd" / "jobs.env.example", commented=True))

    assert in_compose <= DOCUMENTED | GUNICORNS
    assert for_compose - COMPOSES <= in_compose
    assert asked - for_compose == set()
    assert for_compose - asked == {"COMPOSE_PROFILES"}
    assert for_systemd == DOCUMENTED - FOR_DEVELOPMENT | GUNICORNS


def test_no_file_contains_a_secret():
    secrets = ("SECRET_KEY", *DATABASE_PASSWORDS)
    written = [*apps().values(), COMPOSE["services"]["db"]]
    broker = COMPOSE["services"]["broker"]["environment"]

    found = {value for service in written for name, value in service["environment"].items() if name in secrets}

    assert found == {f"${{{name}:?}}" for name in secrets}
    assert broker["RABBITMQ_DEFAULT_PASS"] == "${RABBITMQ_PASSWORD:-}"
    assert [variables_in(DEPLOY / "compose.env.example")[name] for name in secrets] == [""] * 4
    for word, said in (instruction for stage in stages() for instruction in stage.instructions):
        assert word not in ("ENV", "ARG") or not re.search(r"SECRET|PASSWORD|DATABASE_URL", said)


def test_one_service_has_the_owner_s_password_and_none_of_the_app_s_that_of_the_superuser():
    urls = {name: app["environment"]["DATABASE_URL"] for name, app in apps().items()}
    server = COMPOSE["services"]["db"]
    with_superuser = [name for name, each in COMPOSE["services"].items() if "POSTGRES_PASSWORD" in str(each)]

    assert urls.pop("migrate") == "postgres://jobs_owner:${OWNER_PASSWORD:?}@db:5432/jobs"
    assert set(urls.values()) == {"postgres://jobs_app:${APP_PASSWORD:?}@db:5432/jobs"}
    assert [name for name, app in apps().items() if "OWNER_PASSWORD" in str(app)] == ["migrate"]
    assert with_superuser == ["db"]
    assert "./roles.sql:/docker-entrypoint-initdb.d/roles.sql:ro" in server["volumes"]
    # The server that runs the file does not listen here, and must not count as ready.
    assert server["healthcheck"]["test"][:4] == ["CMD", "pg_isready", "--host", "localhost"]


def test_the_unit_that_migrates_alone_reads_the_owner_s_url_after_that_of_the_app():
    read = {unit.name: [value for key, value in lines_of(unit) if key == "EnvironmentFile"] for unit in SERVICES}

    assert read.pop("jobs-migrate.service") == ["/etc/jobs/jobs.env", "-/etc/jobs/owner.env"]
    assert all(files == ["/etc/jobs/jobs.env"] for files in read.values())
    assert "://jobs_app:" in variables_in(DEPLOY / "systemd" / "jobs.env.example")["DATABASE_URL"]


@pytest.mark.parametrize("line", [line for line in map(" ".join, command_lines().values()) if "manage.py" in line])
def test_every_command_and_its_options_exist(line: str):
    name, *options = line.partition("manage.py ")[2].partition(";")[0].split()

    command = load_command_class(get_commands()[name], name)

    parser = command.create_parser("manage.py", name)
    parser.allow_abbrev = False
    parser.parse_args(options)  # it exits where it does not know one


def test_compose_and_systemd_both_start_every_kind_of_process():
    lines = {where: " ".join(line) for where, line in command_lines().items()}

    ours = ("jobworker", "prunejobs", "jobdispatcher")
    others = ("gunicorn --config python:jobsite.gunicorn_conf", "celery --app jobsite worker")
    for what in (*others, *(f"manage.py {name}" for name in ours)):
        assert len([where for where, line in lines.items() if what in line]) == 2, what


@pytest.mark.parametrize("name", apps())
def test_containers_have_no_more_rights_than_they_need(name: str):
    app = apps()[name]

    assert app["read_only"] is True
    assert app["tmpfs"] == ["/tmp"]
    assert app["cap_drop"] == ["ALL"]
    assert app["security_opt"] == ["no-new-privileges:true"]
    assert {"memory", "pids"} <= app["deploy"]["resources"]["limits"].keys()
    # A first process that is not made for it ignores SIGTERM and keeps zombies.
    assert app["init"] is True


def test_services_wait_for_the_migrations():
    for name, app in apps().items():
        conditions = {on: how["condition"] for on, how in app["depends_on"].items()}
        expected = {"db": "service_healthy", "migrate": "service_completed_successfully"}
        assert conditions == (expected if name != "migrate" else {"db": "service_healthy"}), name
    assert apps()["migrate"]["restart"] == "no"
    assert "healthcheck" in COMPOSE["services"]["db"]


def test_only_the_site_has_a_health_check_and_a_port_which_is_on_the_loopback_address():
    checked = [name for name, app in apps().items() if not app.get("healthcheck", {}).get("disable")]
    ports = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}

    assert checked == ["web"]
    assert ports == {"web": ["127.0.0.1:8000:8000"]}


def test_every_process_has_the_time_to_end_that_it_needs():
    needs = {
        "web": gunicorn_conf.graceful_timeout,
        "worker": process.EXIT_AT_THE_LATEST_SECONDS,
        "dispatcher": process.EXIT_AT_THE_LATEST_SECONDS,
        "celery": process.NEXT_CHUNK_SECONDS,
    }
    graces = {name: app["stop_grace_period"] for name, app in apps().items() if name not in ("migrate", "prune")}
    units = {
        re.sub(r"^jobs-|@?\.service$", "", unit.name): setting_of(unit, "TimeoutStopSec")
        for unit in SERVICES
        if unit not in ENDING
    }

    assert graces.keys() == units.keys() == needs.keys()
    assert all(int(graces[name].removesuffix("s")) > seconds + 2 for name, seconds in needs.items())
    assert all(int(units[name]) > seconds + 2 for name, seconds in needs.items())


def test_configuration_and_page_show_the_same_log_format_for_nginx():
    page = (ROOT / "docs" / "how-to" / "production.md").read_text()
    (block,) = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)

    told = re.findall(r"^ {4}((?:map|log_format) .*)$", gunicorn_conf.__doc__ or "", re.MULTILINE)

    assert [line.split()[0] for line in told] == ["map", "log_format"]
    assert told == re.findall(r"^((?:map|log_format) .*)$", block, re.MULTILINE)


def test_the_image_runs_as_a_user_that_is_not_root_and_needs_no_shell():
    user = stages()[-1].last("USER")
    words = [word for word, _ in stages()[-1].instructions]

    assert re.fullmatch(r"[1-9][0-9]{4}:[1-9][0-9]{4}", user)
    assert not {"RUN", "COPY", "ADD"} & set(words[words.index("USER") :])
    assert stages()[-1].listed("CMD")[0] == "gunicorn"
    assert "/livez" in stages()[-1].listed("HEALTHCHECK")[-1]


def test_the_builder_sees_what_it_copies_and_nothing_else():
    copied = {
        source
        for stage in stages()
        for word, said in stage.instructions
        if word == "COPY" and not said.startswith("--from")
        for source in said.split()[:-1]
    }
    shown = set(re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))

    assert copied == shown
    assert all((ROOT / source).exists() for source in copied)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, as if this checkout stood where they expect it, for systemd; without it tests fail in CI."""
    if shutil.which("systemd-analyze") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("systemd-analyze is not installed here")
    for unit in UNITS:
        # A template can only be looked at as one of its instances.
        path = tmp_path / unit.name.replace("@", "@1")
        path.write_text(unit.read_text().replace(HOME, str(ROOT)))
    return tmp_path


def analyze(*arguments: Any) -> str:
    done = subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_understands_the_units(installed: Path):
    units = list(installed.iterdir())

    assert len(units) == 7
    # It warns of keys that it does not know, and exits with 0.
    assert analyze("verify", "--man=no", *units) == ""


@pytest.mark.parametrize("unit", [unit.name.replace("@", "@1") for unit in SERVICES])
def test_the_services_are_hardened(installed: Path, unit: str):
    told = analyze("security", "--offline=yes", "--no-pager", installed / unit)
    (exposure,) = re.findall(r"Overall exposure level for .*?: ([0-9.]+)", told)

    assert float(exposure) <= MOST_EXPOSED


def test_the_services_share_their_hardening():
    texts = [unit.read_text() for unit in SERVICES]
    hardening = [text.partition("# It may write")[2].partition("[Install]")[0].strip() for text in texts]

    assert hardening[0]
    assert len(set(hardening)) == 1


def test_a_service_that_ends_is_always_restarted():
    assert [unit.name for unit in ENDING] == ["jobs-migrate.service", "jobs-prune.service"]
    for unit in SERVICES:
        if unit not in ENDING:
            assert setting_of(unit, "Restart") == "always"
            assert ("StartLimitIntervalSec", "0") in lines_of(unit)
            assert setting_of(unit, "KillSignal") == "SIGTERM"
