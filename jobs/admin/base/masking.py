"""Masking of references, which say whom a job is about; only users with a permission see them.

For all others a reference is masked in the texts of actions. What integrators wrote may name people otherwise, so
these texts are withheld as a whole. A bulk change of staff is about nobody.
"""

import re
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from ...actions import find_action
from ...actors import CALLERS
from ...models import Job
from ...services.commands import bulk_change

HIDDEN: Final = "•••••"
WITHHELD: Final = _("hidden: you may not see references")
# A shorter reference may be a part of ordinary words, and is masked only where it is a word.
LONG_CHARACTERS: Final = 8


def may_see_references(user: Any) -> bool:
    """Whether ``user`` may see whom jobs are about (``jobs.view_reference``)."""
    may_see: bool = user.has_perm(f"{Job._meta.app_label}.view_reference")
    return may_see


def hides_reference(user: Any, job: Job) -> bool:
    """Whether whom ``job`` is about is hidden from ``user``."""
    return job.action != bulk_change.ACTION and not may_see_references(user)


def description_without_reference(job: Job) -> str:
    """Return the description as its action makes it, masked; withheld if the caller wrote another one."""
    action = find_action(job.action)
    if action is None or not job.reference_id or job.description != action.describe(job.reference_id):
        return str(WITHHELD) if job.description else ""
    return action.describe(masked(job.reference_id))


def reason_without_reference(reason: str, actor: str, reference: str) -> str:
    """Return the reason of a change, masked; withheld if a caller of the API gave it."""
    if reason and actor.partition(":")[0] in CALLERS:
        return str(WITHHELD)
    return without_reference(reason, reference)


def masked(reference: str) -> str:
    """Return the first character and five bullets, whatever the length; "" for a redacted reference."""
    return f"{reference[0]}{HIDDEN}" if reference else ""


def without_reference(text: str, reference: str) -> str:
    """Return ``text`` with every occurrence of ``reference`` masked, in upper and lower case."""
    if not reference:
        return text
    pattern = re.escape(reference)
    if len(reference) < LONG_CHARACTERS:
        pattern = rf"(?<![^\W_]){pattern}(?![^\W_])"
    return re.sub(pattern, lambda _: masked(reference), text, flags=re.IGNORECASE)
