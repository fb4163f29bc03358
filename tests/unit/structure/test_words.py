"""Words that the glossary of ``CONTRIBUTING.md`` has replaced are not used any more."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.source import ROOT

# A retired word or phrase, and what to say instead. Names are read as words: ``stale_in_line`` and ``StaleInLine``.
RETIRED: Final = {
    r"guests?": "engine process",
    r"errands?": "delivery",
    r"crews?": "thread group",
    r"appetite": "prefetch",
    r"presence": "heartbeat",
    r"hygiene": "isolation",
    r"announcements?": "job_finished",
    r"notices": "notifications",
    r"move[sd]?|moving": "transition, or what is done",
    r"look(s|ed|ing)?": "search, read, compare",
    r"in line|waiting line": "in the queue, in the buffer",
    r"(hold|holds|held|holding) back": "paused",
    r"hand ?overs?|(hands|handed|handing) over": "dispatch",
    r"step(s|ped|ping)? in": "intervene",
    r"refusals?(?! reason)": "why it was refused",
}
# These are plain English in prose, and vague as names.
RETIRED_AS_NAMES: Final = {r"others": "what they are", r"steps?": "intervention"}

# What must keep its word, and why.
ALLOWED: Final = {
    "StepRefused": "a public name",
    "step_refused": "its code, which programs read",
    "HandOverFailed": "a public name",
    "hand_over": "a function of `jobs.tasks`, whose names are public",
    "step": "a public name of `jobs.erasure`",
    "interval_step": "an option of Celery's library",
    "look whether it was made": "an answer of the API, which stays as it is",
}

PAGES: Final = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
CODE: Final = [path for path in (ROOT / "jobs").rglob("*.py") if "migrations" not in path.parts]
TEMPLATES: Final = list((ROOT / "jobs").rglob("*.html"))


def pattern_of(words: dict[str, str]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


PROSE: Final = pattern_of(RETIRED)
NAMES: Final = pattern_of(RETIRED | RETIRED_AS_NAMES)


def words_of(name: str) -> str:
    """Return a name as words: ``back in line`` for ``BACK_IN_LINE`` and for ``backInLine``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").lower()


def without_allowed(text: str) -> str:
    return re.sub(rf"\b(?:{'|'.join(ALLOWED)})\b", "", text)


def retired_in_text(text: str) -> Iterator[str]:
    joined = re.sub(r"\s+", " ", without_allowed(text))
    yield from (match[0] for match in PROSE.finditer(joined))
    yield from (name for name in re.findall(r"\b\w*_\w+\b", joined) if NAMES.search(words_of(name)))


def retired_in_code(source: str) -> Iterator[str]:
    comments: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and token.string not in ALLOWED and NAMES.search(words_of(token.string)):
            yield token.string
        elif token.type == tokenize.STRING or token.type == getattr(tokenize, "FSTRING_MIDDLE", None):
            yield from retired_in_text(token.string)
        elif token.type == tokenize.COMMENT:
            comments.append(token.string.lstrip("#"))
    yield from retired_in_text(" ".join(comments))


@pytest.mark.parametrize("path", PAGES + TEMPLATES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_uses_no_retired_word(path: Path):
    assert sorted(set(retired_in_text(path.read_text()))) == []


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_uses_no_retired_word(path: Path):
    assert sorted(set(retired_in_code(path.read_text()))) == []


def test_the_words_allowed_are_still_used():
    used = "".join(path.read_text() for path in [*PAGES, *CODE])

    assert [word for word in ALLOWED if word not in used] == []
