"""Creates, checks, rotates and revokes API keys."""

import hashlib
import secrets
import string
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, Final, cast

from django.core.exceptions import ValidationError
from django.db import DatabaseError, models
from django.db.models import Case, F, OuterRef, Q, Subquery, When
from django.db.models.functions import Now

from ...db import clock
from ...db.connection import jobs_connection, service_transaction
from ...db.errors import ErrorKind, kind_of
from ...db.statements import Parameter, Statement
from ...exceptions import ApiKeyNotFound, InvalidField
from ...models import SCOPES, ApiKey, Organization
from ..validation import check_characters
from .projects import get_project_model, organization_id_of

START: Final = "jsk_"
BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH: Final = 32
CHECKSUM_LENGTH: Final = 6
SECRET_LENGTH: Final = len(START) + RANDOM_LENGTH + CHECKSUM_LENGTH
PREFIX_LENGTH: Final = 12
MIN_LIFETIME: Final = timedelta(seconds=1)
MAX_LIFETIME: Final = timedelta(days=36_500)
MAX_OVERLAP: Final = timedelta(days=365)
USE_RECORDED_EVERY: Final = timedelta(minutes=1)
# By the database's clock, as when a request is checked.
IS_EXPIRED: Final = Q(expires_at__isnull=False, expires_at__lte=Now())


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A new key; ``secret`` is not stored anywhere."""

    key: ApiKey
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Access:
    """What a valid key gives access to; ``project`` is None if the key's organization has no project of this key."""

    key: ApiKey
    project: models.Model | None


def check_api_key(
    *,
    organization: Organization,
    project: models.Model | None = None,
    scopes: Collection[str] = SCOPES,
    lifetime: timedelta | None = None,
) -> None:
    """Refuse arguments of :func:`create_api_key`, so that a form can check them first.

    Raises:
        InvalidField: unknown or no scope, a lifetime not above 0, or a project of another organization.
    """
    if not scopes or (unknown := sorted(set(scopes) - set(SCOPES))):
        raise InvalidField("scopes", f"must be some of {', '.join(SCOPES)}" + (f", not {unknown[0]}" if scopes else ""))
    if lifetime is not None and not timedelta(0) < lifetime <= MAX_LIFETIME:
        raise InvalidField("lifetime", "must be above 0 and at most 36,500 days")
    if project is not None and organization_id_of(project) != organization.pk:
        raise InvalidField("project", "is not of this organization")


def create_api_key(
    *,
    organization: Organization,
    project: models.Model | None = None,
    name: str = "",
    scopes: Collection[str] = SCOPES,
    lifetime: timedelta | None = None,
    created_by: Any = None,
) -> NewKey:
    """Create a key of ``organization``; with ``project`` it opens that project only.

    Raises:
        InvalidField: what :func:`check_api_key` refuses.
    """
    check_api_key(organization=organization, project=project, scopes=scopes, lifetime=lifetime)
    secret = make_secret()
    key = ApiKey.objects.create(
        organization=organization,
        project=cast("Any", project),  # of the host's model
        name=name,
        prefix=secret[:PREFIX_LENGTH],
        digest=hash_secret(secret),
        scopes=[scope for scope in SCOPES if scope in scopes],
        expires_at=None if lifetime is None else clock.read(jobs_connection()) + lifetime,
        created_by=created_by,
    )
    return NewKey(key=key, secret=secret)


def rotate_api_key(prefix: str, *, overlap: timedelta, created_by: Any = None) -> NewKey:
    """Replace a key by a new one with the same access; the old one expires after ``overlap``, if not before.

    The new key has the lifetime that the old one had. A key is replaced once: a second
    rotation, also a concurrent one, is refused.

    Raises:
        ApiKeyNotFound: no key has this prefix.
        InvalidField: the key is revoked, expired or was replaced before; or the overlap is
            below 0 or above a year.
    """
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise InvalidField("overlap", f"must be 0 to {MAX_OVERLAP.days * 24:,} hours")
    old = ApiKey.objects.filter(prefix=prefix).select_related("organization").first()
    if old is None:
        raise ApiKeyNotFound(prefix)
    end = clock.Clock(overlap)
    until = Case(When(expires_at__lt=end, then=F("expires_at")), default=end)
    with service_transaction():
        # The UPDATE comes first: it locks the row, so that no replacement is created after the query for one.
        if not ApiKey.objects.filter(_is_valid(), pk=old.pk).update(expires_at=until):
            raise InvalidField("prefix", "is of a key that is revoked or expired; make a new one with createapikey")
        replacement = find_replacement(old)
        if replacement is not None:
            raise InvalidField("prefix", f"is of a key that {replacement.prefix} replaces already")
        return _replace(old, created_by)


def _replace(old: ApiKey, created_by: Any) -> NewKey:
    made = create_api_key(
        organization=old.organization,
        project=old.project,
        name=old.name,
        scopes=old.scopes,
        # Within the limits: `created_at` is the host's time, and may differ from the database's.
        lifetime=None
        if old.expires_at is None
        else min(max(old.expires_at - old.created_at, MIN_LIFETIME), MAX_LIFETIME),
        created_by=created_by,
    )
    made.key.replaces = old
    made.key.first_key_id = old.first_key_id or old.pk
    made.key.save(update_fields=["replaces", "first_key_id"])
    return made


def find_replacement(key: ApiKey) -> ApiKey | None:
    """Return the key that replaces ``key``, or None."""
    return ApiKey.objects.filter(replaces=key.pk).first()


def revoke_api_key(prefix: str) -> ApiKey:
    """Revoke a key: its next request is refused. Revoking it again changes nothing.

    Raises:
        ApiKeyNotFound: no key has this prefix.
    """
    ApiKey.objects.filter(prefix=prefix, revoked_at=None).update(revoked_at=clock.NOW)
    key = ApiKey.objects.filter(prefix=prefix).select_related("organization").first()
    if key is None:
        raise ApiKeyNotFound(prefix)
    return key


def list_api_keys(*, organization: Organization | None = None) -> models.QuerySet[ApiKey]:
    """Return all keys, or those of one organization, newest first, also those that are not valid any more.

    Each has ``is_expired`` beside its columns.
    """
    keys = ApiKey.objects.select_related("organization", "project").annotate(is_expired=IS_EXPIRED).order_by("-pk")
    return keys if organization is None else keys.filter(organization=organization)


def find_access(secret: str, *, project_key: str) -> Access | None:
    """Return what ``secret`` gives access to, in one query; None if it is no valid key, for any reason.

    A secret that is not well formed is refused without a query. Columns of the project that a request
    does not need are deferred.
    """
    try:
        digest = hash_secret(secret)
    except ValueError:
        return None
    model = get_project_model()
    key = _possible_key(project_key, model)
    found = _access_statement(model).first_of_request(digest=digest, key=key)
    if found is None:
        return None
    if found.use_is_old:
        _record_use(found)
    columns = _project_columns(model)
    values = [getattr(found, f"found_{column}") for column in columns]
    missing = values[0] is None or found.project_id not in (None, getattr(found, f"found_{model._meta.pk.attname}"))
    return Access(key=found, project=None if missing else model.from_db(found._state.db, columns, values))


def _access() -> models.QuerySet[Any]:
    """Return the key with this digest, its organization, and the columns of its project with this key."""
    model = get_project_model()
    projects = model._default_manager.filter(organization=OuterRef("organization"), key=Parameter(model, "key"))
    return (
        ApiKey.objects.using(jobs_connection().alias)  # a replica may not know yet that a key is revoked
        .filter(_is_valid(), digest=Parameter(ApiKey, "digest"), organization__disabled_at=None)
        .select_related("organization")
        .order_by()
        .annotate(
            use_is_old=Q(last_used_at=None) | Q(last_used_at__lt=Now() - USE_RECORDED_EVERY),
            **{f"found_{column}": Subquery(projects.values(column)) for column in _project_columns(model)},
        )
    )


ACCESS: Final = Statement(_access)


def _access_statement(model: type[models.Model]) -> Statement[Any]:
    """Return ``ACCESS``, or one to be compiled anew: a host's manager or queryset may filter by the request."""
    return ACCESS if type(model._default_manager) is models.Manager else Statement(_access)


def _is_valid() -> Q:
    return Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=Now()))


def _possible_key(project_key: str, model: type[models.Model]) -> str | None:
    """Return the key; None, which no project has, if the text cannot be one."""
    try:
        check_characters("project_key", project_key)
        cast("models.Field[Any, Any]", model._meta.get_field("key")).get_prep_value(project_key)
    except (InvalidField, ValidationError):
        return None
    return project_key


@cache
def _project_columns(model: type[models.Model]) -> list[str]:
    """Return the columns of a project that a request needs, in the model's order, as ``from_db`` takes them."""
    wanted = {model._meta.pk.attname, "organization_id", "key", "public_id"}
    return [field.attname for field in model._meta.concrete_fields if field.attname in wanted]


def _record_use(key: ApiKey) -> None:
    """Record that ``key`` was used; skipped if the database is busy or read-only."""
    try:
        with service_transaction(wait_seconds=0.001):
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=clock.NOW)
    except DatabaseError as error:
        if kind_of(error) is ErrorKind.OTHER:
            raise


def make_secret() -> str:
    """Return a new key: ``jsk_``, 32 random base62 characters (190 bits), 6 of checksum."""
    body = "".join(secrets.choice(BASE62) for _ in range(RANDOM_LENGTH))
    return f"{START}{body}{checksum(body)}"


def checksum(body: str) -> str:
    """Return the CRC-32 of ``body`` as 6 base62 digits, so that a typo is found without a query.

    Source: GitHub, "Behind GitHub's new authentication token formats".
    """
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(BASE62))
        digits = BASE62[digit] + digits
    return digits


def is_well_formed(secret: str) -> bool:
    """Whether ``secret`` has the length, alphabet and checksum of a key."""
    body, check = secret[len(START) : -CHECKSUM_LENGTH], secret[-CHECKSUM_LENGTH:]
    return (
        len(secret) == SECRET_LENGTH
        and secret.startswith(START)
        and set(body) <= set(BASE62)
        and secrets.compare_digest(check.encode(errors="surrogatepass"), checksum(body).encode())
    )


def hash_secret(secret: str) -> str:
    """Return the stored form of an API key: 64 lower-case hex digits.

    ``secret`` is the whole key, of which 190 bits are random, so one plain SHA-256 is
    enough; a slow password hash would slow down every request.

    Raises:
        ValueError: ``secret`` is not well formed.

    Source: NIST SP 800-63B §5.1.2.2 (storage of random secrets).
    """
    if not is_well_formed(secret):
        raise ValueError("not an API key")
    return hashlib.sha256(secret.encode()).hexdigest()
