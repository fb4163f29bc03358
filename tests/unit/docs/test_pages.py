"""All Markdown pages: their width, their links, and the files that they name."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.doc_pages import ALL_PAGES, links
from tests.support.source import ROOT

WIDTH: Final = 120
PATH: Final = re.compile(r"`((?:jobs|jobsite|tests|docs)/[\w./@-]*)`")


def prose_of(page: Path) -> Iterator[str]:
    """Give the lines that are neither code nor a row of a table."""
    in_code = False
    for line in page.read_text().splitlines():
        if line.strip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.lstrip().startswith("|"):
            yield line


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_is_wrapped_and_names_only_files_that_exist(page: Path):
    wide = [line for line in prose_of(page) if len(line) > WIDTH]
    missing = [path for path in PATH.findall(page.read_text()) if not (ROOT / path).exists()]
    dead = [target for target in links(page) if not (page.parent / target.partition("#")[0]).is_file()]

    assert wide == []
    assert missing == []
    assert [target for target in dead if not (page.parent / target).is_dir()] == []
