"""The pages of the reference list each setting, option, command and name of the code once, and no other."""

import argparse
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pytest
from django.core.management import load_command_class
from django.core.management.base import DjangoHelpFormatter
from django.dispatch import Signal
from django.utils.module_loading import import_string

import jobs
import jobs.checks
import jobs.exceptions
import jobs.management.commands
import jobs.models
import jobs.signals
import jobs.testing
import jobs.testing.fixtures
from jobs import JobContext, actions, conf
from jobs.execution.chunks import Chunk
from jobs.models import Job
from jobs.testing import make_job, run_due_jobs
from tests.support.source import ROOT

# What only the runner calls.
FOR_THE_RUNNER: Final = {"guarded", "verify_and_record", "has_verifications", "stopped"}
COMMANDS: Final = sorted(path.stem for path in Path(jobs.management.commands.__path__[0]).glob("[!_]*.py"))
# How the page of actions spells defaults that have no short name in Python.
SPELLED: Final = {
    inspect.Parameter.empty: "required",
    None: "none",
    (): "none",
    timedelta(seconds=30): "30 s",
    timedelta(minutes=10): "10 min",
}


def page(name: str) -> str:
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text()


def sections(text: str) -> dict[str, str]:
    """Return the text below each heading of the second level."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)[1:]
    assert len(set(parts[::2])) == len(parts[::2])
    return dict(zip(parts[::2], parts[1::2], strict=True))


def assert_same(documented: Iterable[Any], real: Iterable[Any]) -> None:
    """Compare a page with the code, each entry once, in any sequence."""
    on_page, in_code = Counter(list(documented)), Counter(list(real))
    assert in_code
    assert (on_page - in_code, in_code - on_page) == (Counter(), Counter()), "only on the page; missing there"


def rows(text: str, heading: str = r"[^|]+") -> list[list[str]]:
    """Return the cells of the rows below each table head whose first cell is ``heading``."""
    tables = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n?)+)", text, re.MULTILINE)
    return [re.split(r" \| ", line.strip("| ")) for table in tables for line in table.splitlines()]


def first(text: str, heading: str = r"[^|]+") -> list[str]:
    """Return the first cells of these rows."""
    return [cells[0].strip("`") for cells in rows(text, heading)]


def first_two(text: str, heading: str) -> list[tuple[str, str]]:
    """Return the first two cells of these rows."""
    return [(cells[0].strip("`"), cells[1].strip("`")) for cells in rows(text, heading)]


def shown(value: object) -> str:
    """Return a default as the pages show it."""
    return repr(value).replace("'", '"')


def test_the_pages_list_every_setting_and_every_option_of_an_action_with_its_default():
    parameters = [each for each in inspect.signature(actions.action).parameters.values() if each.name != "name"]

    assert_same(
        first_two(page("settings"), "key"),
        [(each.name.upper(), shown(each.default)) for each in fields(conf.JobsSettings)],
    )
    assert_same(
        first_two(page("actions"), "option"),
        [(each.name, SPELLED.get(each.default) or shown(each.default)) for each in parameters],
    )


def test_the_page_lists_every_member_that_an_action_may_use():
    public = {name: value for name, value in vars(JobContext).items() if name[0] != "_" and name not in FOR_THE_RUNNER}

    assert_same(
        first(sections(page("actions"))["What an action sees"], "name"),
        (f"job.{name if isinstance(value, property) else call(name, value)}" for name, value in public.items()),
    )
    assert {name for name in vars(Chunk) if name[0] != "_"} == {"add"}
    assert f"`chunk.{call('add', Chunk.add)}`" in page("actions")


def call(name: str, function: Callable[..., Any]) -> str:
    """Return the signature without types; a default that is not a plain value is shown as ``…``."""
    signature = inspect.signature(function)
    parameters = [
        each.replace(annotation=each.empty, default=each.default if is_plain(each.default) else Ellipsis)
        for each in signature.parameters.values()
        if each.name != "self"
    ]
    bare = signature.replace(parameters=parameters, return_annotation=signature.empty)
    return f"{name}{bare}".replace("Ellipsis", "…").replace("'", '"')


def is_plain(default: object) -> bool:
    return default in (None, inspect.Parameter.empty) or isinstance(default, str | int | float)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_lists_every_command_and_its_options_with_their_defaults(name: str):
    commands = sections(page("commands"))

    assert sorted(commands) == COMMANDS
    assert_same(first_two(commands[name], "option"), options_of(name))


def options_of(name: str) -> list[tuple[str, str]]:
    """Return the command's own options, not Django's, each with its default as the page spells it."""
    parser = argparse.ArgumentParser(formatter_class=DjangoHelpFormatter)
    load_command_class("jobs", name).add_arguments(parser)
    own = [each for each in parser._actions if not isinstance(each, argparse._HelpAction)]
    return [(each.option_strings[0] if each.option_strings else each.dest.upper(), _default(each)) for each in own]


def _default(option: argparse.Action) -> str:
    if option.required:
        return "required"
    if option.nargs == 0:
        return "off"
    return str(option.default) if option.default not in (None, "", []) else "none"


@pytest.mark.django_db
def test_the_page_lists_every_signal_with_its_arguments():
    receiver = mock.Mock()
    jobs.signals.job_finished.connect(receiver, sender=Job)
    try:
        make_job("touch")
        run_due_jobs()
    finally:
        jobs.signals.job_finished.disconnect(receiver, sender=Job)

    assert_same(first(sections(page("signals"))["job_finished"], "argument"), receiver.call_args.kwargs)
    signals = [name for name, value in vars(jobs.signals).items() if isinstance(value, Signal)]
    assert_same(sections(page("signals")), signals)


@pytest.mark.parametrize(("heading", "module"), [("jobs", jobs), ("jobs.testing", jobs.testing)])
def test_the_page_lists_every_public_name_with_its_signature(heading: str, module: Any):
    found = first(sections(page("python"))[heading], "name")

    assert_same((re.match(r"\w+", each)[0] for each in found), module.__all__)
    for each in found:
        name, bracket, _ = each.partition("(")
        if bracket and not each.endswith("(…)"):
            assert each == call(name, getattr(module, name))


def test_the_page_lists_every_exception_with_its_code_and_every_fixture():
    page_of_names = sections(page("python"))
    ours = (jobs.exceptions.JobsError, jobs.exceptions.JobStopped)
    kinds = [each for each in vars(jobs.exceptions).values() if isinstance(each, type) and issubclass(each, ours)]
    source = inspect.getsource(jobs.testing.fixtures)

    assert_same(first_two(page_of_names["jobs.exceptions"], "name"), [(kind.__name__, kind.code) for kind in kinds])
    assert_same(first(page_of_names["jobs.testing"], "fixture"), re.findall(r"@pytest\.fixture\ndef (\w+)", source))


def test_the_models_the_columns_and_the_hooks_on_the_page_exist():
    text = sections(page("python"))["jobs.models"]
    names = [re.match(r"`(\w+)", cells[0])[1] for cells in rows(text, "name")]
    columns = {name for cells in rows(text, "column of `Job`") for name in re.findall(r"`(\w+)`", cells[0])}
    hooks = first(sections(page("python"))["Places to hook in"], "name")
    mixins = [f"jobs.admin.{name}" for name in jobs.admin.__all__ if name.endswith("Mixin")]

    assert set(names) <= set(jobs.models.__all__)
    assert len(names) == len(set(names))
    assert columns
    assert columns <= {field.name for field in Job._meta.get_fields()}
    assert set(mixins) <= set(hooks)
    for path in hooks:
        assert __import__(path, fromlist=["_"]) if path.endswith("urls") else import_string(path), path


def test_the_page_lists_every_system_check_with_when_it_runs():
    source = "".join(path.read_text() for path in Path(jobs.checks.__file__).parent.glob("*.py"))
    made = {
        code: ("deploy=True" in how, "Tags.database" in how)
        for how, code in re.findall(r"@register\(([^)]*)\)\ndef .*?\(``(jobs\.[EW]\d+)``\)", source, re.DOTALL)
    }
    found = [
        (cells[0].strip("`"), ("--deploy" in cells[1], "--database" in cells[1])) for cells in rows(page("checks"))
    ]

    assert_same(found, made.items())
    assert set(made) == set(re.findall(r'id="(jobs\.[EW]\d+)"', source))
