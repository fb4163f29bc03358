"""``manage.py demo``: what it prepares, again and again."""

import re
import socket
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db.models import QuerySet
from django.test import Client

from jobs.models import ApiKey, Job, JobEvent, Organization
from jobs.status import Status
from jobsite.models import Session
from jobsite.seed import MAIN_USERS, plan
from jobsite.serve import HOST, NoFreePort, listen
from tests.support.factories import make_organization

SESSIONS = 300

pytestmark = pytest.mark.django_db(transaction=True)


def demo(**options: object) -> str:
    out = StringIO()
    call_command("demo", prepare_only=True, stdout=out, **{"sessions": SESSIONS, **options})
    return out.getvalue()


def own_jobs() -> QuerySet[Job]:
    """The jobs of the demo's own project; other customers have a history."""
    return Job.objects.filter(project__name="Demo")


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


def test_the_demo_has_sessions_a_job_in_every_status_a_login_a_key_and_a_history():
    text = demo()

    assert Session.objects.count() >= SESSIONS
    assert set(Job.objects.values_list("status", flat=True)) == set(Status)
    user = authenticate(username="admin", password=found(r"with the password (\S+)", text))
    assert user is not None
    assert user.is_staff
    assert found(r"API key +(\S+)", text).startswith("jsk_")

    jobs = {job.status: job for job in own_jobs()}
    assert all(job.events.exists() for job in jobs.values())
    assert jobs["completed"].receipt["stores"]["sessions"]["left"] == 0
    assert jobs["completed"].receipt["verified_at"]
    assert not Session.objects.filter(user_id=jobs["completed"].reference_id).exists()
    assert jobs["failed"].errors
    assert jobs["cancelled"].receipt["stores"]["events"]["done"] > 0
    assert jobs["running"].progress_done > 0

    past = Job.objects.exclude(project__name="Demo")
    assert {"completed", "failed", "cancelled"} <= set(past.values_list("status", flat=True))
    assert past.held().exists()
    assert past.filter(retry_of__retry_of__isnull=False).get().reference_id
    assert all(job.created_at <= job.start_at < job.started_at <= job.begun_at for job in past.exclude(attempt=0))
    assert JobEvent.objects.filter(job__in=past.filter(status="failed"), detail__contains="Traceback").exists()


def test_a_second_run_neither_seeds_nor_stages_again_and_makes_new_secrets():
    first = demo()
    sessions, jobs = Session.objects.count(), Job.objects.count()

    second = demo()

    assert Session.objects.count() == sessions
    assert own_jobs().count() == len(Status)
    assert Job.objects.count() == jobs
    assert ApiKey.objects.filter(revoked_at=None).count() == 1
    for secret in (r"API key +(\S+)", r"with the password (\S+)"):
        assert found(secret, first) != found(secret, second)
    assert authenticate(username="admin", password=found(r"with the password (\S+)", first)) is None


def test_a_second_run_gives_the_main_users_back_what_was_erased_and_frees_them_for_the_next_call():
    key = found(r"API key +(\S+)", demo())
    project = own_jobs().first().project
    user = MAIN_USERS[0]
    Session.objects.filter(user_id=user).delete()
    path = f"/public/{project.key}/users/{user.replace('@', '%40')}"
    Client().delete(path, headers={"Authorization": f"Bearer {key}"})

    key = found(r"API key +(\S+)", demo())

    assert Session.objects.filter(user_id=user).count() == plan(SESSIONS)[user]
    assert Client().delete(path, headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_the_printed_calls_work_as_they_stand():
    text = demo()

    answers = [call_like_curl(line) for line in text.splitlines() if line.startswith("curl ")]

    assert answers == [("GET", 200), ("GET", 200), ("DELETE", 200), ("POST", 201), ("DELETE", 200)]


def call_like_curl(line: str) -> tuple[str, int]:
    """Make the call of a printed line with Django's client."""
    line = line.replace("'$(date +%s)000'", "1700000000000")
    method = found(r"-X (\w+)", line) if "-X" in line else "GET"
    headers = {"Authorization": found(r"-H 'Authorization: ([^']+)'", line)}
    body = {"data": found(r"-d '([^']+)'", line), "content_type": "application/json"} if " -d " in line else {}
    path = found(r"'http://127\.0\.0\.1:8000(/[^']+)'", line)
    return method, Client().generic(method, path, headers=headers, **body).status_code


def test_a_database_that_is_in_use_is_left_alone():
    make_organization(name="Somebody")

    with pytest.raises(CommandError, match="in use"):
        demo()

    assert list(Organization.objects.values_list("name", flat=True)) == ["Somebody"]


@pytest.mark.parametrize("options", [{"sessions": 99}, {"sessions": 10_000_001}, {"port": 0}, {"port": 65_536}])
def test_options_out_of_range_are_refused(options: dict[str, int]):
    with pytest.raises(CommandError, match="takes a number from"):
        demo(**options)


def test_a_taken_port_is_passed_over():
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]

        with listen(taken) as listener:
            assert listener.getsockname()[1] > taken


def test_running_out_of_ports_is_told():
    with socket.socket() as other:
        other.bind((HOST, 65_535))
        other.listen()

        with pytest.raises(NoFreePort, match="65535"):
            listen(65_535)
