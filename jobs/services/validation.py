"""Checks of texts and JSON that callers send: they must be fit to be stored, logged and shown."""

import json
import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from typing import Final

from ..exceptions import InvalidField

MAX_REASON_CHARACTERS: Final = 500
MOST_REPORTED: Final = 20
"""The most errors of one request that are told at once."""


@contextmanager
def collected(problems: list[InvalidField]) -> Iterator[None]:
    """End the block at an InvalidField, which is added to ``problems`` with its further ones, and go on after it."""
    try:
        yield
    except InvalidField as error:
        problems += (error, *error.further)


def raise_first(problems: Sequence[InvalidField]) -> None:
    """Raise the first of the errors, if there is one, with the others as its ``further``, so many at most."""
    if problems:
        first = problems[0]
        first.further = tuple(problems[1:MOST_REPORTED])
        raise first


def quoted(name: str) -> str:
    """Return a name that a caller chose, for use in a sentence: in quotes, in ASCII, at most 60 characters."""
    return json.dumps(shortened(name))


def shortened(name: str) -> str:
    """Return a name that a caller chose, at most 60 characters of it."""
    return name if len(name) <= 60 else f"{name[:60]}…"


def find_meant(name: str, known: Iterable[str]) -> str | None:
    """Return which of ``known`` has the same letters and digits as a name: of ``created_from`` or ``status[]``."""
    return _by_letters(tuple(known)).get(_letters(name))


@cache
def _by_letters(known: tuple[str, ...]) -> dict[str, str]:
    return {_letters(name): name for name in known}


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name[:100])).lower()


class UnknownField(InvalidField):
    """No member or parameter has the name ``field``, which is as it was sent."""


def unknown_name(name: str, known: Iterable[str], *, place: str = "") -> InvalidField:
    """Return the error for a name that is none of ``known``: with the one that is probably meant, and with all."""
    names = list(known)
    meant = find_meant(name, names) or next(iter(get_close_matches(name[:100], names, n=1)), None)
    hint = f"; is {meant} meant?" if meant else ""
    all_of = f"; known are: {', '.join(names)}" if names else "; none is"
    return UnknownField(place + (shortened(name) or '""'), f"is not known here{hint}{all_of}")


def check_text(field: str, value: object, *, max_bytes: int | None = None, max_characters: int | None = None) -> None:
    """Refuse a text that cannot be stored, logged or shown unchanged.

    Raises:
        InvalidField: not a string, blank, too long, or with control characters or lone surrogates.
    """
    if not isinstance(value, str):
        raise InvalidField(field, "must be a string")
    if not value.strip():
        raise InvalidField(field, "must not be blank")
    check_characters(field, value)
    if max_bytes is not None and len(value.encode()) > max_bytes:
        raise InvalidField(field, f"must be at most {max_bytes} bytes of UTF-8")
    if max_characters is not None and len(value) > max_characters:
        raise InvalidField(field, f"must be at most {max_characters} characters")


def check_characters(field: str, value: str) -> None:
    """Refuse control characters (PostgreSQL cannot store NUL) and lone surrogates (no encoding has them).

    Raises:
        InvalidField: ``value`` has one.
    """
    # What is printable has none; many other characters are no control characters, either.
    if not value.isprintable() and any(unicodedata.category(one) in ("Cc", "Cs") for one in value):
        raise InvalidField(field, "must not contain control characters or lone surrogates")


def check_json(field: str, value: object) -> None:
    """Refuse JSON that PostgreSQL cannot store: NUL or lone surrogates in a string, a number that is not finite.

    Line breaks and tabs are allowed here, unlike in a line of text.

    Raises:
        InvalidField: names the path of the first such value.
    """
    if isinstance(value, dict):
        for key, below in value.items():
            check_json(field, key)
            check_json(f"{field}.{key}", below)
    elif isinstance(value, list | tuple):
        for index, below in enumerate(value):
            check_json(f"{field}[{index}]", below)
    elif isinstance(value, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        raise InvalidField(field, "must not contain NUL or lone surrogates")
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidField(field, "must be a finite number")


def check_reason(reason: str) -> None:
    """Refuse a reason that cannot be stored and shown; empty stands for none.

    Raises:
        InvalidField: it is blank though not empty, too long or has control characters.
    """
    if reason:
        check_text("reason", reason, max_characters=MAX_REASON_CHARACTERS)
