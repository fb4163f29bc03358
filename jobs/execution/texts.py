"""Texts of what an action gave or raised: they can always be made, and every database can store them.

The methods of an exception are the host's and may raise anything, also while its text is made.
"""

import traceback
from collections.abc import Callable, Iterator
from typing import Final

MAX_NAME_CHARACTERS: Final = 100
NO_REASON: Final = "The action ended the job without a reason that can be shown."


def storable(make: Callable[[], object], length: int, *, instead: str = "") -> str:
    """Return the text of what ``make`` returns: no NUL, no lone surrogates, at most ``length`` characters.

    ``instead`` is the text where none can be made.
    """
    try:
        # The methods of ``str`` itself: those of a subclass may be anything.
        text = str.__str__(str(make()))
        is_short = str.__len__(text) <= length
        text = text if is_short else text[: length - 1] + "…"
        return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    except BaseException:  # noqa: BLE001 – it is the host's code that raises here
        return instead


def name_of(error: BaseException) -> str:
    """Return the name of the exception's type, also where a metaclass has replaced it."""
    return storable(lambda: type.__dict__["__qualname__"].__get__(type(error)), MAX_NAME_CHARACTERS)


def traceback_of(error: BaseException, length: int) -> str:
    """Return the traceback, or what kept it from being made."""
    instead = f"{name_of(error)}, whose text cannot be shown"
    return storable(lambda: "".join(_lines_of(error, length)), length, instead=instead)


def _lines_of(error: BaseException, length: int) -> Iterator[str]:
    """Give the traceback until it is longer than ``length``: that of nested groups can take minutes."""
    for text in traceback.TracebackException.from_exception(error).format():
        yield text
        if (length := length - len(text)) < 0:
            return
