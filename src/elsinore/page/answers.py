"""Answers as JSON."""

import json
from typing import Any

from starlette.responses import JSONResponse

from elsinore.runs.files.plain_json import plain


def json_text(data: Any) -> str:
    """`data` as JSON that every browser reads."""
    try:
        return json.dumps(data, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(plain(data), allow_nan=False)


class Answer(JSONResponse):
    """An answer of the page's server."""

    def render(self, content: Any) -> bytes:
        return json_text(content).encode()
