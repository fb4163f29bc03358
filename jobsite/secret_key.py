"""Without ``SECRET_KEY`` commands and tests run with a random key, but nothing is served."""

from typing import Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

# Django's prefix of keys that must not be deployed: `check --deploy` reports it (security.W009).
INSECURE: Final = "django-insecure-"


def make_insecure_key() -> str:
    """Return a random key for this process, so that commands, checks and tests need no environment."""
    return INSECURE + get_random_secret_key()


def check_may_serve() -> None:
    """Refuse to serve with a key of this process alone: sessions would break with each restart and between processes.

    Raises:
        ImproperlyConfigured: ``SECRET_KEY`` is not set, and ``DEBUG`` is off.
    """
    if settings.SECRET_KEY.startswith(INSECURE) and not settings.DEBUG:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Give every process the same one of at least 50 random characters, made by: "
            "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
