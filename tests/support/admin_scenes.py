"""Hostile rows, and a tour through every page and state of the admin."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.urls import reverse
from django.utils import timezone

from jobs.models import Job, Pause, Worker
from jobs.services.commands.pauses import pause_jobs
from jobs.status import Status
from tests.support.admin_client import add_event
from tests.support.admin_overview import make_history
from tests.support.browser_visits import Visit
from tests.support.factories import make_job, make_organization, make_project
from tests.support.http_server import Site

HOSTILE: Final = "<script>alert(1)</script>\u202egnp.exe =cmd()|' /C calc'!A0"
TRACEBACK: Final = f'Traceback (most recent call last):\n  File "<script>alert(1)</script>", line 1\n{HOSTILE}'
MANY: Final = 60  # more than a page of the list
MAPPED: Final = "delete_user_data"  # by an erase map


@dataclass(frozen=True, kw_only=True)
class Scene:
    jobs: dict[str, Job]
    pause: Pause


def make_scene() -> Scene:
    """Make a job of each status, a history, workers and a pause, with hostile texts."""
    project = make_project(name=HOSTILE, organization=make_organization(name=f"{HOSTILE} Ltd."))
    texts = {"reference_id": HOSTILE[:60], "description": HOSTILE, "parameters": {"note": HOSTILE}, "project": project}
    jobs = {status.value: make_job(status=status, **texts) for status in Status}
    jobs["held"] = make_job(held_at=timezone.now(), start_at=timezone.now() + timedelta(days=1), **texts)
    jobs["mapped"] = make_job(action=MAPPED, unique_key=HOSTILE[:60], **texts)
    stores = {HOSTILE: {"found": 7, "done": 0, "left": None, "what": "kept", "because": HOSTILE, "place": 0}}
    told = {"stores": stores, "plan": "0" * 32, "plan_changed": True, "found_nothing": True}
    jobs["erased"] = make_job(action=MAPPED, status=Status.COMPLETED, receipt=told, **texts)
    Job.objects.filter(status=Status.FAILED).update(errors=HOSTILE)
    receipt = {"stores": {HOSTILE: {"found": 100, "done": 40, "left": None}}}
    Job.objects.filter(status=Status.RUNNING).update(progress_done=40, progress_total=100, receipt=receipt)
    add_event(jobs["failed"], what="claimed", to_status="running", actor=f"worker:{HOSTILE}")
    add_event(jobs["failed"], note=HOSTILE, detail=TRACEBACK, request_id=HOSTILE, actor=f"key:{HOSTILE}")
    make_history(timezone.now())
    now = timezone.now()
    Worker.objects.create(name=HOSTILE, started_at=now, beat_at=now)
    Worker.objects.create(name="host:2:silent", started_at=now, beat_at=now - timedelta(hours=1))
    for _ in range(MANY):
        make_job(project=project, action="wait", due_at=now + timedelta(days=1))
    return Scene(jobs=jobs, pause=pause_jobs(action="touch", project=project, reason=HOSTILE))


def paths(scene: Scene, site: Site) -> list[str]:
    names = ("job", "apikey", "organization", "project", "pause")
    lists = [reverse(f"admin:jobs_{name}_changelist") for name in names]
    jobs, overview = lists[0], reverse("admin:jobs_job_overview")
    project = scene.jobs["failed"].project
    return [
        *lists,
        *(reverse(f"admin:jobs_{name}_add") for name in names),
        *(f"{jobs}?{query}" for query in ("status=failed", "late=yes", "_facets=True", "q=nobody", "status=held")),
        *(f"{overview}{query}" for query in ("?span=1h", "", "?span=7d", "?refresh=30")),
        reverse("admin:jobs_job_erasure"),
        reverse("admin:jobs_job_preview", args=[scene.jobs["mapped"].pk]),
        *(reverse("admin:jobs_job_change", args=[job.pk]) for job in scene.jobs.values()),
        f"{reverse('admin:jobs_job_change', args=[scene.jobs['failed'].pk])}?attempt=1",
        reverse("admin:jobs_apikey_change", args=[site.key_id]),
        reverse("admin:jobs_project_change", args=[project.pk]),
        reverse("admin:jobs_organization_change", args=[project.organization.pk]),
        reverse("admin:jobs_pause_change", args=[scene.pause.pk]),
    ]


def tour(visitor: Visit, scene: Scene, site: Site) -> Iterator[str]:
    """Open each page, then reach each state that has no address; the value names the state."""
    for path in paths(scene, site):
        visitor.open(path)
        yield path
    yield from ask_tour(visitor, scene)
    yield from bulk_tour(visitor)
    yield from intervention_tour(visitor, scene)
    yield from key_tour(visitor, site)


def ask_tour(visitor: Visit, scene: Scene) -> Iterator[str]:
    ask_for_erasure(visitor, scene.jobs["mapped"].project.pk, HOSTILE[:60])
    yield "a job is asked for that would find nothing, and active already"
    visitor.press(".jobs-submit button:not([name])")
    yield "a job was refused"


def ask_for_erasure(visitor: Visit, project: int, reference: str) -> None:
    """Come from the form to the page that shows what the job would do."""
    page = visitor.page
    visitor.open(reverse("admin:jobs_job_add"))
    page.select_option("#id_action", MAPPED)
    page.fill("#id_reference_id", reference)
    # The project is a list that fills as one types, or an id where the host's admin cannot search projects.
    page.eval_on_selector(
        "#id_project",
        "(field, id) => { if (field.options) field.append(new Option(id, id, true, true)); else field.value = id; }",
        project,
    )
    visitor.press("[name=_save]")


def bulk_tour(visitor: Visit) -> Iterator[str]:
    page, jobs = visitor.page, reverse("admin:jobs_job_changelist")
    visitor.open(f"{jobs}?status=scheduled")
    page.locator("#result_list tbody input[name=_selected_action]").first.check()
    page.select_option("select[name=action]", "cancel_selected")
    visitor.press(".actions button")
    yield "ticked jobs are to be cancelled"
    visitor.press(".jobs-submit button")
    yield "ticked jobs were cancelled"
    visitor.open(f"{jobs}?status=scheduled")
    page.check("#action-toggle")
    yield "all jobs of the page are ticked"
    page.click(".actions .question a")
    yield "all jobs that match are chosen"
    page.select_option("select[name=action]", "run_selected")
    visitor.press(".actions button")
    yield "all jobs that match are to be run"
    visitor.press(".jobs-submit button")
    yield "a job that runs all that match was made"


def intervention_tour(visitor: Visit, scene: Scene) -> Iterator[str]:
    failed = scene.jobs["failed"]
    visitor.open(reverse("admin:jobs_job_change", args=[failed.pk]))
    visitor.page.click("summary:has-text('Retry this job')")
    yield "a job is to be retried"
    visitor.press("button:has-text('Retry the job')")
    yield "a job's retry was refused, or done"
    visitor.open(reverse("admin:jobs_organization_change", args=[failed.project.organization.pk]))
    visitor.page.click("summary:has-text('Disable this')")
    visitor.press("button:has-text('Disable the')")
    yield "an organization was disabled"


def key_tour(visitor: Visit, site: Site) -> Iterator[str]:
    visitor.open(reverse("admin:jobs_apikey_change", args=[site.key_id]))
    visitor.page.click("summary:has-text('Replace this key')")
    visitor.press("button:has-text('Replace the key')")
    yield "a new key is shown"
    visitor.open(reverse("admin:jobs_apikey_changelist"))
    visitor.page.check("#action-toggle")
    visitor.page.select_option("select[name=action]", "revoke_selected")
    visitor.press(".actions button")
    yield "keys are to be revoked"
    visitor.press(".jobs-submit button")
    yield "keys were revoked"
