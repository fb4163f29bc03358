"""The workflow files call targets that exist, and test the pairs of Python and Django that are supported."""

import re
from itertools import product
from typing import Any, Final

import yaml

from tests.support.interpreters import PAIRS
from tests.support.source import ROOT

FILES: Final = sorted((ROOT / ".github").rglob("*.yml"))
WORKFLOWS: Final[dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text()) for path in FILES if path.parent.name == "workflows"
}


def test_every_target_that_a_workflow_calls_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    jobs = [job for workflow in WORKFLOWS.values() for job in workflow["jobs"].values()]
    commands = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    called = {target for command in commands for target in re.findall(r"^make ([a-z-]+)", command)}

    assert called | set(WORKFLOWS["nightly"]["jobs"]["nightly"]["strategy"]["matrix"]["target"]) <= targets
    assert {"lint", "test", "check"} <= called


def test_the_tests_run_on_every_supported_pair():
    matrix = WORKFLOWS["ci"]["jobs"]["test"]["strategy"]["matrix"]
    left_out = {(pair["python"], pair["django"]) for pair in matrix["exclude"]}
    tested = {
        f"{python}-django{django}" for python, django in set(product(matrix["python"], matrix["django"])) - left_out
    }

    assert tested == {pair.name for pair in PAIRS}


def test_templates_and_hooks_are_valid_yaml():
    for path in [*FILES, ROOT / ".pre-commit-config.yaml"]:
        assert yaml.safe_load(path.read_text()), path
