"""The login of the admin: failed attempts are counted by address and by name, and logged without what was typed."""

import hashlib
import logging
import time
from typing import Any, Final

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.exceptions import ValidationError

from jobs.api.throttling import client_address

logger = logging.getLogger(__name__)

WINDOW_SECONDS: Final = 15 * 60
# A name may be tried from many addresses, and people behind one address mistype together.
MOST_FAILURES: Final = {"name": 10, "address": 30}


class CountedLogin(AdminAuthenticationForm):
    """Refuses further attempts for a while, right ones too, after too many wrong ones for a name or from an address.

    Counted in Django's cache: without ``CACHE_URL`` each process counts for itself.
    """

    def clean(self) -> dict[str, Any]:
        """Check the limits, then the password; count and log a failure."""
        name = self.cleaned_data.get("username", "")
        address = client_address(self.request.META) if self.request is not None else ""
        keys = {"name": _key("name", name.casefold()), "address": _key("address", address)}
        if any(cache.get(key, 0) >= MOST_FAILURES[what] for what, key in keys.items()):
            logger.warning("A login was refused after too many failures: user=%s address=%s", _user_id(name), address)
            raise ValidationError("Too many failed logins. Try again in a quarter of an hour.", code="throttled")
        try:
            return super().clean()
        except ValidationError:
            logger.warning("A login failed: user=%s address=%s", _user_id(name), address)
            for key in keys.values():
                cache.add(key, 0, 2 * WINDOW_SECONDS)
                cache.incr(key)
            raise


def _key(what: str, value: str) -> str:
    """Return the key of a count in the present window; a digest, as names may be e-mail addresses."""
    window = int(time.time()) // WINDOW_SECONDS
    return f"jobsite:login:{what}:{window}:{hashlib.sha256(value.encode()).hexdigest()}"


def _user_id(name: str) -> Any:
    """Return the id of the user of this name; a name that is none may be a password, typed into the wrong field."""
    users = get_user_model()
    return users._default_manager.filter(**{users.USERNAME_FIELD: name}).values_list("pk", flat=True).first() or "none"
