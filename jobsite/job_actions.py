"""The actions of the site."""

from jobs.erasure import erase, keep, subject
from jobsite.models import Session, SessionEvent

user = subject(
    "user",
    erase(Session, by="user_id", store="sessions"),
    erase(SessionEvent, store="events"),
    keep("auth.User", because="Accounts of the site's staff, who are no users of its customers' products"),
)

delete_user_data = user.erase_action(
    "delete_user_data",
    description="Delete user sessions of userId = {reference_id}",
    public=True,
    unique=True,
    start="next_midnight",
)
