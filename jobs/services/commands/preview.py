"""Ask what an erase would do: as strict as the request for the job itself."""

from django.db import models

from ...actions import find_action
from ...erasure.subjects import EraseHandler
from ...exceptions import InvalidField
from ..reports.erase_preview import ErasePreview, preview_erase
from ..validation import raise_first
from .schedule import NewJob, check_members


def request_preview(new_job: NewJob, *, project: models.Model) -> ErasePreview:
    """Return what this job would do if it ran now; changes nothing.

    Raises:
        UnknownAction, InvalidField: as in ``schedule_job``; or its action erases by no map, or it has expectations.
        TooSlow, ActionMisused: as in ``preview_erase``.
    """
    problems: list[InvalidField] = []
    check_members(vars(new_job), problems)
    action = find_action(new_job.action)
    if action is not None and not isinstance(action.handler, EraseHandler):
        problems.append(InvalidField("action", f"{action.name} has no preview, as it erases by no map"))
    if new_job.expect is not None:
        problems.append(InvalidField("expect", "is for the job itself; leave it out in a preview"))
    raise_first(problems)
    return preview_erase(new_job.action, project=project, reference_id=new_job.reference_id)
