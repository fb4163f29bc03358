"""Masking of references, which say whom a job is about; only users with a permission see them."""

import re
from typing import Any, Final

from ...models import Job

HIDDEN: Final = "•••••"


def may_see_references(user: Any) -> bool:
    """Whether ``user`` may see whom jobs are about (``jobs.view_reference``)."""
    may_see: bool = user.has_perm(f"{Job._meta.app_label}.view_reference")
    return may_see


def masked(reference: str) -> str:
    """Return the first character and five bullets, whatever the length; "" for a redacted reference."""
    return f"{reference[0]}{HIDDEN}" if reference else ""


def without_reference(text: str, reference: str) -> str:
    """Return ``text`` with every occurrence of ``reference`` masked, in upper and lower case."""
    if not reference:
        return text
    return re.sub(re.escape(reference), lambda _: masked(reference), text, flags=re.IGNORECASE)
