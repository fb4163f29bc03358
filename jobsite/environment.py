"""Read environment variables; an empty one counts as unset."""

import os
from typing import Final

from django.core.exceptions import ImproperlyConfigured

YES: Final = frozenset({"1", "true", "yes", "on"})
NO: Final = frozenset({"0", "false", "no", "off"})


def text(name: str, default: str = "") -> str:
    """Return the variable without surrounding blanks."""
    return os.environ.get(name, "").strip() or default


def words(name: str) -> list[str]:
    """Return the parts of a comma list."""
    return [word for part in text(name).split(",") if (word := part.strip())]


def flag(name: str, *, default: bool = False) -> bool:
    """Return whether a switch is on.

    Raises:
        ImproperlyConfigured: it is neither 1, true, yes, on nor 0, false, no, off.
    """
    value = text(name).lower()
    if value and value not in YES | NO:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}")
    return value in YES if value else default


def number(name: str, default: int) -> int:
    """Return a whole number from 0.

    Raises:
        ImproperlyConfigured: it is something else.
    """
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit()):
        raise ImproperlyConfigured(f"{name} must be a whole number from 0, not {value!r}")
    return int(value)
