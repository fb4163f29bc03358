"""Authentication by the API key of an organization, and ``Caller``, which stands in ``request.auth``."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from ..actors import Actor
from ..http import request_id_of
from ..models import ApiKey, Organization
from ..services.tenants.api_keys import find_access
from ..services.tenants.projects import organization_id_of
from .throttling import count_failed_key

CHALLENGE: Final = "Bearer"

# The scheme is case-insensitive and one or more blanks follow it (RFC 9110 §11.1, §11.4).
_BEARER: Final = re.compile(r"bearer +([!-~]+) *", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """``request.auth``: the caller's organization, what it may do, and the actor of its events.

    A host's own class, named by ``JOBS["AUTHENTICATION"]``, returns the first three.
    """

    organization: Organization
    # Some of ``jobs.models.SCOPES``.
    scopes: Collection[str]
    # Of the kind "user": its name should be a primary key, not a user name, which may be an e-mail address.
    actor: Actor
    key: ApiKey | None = None
    # The project under the project key in the path, if there is one in the organization and the key is not bound to
    # another one; only with ``key``.
    project: Model | None = None

    @property
    def identity(self) -> str:
        """What tells this caller from all others, now and later: limits and idempotency keys are by it.

        A key and the one that replaces it are the same caller: a request that is repeated after the
        rotation must not create its job again.
        """
        if self.key is not None:
            return str(self.key.first_key_id or self.key.pk)
        # A digest: in the texts that this becomes part of, a name could otherwise imitate another one.
        return hashlib.sha256(f"{self.organization.pk}:{self.actor}".encode()).hexdigest()

    def may_open(self, project: Model) -> bool:
        """Whether ``project`` belongs to the organization, and is the one that the key is bound to, if any."""
        bound = None if self.key is None else self.key.project_id
        return organization_id_of(project) == self.organization.pk and bound in (None, project.pk)


class OrganizationKey(BaseAuthentication):
    """``Authorization: Bearer jsk_…``; finds key, organization and project in one query."""

    def authenticate(self, request: Request) -> tuple[Any, Caller]:
        """Return the caller.

        Raises:
            AuthenticationFailed: no key, a malformed, unknown, expired or revoked one, or one of a disabled
                organization; the answer is the same.
            Throttled: too many of these came from this address.
        """
        sent = _BEARER.fullmatch(request.META.get("HTTP_AUTHORIZATION", ""))
        project_key = request.parser_context["kwargs"].get("project_key", "")
        access = find_access(sent[1], project_key=project_key) if sent else None
        if access is None:
            # Counted only after the failure, so that others behind the same address cannot lock out a valid key.
            failures = count_failed_key(request.META)
            if failures is not None and failures.is_exceeded:
                raise Throttled(failures.seconds_left)
            raise AuthenticationFailed
        actor = Actor(kind="key", name=access.key.prefix, request_id=request_id_of(request._request))
        key = access.key
        return AnonymousUser(), Caller(
            organization=key.organization, scopes=key.scopes, actor=actor, key=key, project=access.project
        )

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE
