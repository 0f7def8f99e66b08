"""The one place that talks HTTP to CRMs and EMRs.

Connections stay open per thread. Nothing is repeated or redirected here: the caller knows whether a
repetition is safe. No body, path or query string ever reaches a message or a log, because they can hold
patient data. A host name is looked up and judged before the call (kept for a minute); the connection itself
looks it up again, so this keeps out wrong settings, not an attacker who owns the name server of a
configured host.
"""

import ipaddress
import json as jsonlib
import logging
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from integrations.contract.errors import ConfigError, TransientError

MAX_ANSWER_BYTES = 32 * 1024 * 1024
_CHUNK = 256 * 1024
_VERDICT_SECONDS = 60.0
_VERDICTS_KEPT = 1000
_HOSTS_PER_THREAD = 8
_USER_AGENT = "AX-Connect"

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])"
    r"(?::\d{1,5})?(?:/[!\"$-\[\]-~]*)?"
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_MAIL = re.compile(r"[^\s@<>\"',;]+@[^\s@<>\"',;]+")
_TOKEN = re.compile(r"(?i)\b(?:bearer\s+\S+|pit-[\w-]+|eyJ[\w.-]+|[A-Za-z0-9+/_=-]{32,})")
_DATE = re.compile(r"(?<!\w)\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}(?!\w)")
_DIGITS = re.compile(r"(?<!\w)[+(]?(?:\d[\s().-]*){6,}\d(?!\w)")
_QUOTED = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|“[^”]*”")
_FIELD_NAME = re.compile(r"[\"'“][a-z][A-Za-z0-9_.\[\]]*[\"'”]")

Scalar = str | int | float | bool
Params = Mapping[str, Scalar | Sequence[Scalar]]


class _QuietPool(logging.Filter):
    """urllib3 writes every path and query string at DEBUG, and those name patients."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


logging.getLogger("urllib3.connectionpool").addFilter(_QuietPool())


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``headers`` ignore case, ``json`` is None when the body is no JSON, ``text_len`` counts
    the body's bytes, ``ms`` the milliseconds from sending to the last byte."""

    status: int
    headers: Mapping[str, str]
    json: Any
    text_len: int
    ms: float


class _Local(threading.local):
    adapter: HTTPAdapter | None = None


_local = _Local()
_verdicts: dict[str, tuple[float, str]] = {}


def _forget_connections() -> None:
    _local.adapter = None


os.register_at_fork(after_in_child=_forget_connections)


def call(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    params: Params | None = None,
    json: Any = None,
    data: Mapping[str, str] | None = None,
    timeout: tuple[float, float] = (5, 30),
    allow_private: bool = False,
    max_bytes: int = MAX_ANSWER_BYTES,
) -> Answer:
    """One request, one answer, whatever its status. ``timeout`` is (connect, read) in seconds; their sum
    bounds the reading of the body.

    Raises ConfigError for an address that we may not call and for redirects, TransientError when no whole
    answer came; its ``may_have_happened`` is false only when the connection was never made.
    """
    host = _checked_host(url, allow_private)
    request = _prepared(method, url, headers, params, json, data)
    started = time.perf_counter()
    failure: TransientError | None = None
    try:
        response = _adapter().send(request, stream=True, timeout=timeout)
        body = _read(response.raw, started + sum(timeout), max_bytes)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        failure = _transport_failure(error, host)
    # Raised here, outside the handler, so that the library's text (it holds the query string) is not chained.
    if failure is not None:
        raise failure
    if body is None:
        raise TransientError(
            f"{host} sent an answer that is too long or too slow to read.", may_have_happened=True
        )
    if 300 <= response.status_code < 400:
        raise ConfigError(
            f"{host} redirects to another address: enter the final base address in the settings."
        )
    ms = (time.perf_counter() - started) * 1000
    return Answer(response.status_code, response.headers, _parsed(body), len(body), ms)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the ``Retry-After`` header asks for (number or HTTP date); None when absent or
    unreadable."""
    raw = (headers.get("Retry-After") or "").strip()
    if not raw:
        return None
    try:
        return (
            max(0.0, float(raw))
            if raw[0].isdigit()
            else max(0.0, parsedate_to_datetime(raw).timestamp() - time.time())
        )
    except (ValueError, OverflowError):
        return None


def redact(text: str) -> str:
    """Another system's words without e-mail addresses, phone numbers, dates, tokens and quoted values; at
    most 300 characters. Quoted field names (lower-case identifiers) stay."""
    text = text[:2000]
    text = _QUOTED.sub(lambda found: found.group() if _FIELD_NAME.fullmatch(found.group()) else "“…”", text)
    text = _MAIL.sub("[e-mail]", text)
    text = _TOKEN.sub("[token]", text)
    text = _DATE.sub("[date]", text)
    text = _DIGITS.sub("[number]", text)
    text = " ".join(text.split())
    return text if len(text) <= 300 else text[:299] + "…"


def close_connections() -> None:
    """Close what this thread keeps open."""
    if _local.adapter is not None:
        _local.adapter.close()
        _local.adapter = None


def _adapter() -> HTTPAdapter:
    if _local.adapter is None:
        _local.adapter = HTTPAdapter(pool_connections=_HOSTS_PER_THREAD, pool_maxsize=1, max_retries=0)
    return _local.adapter


def _prepared(
    method: str,
    url: str,
    headers: Mapping[str, str],
    params: Params | None,
    json: Any,
    data: Mapping[str, str] | None,
) -> requests.PreparedRequest:
    """requests' own preparation re-parses and re-quotes what we already know; filling the object in is
    cheaper."""
    request = requests.PreparedRequest()
    request.method = method
    request.url = f"{url}?{urlencode(params, doseq=True, quote_via=quote)}" if params else url
    sent = CaseInsensitiveDict(
        {"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"}
    )
    for name, value in headers.items():
        # http.client would put the value, which may be a secret, into its exception.
        if not (value.isascii() and value.isprintable()):
            raise ConfigError(f"The value for the header {name} holds characters that cannot be sent.")
        sent[name] = value
    body: bytes | None = None
    if json is not None:
        body = jsonlib.dumps(json, separators=(",", ":"), allow_nan=False).encode()
        sent.setdefault("Content-Type", "application/json")
    elif data is not None:
        body = urlencode(data).encode()
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
    if body is not None:
        sent["Content-Length"] = str(len(body))
    request.headers, request.body = sent, body
    return request


def _read(raw: urllib3.BaseHTTPResponse, deadline: float, max_bytes: int) -> bytes | None:
    """The decoded body, or None when it grows beyond ``max_bytes`` or is not whole at ``deadline``."""
    chunks: list[bytes] = []
    length = 0
    while chunk := raw.read1(_CHUNK, decode_content=True):
        chunks.append(chunk)
        length += len(chunk)
        if length > max_bytes or time.perf_counter() > deadline:
            raw.close()
            return None
    raw.release_conn()
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _parsed(body: bytes) -> Any:
    if not body:
        return None
    try:
        return jsonlib.loads(body)
    except (ValueError, RecursionError):
        return None


_MADE_NO_CONNECTION = (urllib3.exceptions.NewConnectionError, ConnectionRefusedError)
_CONNECT_TIMEOUT = (requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError)
_TIMEOUT = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)


def _transport_failure(error: BaseException, host: str) -> TransientError:
    causes = list(_causes(error))

    def among(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if among(ssl.SSLCertVerificationError):
        return TransientError(f"The certificate of {host} is not valid.")
    if among(*_MADE_NO_CONNECTION):
        return TransientError(f"{host} cannot be reached.")
    if among(*_CONNECT_TIMEOUT):
        return TransientError(f"{host} did not accept a connection in time.")
    if among(*_TIMEOUT):
        return TransientError(f"{host} did not answer in time.", may_have_happened=True)
    return TransientError(f"The connection to {host} broke.", may_have_happened=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it wraps: the libraries nest them in ``args`` and ``reason``."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [*cause.args, getattr(cause, "reason", None)]


def _checked_host(url: str, allow_private: bool) -> str:
    """The host of ``url``. One strict pattern decides, so that no two parsers can disagree about the host."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ConfigError(
            "The address to call must look like https://host/path, in plain ASCII and without a user name."
        )
    host = found["host"]
    if allow_private:
        return host
    if found["scheme"] != "https":
        raise ConfigError(f"{host} must be called over https.")
    if words := _verdict(host.strip("[]").lower()):
        raise ConfigError(words)
    return host


def _verdict(host: str) -> str:
    """Why we do not call this host; "" when we may. Kept for a minute. Raises TransientError when unknown."""
    now = time.monotonic()
    known = _verdicts.get(host)
    if known and known[0] > now:
        return known[1]
    words = ""
    if any(_is_inside(address) for address in _addresses(host)):
        words = f"{host} is inside a private network: it is refused unless ALLOW_PRIVATE_HOSTS is on."
    if len(_verdicts) >= _VERDICTS_KEPT:
        _verdicts.clear()
    _verdicts[host] = (now + _VERDICT_SECONDS, words)
    return words


def _addresses(host: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        pass
    raise TransientError(f"The host name {host} cannot be looked up.")


def _is_inside(address: str) -> bool:
    """Private, loopback, link-local, shared, reserved, multicast, or an IPv6 form of such an IPv4 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if embedded is None and ip in _NAT64:
            embedded = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if embedded is not None and _is_inside(str(embedded)):
            return True
    return not ip.is_global or ip.is_multicast
