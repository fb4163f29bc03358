"""Where the statements in a text of SQL begin, read in time proportional to its length."""

import re
from collections.abc import Iterator
from typing import Final

# No expression here goes back over what it has passed.
_COMMENT: Final = r"--[^\n]*|/\*(?>.*?(?:\*/|\Z))"
# The first word of a statement, after blanks, brackets and comments.
FIRST_WORD: Final = re.compile(rf"(?>[\s(;]|{_COMMENT})*+(\w+)", re.DOTALL)
# A semicolon or a bracket, and the word after it; strings, quoted names and comments are passed over.
LATER_WORD: Final = re.compile(
    rf"""'[^']*+'|"[^"]*+"|{_COMMENT}|(\$\w*\$)(?>.*?(?:\1|\Z))|([;()])(?>[\s()]|{_COMMENT})*+(\w+)?""", re.DOTALL
)


def statement_starts(text: str) -> Iterator[int]:
    """Yield the position of the first word of each statement."""
    first = FIRST_WORD.match(text)
    if first is None:
        return
    yield first.start(1)
    if ";" in text:
        for word in LATER_WORD.finditer(text, first.end()):
            if word[2] == ";" and word[3]:
                yield word.start(3)
