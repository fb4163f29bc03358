"""Problems that services report, listed so that ``makemessages`` collects them for translation.

The forms pass a problem through ``gettext``; one that holds a name or a number stays in English.
"""

from typing import Final

from django.utils.translation import gettext_noop as noop

PROBLEMS: Final = (
    noop("is not an action known here"),
    noop("is not of this organization"),
    noop("must be a finite number"),
    noop("must be above 0 and at most 36,500 days"),
    noop("must be an object"),
    noop("must be at most 1000 characters"),
    noop("must be at most 256 bytes of UTF-8"),
    noop("must be at most 500 characters"),
    noop("must be before the year 9999"),
    noop("must not be blank"),
    noop("must not contain NUL or lone surrogates"),
    noop("must not contain control characters or lone surrogates"),
)
