"""Pauses jobs of an action, a project or all: they are not claimed; running jobs go on."""

from collections.abc import Sequence
from typing import Any, cast

from django.db import IntegrityError, models
from django.db.models import Q

from ...actions import get_action
from ...actors import SYSTEM, Actor
from ...db import clock
from ...db.connection import jobs_connection, service_transaction
from ...db.notify import notify_due
from ...models import Pause
from ..validation import MAX_REASON_CHARACTERS, check_text


def pause_jobs(
    *, reason: str, action: str | None = None, project: models.Model | None = None, actor: Actor = SYSTEM
) -> Pause:
    """Pause the jobs of ``action`` in ``project``; None stands for all actions, or all projects.

    No claim that begins after the commit takes such a job. Jobs that a worker has claimed by
    then go on. Pausing the same again keeps ``created_at`` and takes the new reason and actor.

    Args:
        reason: a sentence for colleagues, 1 to 500 characters; ``jobhealth`` prints it, so no personal data.

    Raises:
        UnknownAction: no such action is registered; a misspelt one would pause nothing.
        InvalidField: the reason is blank, too long or has control characters.
    """
    check_text("reason", reason, max_characters=MAX_REASON_CHARACTERS)
    if action is not None:
        get_action(action)
    same = Pause.objects.filter(_exactly(action, project))
    columns = {"reason": reason, "created_by": str(actor)}
    if not same.update(**columns):
        try:
            with service_transaction():
                where = {"action": action, "project": cast("Any", project)}
                Pause.objects.create(**where, **columns, created_at=clock.read(jobs_connection()))
        except IntegrityError:  # another request has paused it meanwhile
            same.update(**columns)
    return same.select_related("project").get()


def resume_jobs(*, action: str | None = None, project: models.Model | None = None) -> bool:
    """Lift the pause of exactly this action and project, and wake the workers; False: there was none.

    Wider and narrower pauses stay in force.
    """
    return _lift(Pause.objects.filter(_exactly(action, project))) > 0


def resume_all_jobs() -> int:
    """Lift every pause, and wake the workers; return how many there were."""
    return _lift(Pause.objects.all())


def list_pauses() -> Sequence[Pause]:
    """Return the pauses in force with their projects, the oldest first."""
    return list(Pause.objects.select_related("project").order_by("pk"))


def name_of_scope(action: str | None, project_key: str | None) -> str:
    """Return what a pause covers, in words: ``all jobs``, ``jobs of project …``, ``jobs of action … in project …``."""
    if action is None:
        return "all jobs" if project_key is None else f"jobs of project {project_key}"
    return f"jobs of action {action}" + ("" if project_key is None else f" in project {project_key}")


def scope_of(pause: Pause) -> str:
    """Return what ``pause`` covers, in words."""
    project = cast("Any", pause.project)
    return name_of_scope(pause.action, None if project is None else project.key)


def _exactly(action: str | None, project: models.Model | None) -> Q:
    return Q(action=action, project=None if project is None else project.pk)


def _lift(pauses: models.QuerySet[Pause]) -> int:
    with service_transaction():
        lifted, _ = pauses.delete()
        if lifted:
            notify_due()
    return lifted
