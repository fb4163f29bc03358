"""What services refuse, in their own words: named here, so that these are collected for translation.

The admin shows them through ``gettext``; those that carry a name or a number stay as they are.
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
