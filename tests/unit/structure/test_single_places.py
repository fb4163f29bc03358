"""What one module of `jobs` does for all: read the settings, write a status or lease, ask for SKIP LOCKED."""

import ast
from collections.abc import Iterator
from typing import Final

from tests.support.source import Source, sources

# The settings of Django that may be read outside `conf`: this is how a foreign key names the user model.
DJANGO_SETTINGS: Final = {"AUTH_USER_MODEL"}

# What only `jobs.lifecycle` writes.
STATUS_AND_LEASE: Final = set("status lease_token lease_expires_at attempt begun_at finished_at due_at held_at".split())

JOBS: Final = [source for source in sources("jobs") if "migrations" not in source.path.parts]


def test_only_conf_reads_the_settings():
    wrong = [
        f"{source}:{line} reads settings.{name}"
        for source in JOBS
        if source.module.split(".")[1:2] not in (["conf"], ["apps"], ["checks"], ["testing"])
        for name, line in settings_read_by(source)
        if name not in DJANGO_SETTINGS
    ]

    assert not wrong, "\n".join(wrong)


def settings_read_by(source: Source) -> Iterator[tuple[str, int]]:
    """Give the settings that are read; ``?`` if the object is used in a way that hides which."""
    is_imported = any((found.origin, found.name) == ("django.conf", "settings") for found in source.imports)
    nodes = list(ast.walk(source.tree))
    plain = set()
    for node in nodes:
        if is_imported and isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "settings":
            plain.add(node.value)
            yield node.attr, node.lineno
    for node in nodes:
        if is_imported and isinstance(node, ast.Name) and node.id == "settings" and node not in plain:
            yield "?", node.lineno
        if isinstance(node, ast.ImportFrom) and node.module == "django.conf":
            yield from (("?", node.lineno) for alias in node.names if alias.asname)


def test_only_transitions_changes_a_status_or_a_lease():
    wrong = [
        f"{source}:{line} writes {', '.join(sorted(columns))}"
        for source in JOBS
        if not source.module.startswith("jobs.lifecycle")
        for columns, line in columns_written_by(source)
        if columns & STATUS_AND_LEASE
    ]

    assert not wrong, "\n".join(wrong)


def columns_written_by(source: Source) -> Iterator[tuple[set[str], int]]:
    """Give the columns that ``update``, ``save`` and their kin name, and the attributes set on other objects."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("update", "update_or_create", "aupdate", "aupdate_or_create"):
                yield {keyword.arg for keyword in node.keywords if keyword.arg} | texts_in(node), node.lineno
            if node.func.attr in ("bulk_update", "abulk_update", "save", "asave"):
                yield texts_in(node), node.lineno
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Attribute) and getattr(target.value, "id", "") != "self":
                    yield {target.attr}, node.lineno
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "update jobs_job " in node.value.lower():
            yield {"status"}, node.lineno


def texts_in(node: ast.AST) -> set[str]:
    return {inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant) and isinstance(inner.value, str)}


def test_only_locks_asks_the_orm_for_skip_locked():
    asking = {
        source.module
        for source in JOBS
        for node in ast.walk(source.tree)
        if isinstance(node, ast.keyword) and node.arg == "skip_locked"
    }

    assert asking == {"jobs.models.locks"}


def test_the_settings_are_read_when_used_and_not_at_import():
    read = [
        f"{source}:{node.lineno}"
        for source in JOBS
        for node in run_at_import(source.tree)
        if isinstance(node, ast.Attribute) and node.attr in ("current", "given", "web")
        if isinstance(node.value, ast.Name) and node.value.id == "conf"
    ]

    assert not read, "\n".join(read)


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Walk the tree without the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in (*child.decorator_list, child.args):
                yield from ast.walk(part)
        elif not isinstance(child, ast.Lambda):
            yield child
            yield from run_at_import(child)
