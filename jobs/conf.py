"""The setting ``JOBS`` as a frozen dataclass; the only module that reads ``django.conf.settings``."""

from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cache
from typing import Any, Final

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

DEFAULT_PROJECT_MODEL: Final = "jobs.Project"
MOST_RETENTION_DAYS: Final = 36_500
FULL_BATCH: Final = 1000
"""The most jobs that one request may create."""
LIMITS: Final = {
    **dict.fromkeys(("requests_per_minute", "failed_keys_per_minute", "most_waiting"), 1),
    "new_jobs_per_minute": FULL_BATCH,
}
"""The least value of each limit that may also be None."""
SECONDS: Final = ("beat_seconds", "lease_seconds", "sweep_seconds", "cancel_wait_seconds", "reserve_seconds")


@dataclass(frozen=True, kw_only=True)
class JobsSettings:
    """The ``JOBS`` dict of the host; each key is the upper-case name of a field here."""

    beat_seconds: float = 10
    """The time between two heartbeats of a worker, which also renew the leases of its jobs."""
    lease_seconds: float = 45
    """How long a lease lasts that is not renewed; at least three heartbeats."""
    sweep_seconds: float = 15
    """The time between two rounds of maintenance, which rescue jobs whose lease has expired."""
    poll_seconds: float | None = None
    """The time after which an idle worker searches for due jobs again. None: 5 s where the
    database has NOTIFY (PostgreSQL), 0.1 s elsewhere."""
    cancel_wait_seconds: float = 5
    """How long a cancel waits for a running chunk before it answers ``busy``."""
    user_erase_action: str = "delete_user_data"
    """The action that ``DELETE …/users/{userId}`` schedules; if it is not registered, there is no such route."""
    retention_days: float | None = None
    """How long ``prunejobs`` keeps ended jobs as they are. None: for ever."""
    task_backend: str | None = None
    """The alias in ``TASKS`` of the engine to which ``jobdispatcher`` dispatches jobs. None: no dispatcher."""
    reserve_seconds: float = 60
    """How long a dispatched job is left to the engine before it is dispatched again; longer each time, as the job may
    only wait in a long queue."""
    staff_project: str | None = None
    """The key of the project that staff's bulk changes belong to. None: a project called Staff is created on first use
    or, if the host has a project model of its own, there are no bulk changes by filter."""

    requests_per_minute: int | None = 600
    """How many requests one API key may send within a minute before it gets 429; cancels are counted apart, answers 304
    not at all. None: any."""
    new_jobs_per_minute: int | None = 10_000
    """How many jobs one API key may ask for within a minute before it gets 429; at least a full batch. None: any."""
    most_waiting: int | None = 1_000_000
    """How many jobs of one organization may wait before requests for more get 429. None: any."""
    failed_keys_per_minute: int | None = 60
    """How many requests without a valid key one address may send within a minute before it gets 429. None: any."""
    cache: str = "default"
    """The alias in ``CACHES`` of the cache for both counts; all processes must share it."""
    trusted_proxies: int = 0
    """How many of the host's own proxies add to ``X-Forwarded-For``. 0: the header is ignored."""

    admin_register: bool = True
    """Whether the pages are registered in Django's admin site. False: the host registers classes of its own."""

    authentication: str = "jobs.api.authentication.OrganizationKey"
    """The class that authenticates callers; see ``jobs.api.base`` for this and the next three."""
    permission: str = "jobs.api.permissions.HasScope"
    """The class that checks what a caller may do."""
    throttle: str | None = None
    """The class that limits the requests of callers. None: ``REQUESTS_PER_MINUTE`` does."""
    find_project: str | None = None
    """The function that finds the project by the key in a path. None: by the column ``key``."""

    def __post_init__(self) -> None:
        for name in SECONDS:
            self._require(name, _is_number(getattr(self, name), most=86_400), "a number of seconds above 0")
        polls = self.poll_seconds is None or _is_number(self.poll_seconds, most=86_400)
        self._require("poll_seconds", polls, "None or a number of seconds above 0")
        if self.lease_seconds < 3 * self.beat_seconds:
            raise ImproperlyConfigured("JOBS['LEASE_SECONDS'] must be at least three times JOBS['BEAT_SECONDS']")
        days, most = self.retention_days, MOST_RETENTION_DAYS
        is_retention = days is None or _is_number(days, most=most)
        self._require("retention_days", is_retention, f"None or a number of days above 0, at most {most:,}")
        for name, least in LIMITS.items():
            value = getattr(self, name)
            self._require(name, value is None or _is_whole(value, least=least), f"None or a whole number from {least}")
        self._require("trusted_proxies", _is_whole(self.trusted_proxies, least=0), "a whole number from 0")
        self._require("admin_register", isinstance(self.admin_register, bool), "True or False")
        self._check_names()

    def _check_names(self) -> None:
        is_alias = isinstance(self.task_backend, str | None)
        self._require("task_backend", is_alias, "None or the alias of a backend in TASKS")
        self._require("cache", isinstance(self.cache, str), "the alias of a cache in CACHES")
        self._require("user_erase_action", isinstance(self.user_erase_action, str), "the name of an action")
        self._require("staff_project", isinstance(self.staff_project, str | None), "None or the key of a project")
        for name in ("authentication", "permission", "throttle", "find_project"):
            value = getattr(self, name)
            is_path = isinstance(value, str) and "." in value
            is_unset = value is None and name in ("throttle", "find_project")
            self._require(name, is_path or is_unset, "the dotted path of a class or function")

    def _require(self, name: str, is_valid: bool, what: str) -> None:
        if not is_valid:
            raise ImproperlyConfigured(f"JOBS[{name.upper()!r}] must be {what}, not {getattr(self, name)!r}")

    @property
    def beat(self) -> timedelta:
        return timedelta(seconds=self.beat_seconds)

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_seconds)

    @property
    def reserve(self) -> timedelta:
        return timedelta(seconds=self.reserve_seconds)

    @property
    def retention(self) -> timedelta | None:
        return None if self.retention_days is None else timedelta(days=self.retention_days)


def _is_number(value: object, *, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= most


def _is_whole(value: object, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


@cache
def current() -> JobsSettings:
    """Return the settings; they are read on first use, and again after a test has overridden them.

    Raises:
        ImproperlyConfigured: ``JOBS`` has an unknown key or a wrong value.
    """
    mine = given()
    known = {field.name.upper(): field.name for field in fields(JobsSettings)}
    if unknown := sorted(map(str, mine.keys() - known.keys())):
        raise ImproperlyConfigured(f"JOBS has no setting {', '.join(unknown)}; it knows {', '.join(known)}")
    return JobsSettings(**{known[key]: value for key, value in mine.items()})


def given() -> dict[str, Any]:
    """Return the host's ``JOBS`` as it is."""
    return dict(getattr(django_settings, "JOBS", {}))


def web() -> tuple[str, list[str]]:
    """Return the host's root URLconf, empty if there is none, and its middleware, outermost first."""
    return str(getattr(django_settings, "ROOT_URLCONF", "") or ""), list(django_settings.MIDDLEWARE)


def project_model_label() -> str:
    """Return ``app_label.Model`` of the project model; a host cannot change it after the first migration."""
    if not hasattr(django_settings, "JOBS_PROJECT_MODEL"):
        # makemigrations reads the setting without a default and would crash in hosts that do not have it.
        setattr(django_settings, "JOBS_PROJECT_MODEL", DEFAULT_PROJECT_MODEL)  # noqa: B010 – unknown to type checkers
    return str(getattr(django_settings, "JOBS_PROJECT_MODEL"))  # noqa: B009


def uses_time_zones() -> bool:
    """Return whether the host's datetimes are aware (``USE_TZ``)."""
    return bool(django_settings.USE_TZ)


def _forget(*, setting: str, **_: object) -> None:
    if setting == "JOBS":
        current.cache_clear()


setting_changed.connect(_forget, dispatch_uid="jobs.conf")
