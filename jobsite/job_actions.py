"""The actions of the site."""

from jobs import JobContext, action
from jobsite.models import Session, SessionEvent


@action(
    "delete_user_data",
    description="Delete user sessions of userId = {reference_id}",
    public=True,
    unique=True,
    start="next_midnight",
)
def delete_user_data(job: JobContext) -> None:
    """Erase every session of the user ``job.reference_id`` in ``job.project``, events first."""
    sessions = Session.objects.filter(project=job.project, user_id=job.reference_id)
    job.erase("events", SessionEvent.objects.filter(session__in=sessions))
    job.erase("sessions", sessions)
