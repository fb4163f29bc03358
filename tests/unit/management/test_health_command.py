"""``jobhealth``, ``pausejobs``, ``resumejobs`` and ``prunejobs`` as people and monitors call them."""

import json
from typing import Any

import pytest
from django.db import OperationalError
from django.test.utils import override_settings
from django.utils import timezone

from jobs.models import Job, Pause
from jobs.services.commands.pauses import pause_jobs
from jobs.status import Status
from tests.support.commands import error_of
from tests.support.commands import run_with_status as run
from tests.support.factories import LONG_AGO, make_job, make_project, make_running_job, make_worker

pytestmark = pytest.mark.django_db

PERSONAL = "shekar@example.com"


class TestJobHealth:
    def test_healthy_is_ok_and_exits_0(self):
        make_worker()

        printed, status = run("jobhealth")

        assert status == 0
        assert printed.endswith("OK\n")
        assert "host:1:aaaa, last beat 0 s ago" in printed

    def test_beyond_a_bound_it_prints_the_problem_and_exits_1(self):
        printed, status = run("jobhealth")

        assert status == 1
        assert "PROBLEM: workers alive: 0" in printed
        assert "OK" not in printed

    @pytest.mark.parametrize(
        ("option", "enough"),
        [
            ("--max-overdue", "1e9"),
            ("--max-beat-age", "1000"),
            ("--min-workers", "0"),
            ("--max-expired", "1"),
            ("--max-failures", "11"),
            ("--max-interruptions", "5"),
        ],
    )
    def test_every_bound_can_be_given(self, option: str, enough: str):
        project = make_job().project
        make_worker(beat=300)
        make_running_job(project=project, lease_expires_at=LONG_AGO, interruptions=5)
        for _ in range(11):
            make_job(status=Status.FAILED, finished_at=timezone.now(), project=project)
        strict, _ = run("jobhealth", "--json")

        lenient, _ = run("jobhealth", option, enough, "--json")

        assert len(json.loads(strict)["problems"]) == 5
        assert len(json.loads(lenient)["problems"]) == 4

    def test_json_is_one_object_with_the_whole_snapshot(self):
        make_worker()
        project = make_project()
        overdue, running = make_job(project=project), make_running_job(project=project)
        pause_jobs(project=make_project(), reason="The disk is full")

        printed, status = run("jobhealth", "--json")

        seen = json.loads(printed)
        assert printed.count("\n") == 1
        assert (status, seen["ok"]) == (1, False)
        assert seen["oldestOverdue"]["jobId"] == overdue.pk
        assert seen["oldestRunning"]["jobId"] == running.pk
        assert seen["oldestPaused"] is None
        assert (seen["expiredLeases"], seen["unrescuedLeases"], seen["failuresLastHour"]) == (0, 0, 0)
        assert seen["mostInterrupted"] is None
        assert (seen["workersAlive"], [worker["worker"] for worker in seen["workers"]]) == (1, ["host:1:aaaa"])
        assert [pause["reason"] for pause in seen["pauses"]] == ["The disk is full"]

    @pytest.mark.parametrize("options", [[], ["--json"]])
    def test_it_prints_no_personal_data(self, options: list[str]):
        texts = {"reference_id": PERSONAL, "description": PERSONAL, "parameters": {"a": PERSONAL}}
        project = make_project()
        make_job(project=project, **texts)
        make_running_job(project=project, lease_expires_at=LONG_AGO, **texts)
        make_job(project=project, status=Status.FAILED, finished_at=timezone.now(), **{**texts, "errors": PERSONAL})

        printed, _ = run("jobhealth", "--max-failures", "0", *options)

        assert PERSONAL not in printed

    @pytest.mark.parametrize("options", [[], ["--json"]])
    def test_a_database_that_does_not_answer_exits_2(self, options: list[str], monkeypatch: pytest.MonkeyPatch):
        def away() -> None:
            raise OperationalError("password=secret")

        monkeypatch.setattr("jobs.management.commands.jobhealth.check_health", away)

        printed, status = run("jobhealth", *options)

        assert status == 2
        assert "the database does not answer" in printed
        assert "secret" not in printed


class TestPauseJobs:
    def test_it_pauses_and_confirms(self):
        project = make_project()

        printed, _ = run("pausejobs", "--action", "touch", "--project", project.key, "--reason", "The disk is full.")

        pause = Pause.objects.get()
        assert (pause.action, pause.project, pause.reason) == ("touch", project, "The disk is full.")
        assert printed.startswith(f"Paused jobs of action touch in project {project.key} since 20")

    def test_invalid_options_are_refused_in_a_sentence(self):
        assert error_of("pausejobs", "--project", "unknown", "--reason", "x") == "project not found"
        assert error_of("pausejobs", "--action", "tuoch", "--reason", "x") == "action: is not an action known here"
        assert error_of("pausejobs", "--reason", " ") == "reason: must not be blank"
        assert "--reason" in error_of("pausejobs")
        assert not Pause.objects.exists()


class TestResumeJobs:
    def test_it_lifts_one_pause_and_lists_the_others_or_lifts_all(self):
        pauses = [pause_jobs(action=action, reason=reason) for action, reason in (("touch", "One"), (None, "Two"))]

        one, _ = run("resumejobs", "--action", "touch")
        pause_jobs(action="touch", reason="One")
        rest, _ = run("resumejobs", "--all")

        assert one == "Resumed jobs of action touch.\nStill paused: all jobs – Two\n"
        assert rest == f"Lifted {len(pauses)} pauses.\n"
        assert not Pause.objects.exists()

    def test_a_scope_that_was_not_paused_is_reported(self):
        printed, status = run("resumejobs", "--action", "touch")

        assert (printed, status) == ("Nothing to resume: jobs of action touch was not paused.\n", 0)

    def test_all_and_one_at_once_is_refused(self):
        assert "--all" in error_of("resumejobs", "--all", "--action", "touch")
        assert error_of("resumejobs", "--project", "unknown") == "project not found"


class TestPruneJobs:
    @pytest.fixture(autouse=True)
    def retention(self, settings: Any) -> None:
        settings.JOBS = {"RETENTION_DAYS": 30}

    def test_it_redacts_and_counts(self):
        job = make_job(status=Status.COMPLETED)

        printed, _ = run("prunejobs")

        job.refresh_from_db()
        assert job.reference_id == ""
        assert printed.startswith("1 jobs that ended before 20")
        assert "were redacted, with 0 events." in printed

    def test_with_delete_it_deletes_and_counts(self):
        make_job(status=Status.COMPLETED)

        printed, _ = run("prunejobs", "--delete", "--batch-size", "1", "--json")

        told = json.loads(printed)
        assert (told["mode"], told["dryRun"], told["jobs"], told["events"], told["kept"]) == ("delete", False, 1, 0, 0)
        assert not Job.objects.exists()

    @pytest.mark.parametrize("options", [[], ["--delete"]])
    def test_a_dry_run_changes_nothing(self, options: list[str]):
        job = make_job(status=Status.COMPLETED)

        printed, _ = run("prunejobs", "--dry-run", *options)

        assert printed.startswith("1 jobs that ended before")
        assert "nothing was changed" in printed
        assert Job.objects.filter(pk=job.pk, reference_id=job.reference_id).exists()

    @override_settings(JOBS={})
    def test_without_a_retention_it_is_refused(self):
        make_job(status=Status.COMPLETED)

        assert error_of("prunejobs") == "RETENTION_DAYS: is not set in JOBS, so jobs are kept for ever"

    def test_an_invalid_batch_size_is_refused(self):
        assert error_of("prunejobs", "--batch-size", "0") == "batch_size: must be from 1 to 5,000"

    def test_a_busy_database_is_reported_without_the_error_s_text(self, monkeypatch: pytest.MonkeyPatch):
        class Locked(Exception):
            sqlite_errorcode = 5

        def busy(*_: Any, **__: Any) -> None:
            raise OperationalError("values of rows") from Locked()

        monkeypatch.setattr("jobs.management.commands.prunejobs.redact_jobs", busy)

        assert error_of("prunejobs") == "The database was busy or away; what was done is kept. Run it again."
