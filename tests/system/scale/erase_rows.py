"""Fills three tables with what a host knows of its users, most of it of one user, and counts by SQL what is left."""

from typing import Any, Final

import psycopg

USER: Final = "big@example.com"
# Every fifth session and upload is another user's. Of each session the events lie far apart.
FILL: Final = """
    INSERT INTO scale_session (user_id, started_at, page)
    SELECT CASE WHEN n %% 5 = 0 THEN 'other-' || n ELSE %(user)s END, now() - n * interval '1 second',
           '/p/' || n %% 1000
    FROM generate_series(1, %(sessions)s * 5 / 4) AS n;
    INSERT INTO scale_event (session_id, at, name)
    SELECT session.id, session.started_at, 'event ' || n
    FROM generate_series(1, %(events_each)s) AS n CROSS JOIN scale_session AS session ORDER BY n, session.id;
    INSERT INTO scale_upload (user_id, at, name)
    SELECT CASE WHEN n %% 5 = 0 THEN 'other-' || n ELSE %(user)s END, now(), 'upload ' || n
    FROM generate_series(1, %(uploads)s * 5 / 4) AS n
"""
COUNT: Final = """
    SELECT (SELECT count(*) FROM scale_session WHERE user_id = %(user)s)
         + (SELECT count(*) FROM scale_event JOIN scale_session AS session ON session.id = session_id
            WHERE session.user_id = %(user)s)
         + (SELECT count(*) FROM scale_upload WHERE user_id = %(user)s)
"""
# Also an event whose session is gone is one too many.
ALL: Final = """
    SELECT (SELECT count(*) FROM scale_session) + (SELECT count(*) FROM scale_event)
         + (SELECT count(*) FROM scale_upload)
"""
EVENTS_EACH: Final = 3


def fill(connection: "psycopg.Connection[Any]", rows: int) -> None:
    """Insert ``rows`` rows of one user, a fifth each sessions and uploads, else events; and a quarter as many more."""
    sessions = rows // (EVENTS_EACH + 2)
    named = {"user": USER, "sessions": sessions, "events_each": EVENTS_EACH, "uploads": sessions}
    for statement in FILL.split(";"):
        connection.execute(statement, named)  # with parameters, one at a time
    connection.execute("VACUUM ANALYZE scale_session, scale_event, scale_upload")


def count_of_user(connection: "psycopg.Connection[Any]") -> int:
    return _number(connection, COUNT)


def count_of_all(connection: "psycopg.Connection[Any]") -> int:
    return _number(connection, ALL)


def _number(connection: "psycopg.Connection[Any]", sql: str) -> int:
    row = connection.execute(sql, {"user": USER}).fetchone()
    assert row is not None, "a count has a row"
    return int(row[0])
