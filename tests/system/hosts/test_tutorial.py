"""The tutorial works: each file is written, each command run, and its output compared."""

from pathlib import Path

import pytest

from tests.support.tutorial import PAGE, Console, File, Visit, difference, new_reader, own_python, steps_of


@pytest.mark.timeout(600)
def test_the_tutorial_prints_what_it_shows(tmp_path: Path):
    with new_reader(tmp_path, python=own_python()) as reader:
        reader.read()

    assert reader.keys


def test_the_tutorial_is_read_whole():
    steps = steps_of(PAGE)

    files, visits = ([step for step in steps if isinstance(step, kind)] for kind in (File, Visit))
    consoles = [step for step in steps if isinstance(step, Console)]
    assert [file.path for file in files if file.is_added] == ["mysite/settings.py"]
    assert len(files) == PAGE.count("```python")
    assert sum(len(console.commands) for console in consoles) == sum(line[:2] == "$ " for line in PAGE.splitlines())
    assert sum(console.is_left_running for console in consoles) == 1
    assert len(visits) == 3


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("one\n", "two"),
        ("one\n", "one\ntwo"),
        ("one\n…\ntwo\n", "one"),
        ("", "Traceback (most recent call last):"),
        ('{"status":"cancelled",…}\n', '{"status":"scheduled","errors":null}'),
        ('"createdAt": 1795655090209\n', '"createdAt": null'),
        ("projectKey: 3sWXSsqHgSKnE87YkNJK\n", "projectKey: 3sWX"),
    ],
)
def test_a_difference_is_reported(expected: str, printed: str):
    assert difference(expected, printed)


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("", ""),
        ("one\n…\ntwo\n", "one\ntwo"),
        ("one\n…\n", "one\ntwo\nthree"),
        ('"createdAt": 1795655090209\n', '"createdAt": 1895655090000'),
        ("projectKey: 3sWXSsqHgSKnE87YkNJK\n", "projectKey: ujvHvzNKUJZHNaBxGHdE"),
    ],
)
def test_what_may_differ_is_no_difference(expected: str, printed: str):
    assert difference(expected, printed) == ""


@pytest.mark.parametrize("block", ["```python\nprint()\n```\n", "```text\nshop/\n```\n", "``` {.python}\nx\n```\n"])
def test_a_block_of_an_unknown_form_is_an_error(block: str):
    with pytest.raises(AssertionError):
        steps_of(block)
