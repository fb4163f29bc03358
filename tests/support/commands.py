"""Runs management commands in the test's process."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command


def run(*words: str) -> str:
    return run_with_status(*words)[0]


def run_with_status(*words: str) -> tuple[str, int]:
    output = StringIO()
    try:
        call_command(*words, stdout=output, stderr=StringIO())
    except SystemExit as end:
        return output.getvalue(), int(str(end.code))
    return output.getvalue(), 0


def run_json(*words: str) -> dict[str, Any]:
    """Run a command with ``--json``; its output is one object and a line break."""
    printed = run(*words, "--json")
    assert printed.endswith("}\n")
    assert printed.count("\n") == 1
    return json.loads(printed)


def error_of(*words: str) -> str:
    with pytest.raises(CommandError) as caught:
        run(*words)
    return str(caught.value)
