"""No regular expression takes time that grows with the square of a text: whoever sends the text would stop us."""

import importlib
import re
import time
from collections.abc import Iterator
from re import _constants as op  # type: ignore[attr-defined]  # private: the stdlib has no other parser of patterns
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

import pytest

from tests.support.source import sources

LENGTH: Final = 10_000
# Linear ones need a few milliseconds at most, quadratic ones often hundreds.
SECONDS: Final = 0.04
# Different choices among the alternatives of a pattern.
VARIANTS: Final = 8
LONGEST_SAMPLE: Final = 24
# What may follow a repetition: the end, or a character by which it matches less than before.
TAILS: Final = ("", "x", "\0")
REPEATS: Final = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)

# Some modules of the host refuse to be imported without its environment; none of those has a pattern.
SOURCES: Final = [source for source in sources("jobs", "jobsite") if "re.compile(" in source.text]
PATTERNS: Final = {
    f"{source.module}.{name}": value
    for source in SOURCES
    for name, value in vars(importlib.import_module(source.module)).items()
    if isinstance(value, re.Pattern)
}


def uses_of(name: str) -> list[str]:
    """Return the methods of the pattern ``name`` that the code calls: a pattern may be linear in `match` alone."""
    call = re.compile(rf"\b{name}\.(\w+)\(")
    found = {use for source in sources("jobs", "jobsite") for use in call.findall(source.text)}
    return sorted(found) or ["match", "fullmatch", "finditer"]


def sample_of(items: Any, variant: int) -> str:
    """Return a short text that matches a parsed pattern, or nearly; variants take other alternatives."""
    return "".join(_sample(kind, value, variant) for kind, value in items)


def _sample(kind: Any, value: Any, variant: int) -> str:
    if kind is op.LITERAL:
        return chr(value)
    if kind is op.IN:
        return _member(value, variant)
    if kind in (op.ANY, op.NOT_LITERAL):
        return "a" if value != ord("a") else "b"
    if kind is op.BRANCH:
        return sample_of(value[1][variant % len(value[1])], variant // 2)
    if kind in REPEATS:
        return sample_of(value[2], variant) * max(1, value[0])
    if kind is op.SUBPATTERN:
        return sample_of(value[-1], variant)
    return sample_of(value, variant) if kind is op.ATOMIC_GROUP else ""


def _member(items: Any, variant: int) -> str:
    kind, value = items[variant % len(items)]
    if items[0][0] is op.NEGATE:
        return "a"
    if kind is op.CATEGORY:
        return {op.CATEGORY_DIGIT: "0", op.CATEGORY_SPACE: " "}.get(value, "a")
    return chr(value if kind is op.LITERAL else value[0])


def hostile_texts(pattern: re.Pattern[Any]) -> Iterator[Any]:
    """Give texts of ``LENGTH``: a sample of the pattern up to some place, with what is before it repeated."""
    samples = {sample_of(parser.parse(pattern.pattern, pattern.flags), variant) for variant in range(VARIANTS)}
    seen = set()
    for sample in samples:
        for end in range(1, min(len(sample), LONGEST_SAMPLE) + 1):
            for start in range(end):
                seen.add((sample[:start], sample[start:end]))
    for before, piece in sorted(seen):
        for tail in TAILS:
            text = before + piece * (LENGTH // len(piece)) + tail
            yield text if isinstance(pattern.pattern, str) else text.encode()


def seconds_of(pattern: re.Pattern[Any], text: Any, uses: list[str]) -> float:
    """Return the processor time that all these uses of a pattern take."""
    begun = time.thread_time()
    for use in uses:
        if use in ("match", "fullmatch", "search"):
            getattr(pattern, use)(text)
        else:
            assert use in ("finditer", "findall", "sub")
            for _ in pattern.finditer(text):
                pass
    return time.thread_time() - begun


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_takes_time_in_proportion_to_the_text(name: str):
    pattern, uses = PATTERNS[name], uses_of(name.rpartition(".")[2])

    slow = [text[:40] for text in hostile_texts(pattern) if seconds_of(pattern, text, uses) > SECONDS]

    assert not slow


@pytest.mark.parametrize("pattern", [r"0*([0-9]+)", r"a+b", r"bearer +[ -~]+ *!"])
def test_a_pattern_that_goes_back_is_found(pattern: str):
    found = re.compile(pattern)

    assert any(seconds_of(found, text, ["fullmatch", "search"]) > SECONDS for text in hostile_texts(found))
