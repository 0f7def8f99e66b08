"""The HTTP pieces that the pretend CRM, its control door and the server share."""

import contextlib
import errno
import json
import socket
from collections.abc import Iterable
from typing import NoReturn
from wsgiref.types import StartResponse, WSGIEnvironment

from .records import Record

MAX_BODY_BYTES = 1_000_000
Headers = list[tuple[str, str]]
STATUS_LINES = {
    200: "200 OK",
    201: "201 Created",
    400: "400 Bad Request",
    401: "401 Unauthorized",
    403: "403 Forbidden",
    404: "404 Not Found",
    413: "413 Payload Too Large",
    415: "415 Unsupported Media Type",
    422: "422 Unprocessable Entity",
    429: "429 Too Many Requests",
    500: "500 Internal Server Error",
    502: "502 Bad Gateway",
    503: "503 Service Unavailable",
    504: "504 Gateway Timeout",
}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


# Python reads NaN and Infinity, JSON has neither.
_decode = json.JSONDecoder(parse_constant=_refuse).decode


class ApiError(Exception):
    """A refusal: an HTTP status and the JSON object that says why."""

    def __init__(self, status: int, payload: Record, headers: Headers | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.payload = payload
        self.headers = headers or []


class HangUp(ConnectionResetError):
    """The connection is to be closed without an answer."""


def plain_error(status: int, message: str, headers: Headers | None = None) -> ApiError:
    """Build a refusal of the form `{statusCode, message}`."""
    return ApiError(status, {"statusCode": status, "message": message}, headers)


def bad_request(message: str) -> ApiError:
    """Build a 400 of the form `{statusCode, message, error}`."""
    return ApiError(400, {"statusCode": 400, "message": message, "error": "Bad Request"})


def not_found(message: str) -> ApiError:
    """Build a 404 of the form `{statusCode, message, error}`."""
    return ApiError(404, {"statusCode": 404, "message": message, "error": "Not Found"})


def unprocessable(messages: list[str]) -> ApiError:
    """Build a 422 whose message is the list of everything that is wrong."""
    return ApiError(422, {"message": messages, "error": "Unprocessable Entity", "statusCode": 422})


def read_body(environ: WSGIEnvironment) -> bytes:
    """Read the whole body. Raise ApiError 413 above MAX_BODY_BYTES."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > MAX_BODY_BYTES:
        raise plain_error(413, "request entity too large")
    return bytes(environ["wsgi.input"].read(length)) if length else b""


def parse_json(environ: WSGIEnvironment, raw: bytes) -> Record:
    """Turn a body into an object; an empty body is an empty object. Raise ApiError 400 or 415."""
    if not raw:
        return {}
    if not environ.get("CONTENT_TYPE", "").startswith("application/json"):
        raise plain_error(415, "a body needs the header Content-Type: application/json")
    try:
        body = _decode(raw.decode())
    except (ValueError, RecursionError):
        raise bad_request("the body is not valid JSON") from None
    if not isinstance(body, dict):
        raise bad_request("the body is not a JSON object")
    return body


def send_json(
    start_response: StartResponse, status: int, payload: Record, headers: Headers | None = None
) -> Iterable[bytes]:
    """Answer with one JSON object."""
    data = json.dumps(payload).encode()
    start_response(
        STATUS_LINES.get(status) or f"{status} Scripted",
        [
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", str(len(data))),
            *(headers or ()),
        ],
    )
    return (data,)


def hang_up(environ: WSGIEnvironment) -> NoReturn:
    """Close the connection without an answer."""
    connection = environ.get("gunicorn.socket")
    if connection is not None:
        # The caller may have given up already.
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    raise HangUp(errno.ECONNRESET, "closed on purpose")
