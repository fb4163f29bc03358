"""Answers in JSON, whatever the request's ``Accept`` or ``?format=`` say."""

from collections.abc import Mapping
from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from ..http import JSON, to_bytes


class JsonRenderer(BaseRenderer):
    """Renders JSON in UTF-8, members in their order."""

    media_type = JSON
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return to_bytes(data)


class JsonNegotiation(BaseContentNegotiation):
    """Chooses the view's only parser and renderer."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
