"""Every address of the resolver, with the values of one practice's rows put in, and what a person gets there."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any

from django.contrib.messages import get_messages
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

PART = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")
OPEN, LOGIN, REFUSED, NONE, METHOD = (
    "opens",
    "is asked to sign in",
    "is refused",
    "finds nothing",
    "has no such method",
)
FAILED = "meets a failure"
SIGN_INS = ("/login/", "/review/sign-in/")
ANSWERS = {
    HTTPStatus.FORBIDDEN: REFUSED,
    HTTPStatus.UNAUTHORIZED: REFUSED,
    HTTPStatus.NOT_FOUND: NONE,
    HTTPStatus.GONE: NONE,
    HTTPStatus.METHOD_NOT_ALLOWED: METHOD,
    HTTPStatus.BAD_REQUEST: FAILED,
    HTTPStatus.INTERNAL_SERVER_ERROR: FAILED,
}


@dataclass(frozen=True)
class Address:
    """One url pattern: its name with its namespace, or where it has none its route."""

    name: str
    route: str

    @property
    def parts(self) -> list[str]:
        """What has to be put in."""
        return [found[1] or found[2] for found in PART.finditer(self.route)]

    def path(self, values: dict[str, str]) -> str:
        """The address with these values. Raises KeyError for a part that has none."""
        filled = PART.sub(lambda found: values[found[1] or found[2]], self.route)
        return "/" + re.sub(r"[\^$\\]|/\?$|\?$", "", filled)


def every_address() -> list[Address]:
    """All patterns of the project, those of the admin and of django-rq too."""
    return list(_walk(get_resolver().url_patterns))


def _walk(patterns: list[Any], before: str = "", space: str = "") -> Iterator[Address]:
    for one in patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _walk(one.url_patterns, route, space + (f"{one.namespace}:" if one.namespace else ""))
        elif isinstance(one, URLPattern):
            yield Address(f"{space}{one.name}" if one.name else route, route)


@contextmanager
def nothing_stays() -> Iterator[None]:
    """What happens inside is taken back, so every request meets the same rows."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@dataclass(frozen=True)
class Got:
    """What somebody got: in one word, and all that they could read of it."""

    what: str
    text: str


def ask(client: Client, method: str, path: str, data: dict[str, Any] | None = None, **headers: str) -> Got:
    """One request of which nothing stays."""
    kept = {name: morsel.value for name, morsel in client.cookies.items()}
    with nothing_stays():
        answer = getattr(client, method)(path, data or {}, headers=headers)
        client.cookies = SimpleCookie(kept)
        told = " ".join(str(message) for message in get_messages(answer.wsgi_request))
        return Got(
            _in_a_word(answer, method, path), " ".join([_text(answer), answer.get("Location", ""), told])
        )


def _text(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return content.decode(errors="replace")


def _in_a_word(answer: HttpResponse, method: str, path: str) -> str:
    target = answer.get("Location", "") or answer.get("HX-Redirect", "")
    if target.split("?")[0] in SIGN_INS and path not in (*SIGN_INS, "/review/sign-out/", "/logout/"):
        return LOGIN
    # Where the admin does not find a row, it leads to the start page and says so there. What is pressed on the
    # dashboard leads back to it.
    is_back_home = path.startswith("/dashboard/") or (method, path) == ("post", "/logout/")
    if target == "/" and path not in SIGN_INS and not is_back_home:
        return NONE
    return ANSWERS.get(HTTPStatus(answer.status_code), OPEN)
