"""Durations as people say them, with no more digits than they read."""

from datetime import timedelta

from django.utils import formats
from django.utils.translation import gettext as _

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def spoken(duration: timedelta) -> str:
    """Return e.g. ``12 ms``, ``1.4 s``, ``35 s``, ``4 min``, ``2 h 5 min`` or ``3 d 4 h``; never less than nothing."""
    seconds = max(0.0, duration.total_seconds())
    if round(seconds * 1000) < 1000:
        return _("%(n)s ms") % {"n": round(seconds * 1000)}
    tenths = round(seconds, 1)
    if tenths < 10:
        return _("%(n)s s") % {"n": formats.number_format(tenths, 0 if tenths.is_integer() else 1)}
    whole = round(seconds)
    if whole < MINUTE:
        return _("%(n)s s") % {"n": whole}
    if whole < 10 * MINUTE and whole % MINUTE:
        return _("%(n)s min %(rest)s s") % {"n": whole // MINUTE, "rest": whole % MINUTE}
    if whole < HOUR:
        return _("%(n)s min") % {"n": whole // MINUTE}
    if whole < DAY:
        rest = whole % HOUR // MINUTE
        return (_("%(n)s h %(rest)s min") if rest else _("%(n)s h")) % {"n": whole // HOUR, "rest": rest}
    rest = whole % DAY // HOUR
    return (_("%(n)s d %(rest)s h") if rest else _("%(n)s d")) % {"n": whole // DAY, "rest": rest}
