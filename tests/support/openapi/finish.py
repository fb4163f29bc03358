"""What is added to the document that drf-spectacular makes: names, limits, headers, links and examples."""

from collections.abc import Iterator
from typing import Any, Final

from jobs.error_codes import ERROR_CODES
from tests.support.openapi.examples import BODIES, error_example
from tests.support.openapi.headers import HEADERS, headers_of
from tests.support.openapi.links import LINKS, OF_ANSWERS
from tests.support.openapi.members import CLOSED, MEMBERS, ORDERED, RENAMED, REQUIRED, SCHEMAS
from tests.support.openapi.operations import OPERATIONS

IN_SCHEMAS: Final = "#/components/schemas/"
JSON: Final = "application/json"


def finish(document: dict[str, Any]) -> dict[str, Any]:
    """Return the whole document; ``document`` is changed."""
    document = _renamed(document)
    for node in _nodes(document):
        _simplify(node)
    components = document["components"]
    del components["schemas"]["NullEnum"]
    _describe(components["schemas"])
    components |= {"headers": HEADERS, "links": LINKS}
    for (method, path), operation in OPERATIONS.items():
        described = document["paths"][path][method.lower()]
        for status, answer in described["responses"].items():
            codes = operation.codes(int(status))
            answer["headers"] = headers_of(int(status), codes) | answer.get("headers", {})
            if codes:
                answer["content"][JSON]["examples"] = {code: _ref("examples", code) for code in codes}
            if links := OF_ANSWERS.get((operation.id, int(status))):
                answer["links"] = {name: _ref("links", name) for name in links}
        for name in BODIES.get(operation.id, {}):
            described["requestBody"]["content"][JSON]["examples"] = {name: _ref("examples", name)}
    raised = {code for operation in OPERATIONS.values() for code in operation.errors}
    components["examples"] = {
        **{name: {"value": body} for bodies in BODIES.values() for name, body in bodies.items()},
        **{code: {"value": error_example(code)} for code in ERROR_CODES if code in raised},
    }
    return document


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _renamed(node: Any) -> Any:
    """Return the document with the schemas called as ``RENAMED`` says."""
    if isinstance(node, list):
        return [_renamed(below) for below in node]
    if not isinstance(node, dict):
        return node
    renamed = {name: _renamed(below) for name, below in node.items()}
    target = str(renamed.get("$ref", "")).removeprefix(IN_SCHEMAS)
    if target == "NullEnum":
        return {"type": "null"}
    if target in RENAMED:
        renamed["$ref"] = IN_SCHEMAS + RENAMED[target]
    if "schemas" in renamed:
        renamed["schemas"] = dict(
            sorted((RENAMED.get(name, name), schema) for name, schema in renamed["schemas"].items())
        )
    return renamed


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for below in list(node.values()):
            yield from _nodes(below)
    elif isinstance(node, list):
        for below in node:
            yield from _nodes(below)


def _simplify(node: dict[str, Any]) -> None:
    """Make numbers as wide as ours, drop what generators stumble over: ``readOnly``, and ``allOf`` one schema."""
    kinds = node.get("type")
    if "integer" in (kinds if isinstance(kinds, list) else [kinds]):
        node.setdefault("format", "int64")
    if node.get("readOnly") is True:
        del node["readOnly"]
    if len(node.get("allOf", ())) == 1:
        node.update(node.pop("allOf")[0])


def _describe(schemas: dict[str, Any]) -> None:
    for name, text in SCHEMAS.items():
        schemas[name]["description"] = text
    for place, further in MEMBERS.items():
        name, _, member = place.partition(".")
        schemas[name]["properties"][member].update(further)
    for name, required in REQUIRED.items():
        schemas[name]["required"] = required
        if not required:
            del schemas[name]["required"]
    for name, order in ORDERED.items():
        schemas[name]["properties"] = {member: schemas[name]["properties"][member] for member in order}
    # The ten members are the same in both.
    schemas["JobDetails"]["properties"].update(schemas["Job"]["properties"])
    for name in CLOSED:
        schemas[name]["additionalProperties"] = False
    undescribed = schemas.keys() - SCHEMAS.keys()
    if undescribed:
        raise RuntimeError(f"schemas without a sentence: {sorted(undescribed)}")
