"""A WSGI endpoint that parses a body and answers 200: what of the ingest API's rate is the web server's own."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    answer = b'{"success": true}'
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
