"""Generates the recorded sessions of the demo: many, and always the same ones for each user."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, product
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import CharField, QuerySet, TextField, Value
from django.db.models.functions import Cast

from jobs.status import Status
from jobsite.models import Session, SessionEvent

# The users whom the demo erases; with enough rows to see an erase run, and to cancel it half-way.
MAIN_USERS: Final = ("shekar@example.com", "mehdi@example.com")
# The users of the demo's own jobs, by the status of the job.
STAGED_USERS: Final = {
    Status.SCHEDULED: "ines.moreau@example.com",
    Status.RUNNING: "tomas.novak@example.com",
    Status.COMPLETED: "amara.okafor@example.com",
    Status.FAILED: "lukas.weber@example.com",
    Status.CANCELLED: "yuki.tanaka@example.com",
}
FIRST_NAMES: Final = """
    ada ali ana anil ben chloe dana diego elif emma eva farid finn gita hana hugo ida ilya jonas juan
    kaja karim lea leo lina luca maya mei mila nils noor omar oskar pia ravi rosa sami sofia tara zoe
""".split()
LAST_NAMES: Final = """
    adler bakker castro diaz eriksen fischer garcia haas ito jensen khan lange mori nagy okoye park quist
    rossi santos silva sorensen tran ueda varga wang yilmaz zhang zimmer moreau novak
""".split()
OTHER_USERS: Final = [f"{first}.{last}@example.com" for last, first in product(LAST_NAMES, FIRST_NAMES)]

MAIN_SHARE: Final = 10  # one session in ten is of the first main user, another of the second
STAGED_SHARE: Final = 100
COUNTRIES: Final = ("DE", "FR", "IN", "IR", "BR", "JP", "US", "NG", "ES", "SE")
PAGES: Final = ("/", "/pricing", "/checkout", "/search", "/account", "/help/returns")
BUTTONS: Final = {"/pricing": "Compare plans", "/checkout": "Pay", "/account": "Sign in"}
LATEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
AT_ONCE: Final = 5_000


def plan(total: int) -> dict[str, int]:
    """Return the number of sessions of each user: ``total``, and beside it those of ``STAGED_USERS``, erased at once.

    ``MAIN_USERS`` and ``STAGED_USERS`` have at least one; if ``total`` is small, other users have none.
    """
    main = dict.fromkeys(MAIN_USERS, max(1, total // MAIN_SHARE))
    staged = dict.fromkeys(STAGED_USERS.values(), max(1, total // STAGED_SHARE))
    each, more = divmod(max(0, total - sum(main.values())), len(OTHER_USERS))
    others = {user: each + (place < more) for place, user in enumerate(OTHER_USERS)}
    return main | staged | {user: count for user, count in others.items() if count}


def seed(project: Any, *, total: int) -> bool:
    """Insert the sessions of an empty project; False: it has some and was left alone."""
    with transaction.atomic():
        sessions = Session.objects.filter(project=project)
        if sessions.exists():
            return False
        _insert_sessions(project, plan(total))
        _insert_events(sessions)
    _analyze()
    return True


def restore(project: Any, user: str, *, total: int) -> bool:
    """Restore the sessions of a main or staged user after an erase; False: nothing was missing."""
    count = plan(total)[user]
    sessions = Session.objects.filter(project=project, user_id=user)
    events = SessionEvent.objects.filter(session__in=sessions)
    with transaction.atomic():
        if sessions.count() == count and events.count() == count + sessions.filter(page__in=BUTTONS).count():
            return False
        events.delete()
        sessions.delete()
        _insert_sessions(project, {user: count})
        _insert_events(sessions)
    return True


def _analyze() -> None:
    """Update the planner's statistics: until the database does it, it plans an erase for two empty tables."""
    with connection.cursor() as cursor:
        for model in (Session, SessionEvent):
            cursor.execute(f"ANALYZE {model._meta.db_table}")


def _insert_sessions(project: Any, counts: dict[str, int]) -> None:
    rows = (session for user, count in counts.items() for session in _sessions_of(user, count, project.pk))
    while Session.objects.bulk_create(islice(rows, AT_ONCE)):
        pass


def _sessions_of(user: str, count: int, project_id: Any) -> Iterator[Session]:
    chance = random.Random(user)  # noqa: S311 – repeatable by intent
    country = chance.choice(COUNTRIES)
    for _ in range(count):
        yield Session(
            project_id=project_id,
            user_id=user,
            started_at=LATEST - timedelta(seconds=int(chance.random() * 31_536_000)),
            duration=timedelta(seconds=5 + int(chance.random() * 1_795)),
            country=country,
            page=PAGES[int(chance.random() * len(PAGES))],
        )


def _insert_events(sessions: QuerySet[Session]) -> None:
    """Insert a page event of each session and, if the page has a button, a click; SQL is three times as fast."""
    for page in PAGES:
        _insert_one_each(sessions.filter(page=page), SessionEvent.Kind.PAGE, {"path": page})
    for page, button in BUTTONS.items():
        _insert_one_each(sessions.filter(page=page), SessionEvent.Kind.CLICK, {"button": button})


def _insert_one_each(sessions: QuerySet[Session], kind: str, payload: dict[str, str]) -> None:
    values = {
        "kind": Value(kind, output_field=CharField()),
        "payload": Cast(Value(json.dumps(payload), output_field=TextField()), SessionEvent._meta.get_field("payload")),
    }
    rows = sessions.order_by("pk").values_list("pk", "started_at", *values.values())
    sql, params = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {SessionEvent._meta.db_table} (session_id, at, kind, payload) {sql}", params)
