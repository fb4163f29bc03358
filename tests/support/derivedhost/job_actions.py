"""The actions of this host: those of the tests, and the one that ``DELETE …/users/{userId}`` schedules."""

from jobs import JobContext, action
from tests.support.hostapp import plain_actions as plain_actions


@action(
    "delete_user_data",
    description="Delete user sessions of userId = {reference_id}",
    public=True,
    unique=True,
    start="next_midnight",
)
def delete_user_data(job: JobContext) -> None:
    """Do nothing: this host keeps nothing about users."""
