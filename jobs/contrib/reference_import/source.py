"""Reads the tables of the reference service, and converts a row to a job.

``jobs``: ``job_id`` integer, ``description`` text, ``status`` one of our five words,
``project_id`` integer, ``action`` text or enum, ``reference_id`` text, ``created_at``,
``updated_at`` (or null), ``start_at`` – timestamps without zone, which are UTC, with
one, or integers: milliseconds since 1970 –, ``errors`` text or null. ``projects``:
``project_id``, ``project_key``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, cast

from django.db import connections, models

from ...actions import NAME, find_action
from ...exceptions import InvalidField
from ...models import BIGGEST_ID, Job
from ...services.commands.schedule import MAX_DESCRIPTION_CHARACTERS, MAX_REFERENCE_BYTES
from ...services.tenants.projects import get_project_model
from ...services.validation import check_json, check_text
from ...status import Status

COLUMNS: Final = (
    *("job_id", "description", "status", "project_id", "action", "reference_id"),
    *("created_at", "updated_at", "start_at", "errors"),
)
TABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the rows are, and how our project for a row is found.

    ``match`` by ``id``: their ``project_id`` is our ``projectId``; by ``key``: their
    ``project_key``, in ``projects_table``, is our ``key``. ``project_keys`` gives our ``key`` for
    single projects by their ``project_id``, and precedes both.
    """

    alias: str
    table: str = "jobs"
    projects_table: str = "projects"
    match: Literal["id", "key"] = "id"
    project_keys: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.alias not in connections:
            raise InvalidField("database", f"must be an alias in DATABASES, not {self.alias!r}")
        for name in (self.table, self.projects_table):
            if not TABLE.fullmatch(name):
                raise InvalidField("table", f"must be the name of a table, or schema.table, not {name!r}")

    def highest_id(self) -> int:
        """Return the highest id; 0: there are no rows."""
        ((highest,),) = self._select(f"SELECT max(job_id) FROM {self._quoted(self.table)}")  # noqa: S608 – checked
        return cast("int", highest or 0)

    def batches(self, size: int) -> Iterator[list[Row]]:
        """Yield all rows by ascending id, ``size`` at a time, each batch in its own query."""
        sql = f"SELECT {', '.join(COLUMNS)} FROM {self._quoted(self.table)} WHERE job_id > %s ORDER BY job_id LIMIT %s"  # noqa: S608 – checked
        last: Any = -(BIGGEST_ID + 1)
        while rows := [dict(zip(COLUMNS, row, strict=True)) for row in self._select(sql, last, size)]:
            yield rows
            last = rows[-1]["job_id"]

    def find_project(self, project_id: Any) -> models.Model | None:
        """Return our project for their ``project_id``, or None."""
        projects = get_project_model()._default_manager
        if project_id in self.project_keys:
            return projects.filter(key=self.project_keys[project_id]).first()
        if self.match == "key":
            sql = f"SELECT project_key FROM {self._quoted(self.projects_table)} WHERE project_id = %s"  # noqa: S608 – checked
            keys = [key for (key,) in self._select(sql, project_id)]
            return projects.filter(key__in=keys).first()
        pk = get_project_model()._meta.pk
        while isinstance(pk, models.ForeignKey):  # the primary key of a model that inherits from another one
            pk = pk.target_field
        name = "pk" if isinstance(pk, models.IntegerField) else "public_id"
        return projects.filter(**{name: project_id}).first() if isinstance(project_id, int) else None

    def _select(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(sql, params)
            return cast("list[tuple[Any, ...]]", cursor.fetchall())

    def _quoted(self, table: str) -> str:
        return ".".join(map(connections[self.alias].ops.quote_name, table.split(".")))


def job_of(row: Row, *, project: models.Model) -> Job:
    """Return the job for a row, with the same id and not yet inserted.

    Raises:
        InvalidField: the row cannot be represented; the text has no value that could be about people.
    """
    if not isinstance(row["job_id"], int) or not 0 < row["job_id"] <= BIGGEST_ID:
        raise InvalidField("job_id", "is no id that a job can have")
    status = _status_of(row)
    action = find_action(str(row["action"]))
    if not NAME.fullmatch(str(row["action"])):
        raise InvalidField("action", "is no name that an action can have")
    if action is None and not status.is_final:
        raise InvalidField("action", f"{row['action']} is not registered, so the job could not be run")
    check_text("reference_id", row["reference_id"], max_bytes=MAX_REFERENCE_BYTES)
    check_text("description", row["description"], max_characters=MAX_DESCRIPTION_CHARACTERS)
    check_json("errors", row["errors"])
    created_at, start_at = _instant(row, "created_at"), _instant(row, "start_at")
    ended_at = created_at if row["updated_at"] is None else _instant(row, "updated_at")
    return Job(
        pk=row["job_id"],
        project=cast("Any", project),  # of the host's model
        action=str(row["action"]),
        reference_id=row["reference_id"],
        description=row["description"],
        status=status.value,
        errors=None if row["errors"] is None else str(row["errors"]),
        unique_key=row["reference_id"] if action is not None and action.unique else None,
        created_at=created_at,
        # Until the first change, theirs is the time of creation, and ours is null.
        updated_at=ended_at if status.is_final else None,
        start_at=start_at,
        due_at=start_at,
        finished_at=ended_at if status.is_final else None,
    )


def _status_of(row: Row) -> Status:
    try:
        status = Status(row["status"])
    except ValueError:
        raise InvalidField("status", "is none of ours") from None
    if status is Status.RUNNING:
        raise InvalidField("status", "is running, there; let the job end, then import again")
    return status


def _instant(row: Row, name: str) -> datetime:
    """Return an aware datetime, to the millisecond, from a time in any kind of column."""
    value = row[name]
    try:
        if isinstance(value, str):  # SQLite stores times as text
            value = datetime.fromisoformat(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return EPOCH + timedelta(milliseconds=value)
        if isinstance(value, datetime):
            at = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            return at.replace(microsecond=at.microsecond // 1000 * 1000)
    except (ValueError, OverflowError):
        pass
    raise InvalidField(name, "is no time that can be stored")
