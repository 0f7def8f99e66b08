"""The HTTP door against a real server on the loopback."""

import contextlib
import gzip
import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integrations.contract import http
from integrations.contract.errors import ConfigError, TransientError


class Handler(BaseHTTPRequestHandler):
    """Answers by path; notes what it was sent and from which connection."""

    protocol_version = "HTTP/1.1"
    seen: list[dict[str, Any]]

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.seen.append(
            {
                "method": self.command,
                "path": self.path,
                "headers": dict(self.headers),
                "body": body,
                "port": self.client_address[1],
            }
        )
        getattr(self, "do_" + self.path.strip("/").partition("?")[0].replace("/", "_"), self.do_echo)()

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_echo(self) -> None:
        self.send(201, b'{"ok": true}', Content_Type="application/json", Retry_After="7", Set_Cookie="a=b")

    def do_zipped(self) -> None:
        self.send(200, gzip.compress(b'{"zipped": true}'), Content_Encoding="gzip")

    def do_bomb(self) -> None:
        self.send(200, gzip.compress(b"0" * 5_000_000), Content_Encoding="gzip")

    def do_chunked(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"6\r\n[1, 2,\r\n3\r\n 3]\r\n0\r\n\r\n")

    def do_html(self) -> None:
        self.send(200, b"<html></html>")

    def do_deep(self) -> None:
        self.send(200, b"[" * 200_000)

    def do_redirect(self) -> None:
        self.send(302, b"", Location="http://elsewhere.example.com/")

    def do_long(self) -> None:
        self.send(200, b"0" * 2000)

    def do_slow(self) -> None:
        time.sleep(0.6)
        self.send(200, b"{}")

    def do_dribble(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(20):
            self.wfile.write(b"0")
            self.wfile.flush()
            time.sleep(0.1)

    def do_broken(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def do_cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


@pytest.fixture
def seen() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def base(seen: list[dict[str, Any]]) -> Iterator[str]:
    server = Server(("127.0.0.1", 0), type("Noting", (Handler,), {"seen": seen}))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    http.close_connections()
    server.shutdown()
    server.server_close()


def get(url: str, **more: Any) -> http.Answer:
    return http.call("GET", url, headers={}, allow_private=True, **more)


def test_a_call_carries_headers_query_and_compact_json(base: str, seen: list[dict[str, Any]]) -> None:
    answer = http.call(
        "POST",
        f"{base}/things",
        headers={"Authorization": "Bearer x"},
        params={"a": "1 2&3", "many": ["x", "y"]},
        json={"name": "Zoë", "n": 1.5},
        allow_private=True,
    )
    assert (answer.status, answer.json, answer.text_len) == (201, {"ok": True}, 12)
    assert answer.headers["retry-after"] == "7"
    assert answer.ms > 0
    request = seen[0]
    assert request["path"] == "/things?a=1%202%263&many=x&many=y"
    assert request["body"] == b'{"name":"Zo\\u00eb","n":1.5}'
    assert request["headers"]["Authorization"] == "Bearer x"
    assert request["headers"]["Content-Type"] == "application/json"


def test_a_form_is_sent_as_a_form(base: str, seen: list[dict[str, Any]]) -> None:
    http.call(
        "POST", f"{base}/token", headers={}, data={"grant_type": "password", "p": "a&b"}, allow_private=True
    )
    assert seen[0]["body"] == b"grant_type=password&p=a%26b"
    assert seen[0]["headers"]["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_body_with_a_delete_and_none_with_a_post_arrive(base: str, seen: list[dict[str, Any]]) -> None:
    http.call("DELETE", f"{base}/tags", headers={}, json={"tags": ["x"]}, allow_private=True)
    http.call("POST", f"{base}/tags", headers={}, allow_private=True)
    assert [item["body"] for item in seen] == [b'{"tags":["x"]}', b""]


def test_the_connection_stays_open_and_keeps_no_cookies(base: str, seen: list[dict[str, Any]]) -> None:
    for path in ("/a", "/zipped", "/chunked", "/html", "/b"):
        get(base + path)
    assert len({item["port"] for item in seen}) == 1
    assert "Cookie" not in seen[-1]["headers"]


def test_threads_have_connections_of_their_own(base: str, seen: list[dict[str, Any]]) -> None:
    get(f"{base}/a")
    other = threading.Thread(target=get, args=(f"{base}/b",))
    other.start()
    other.join()
    assert len({item["port"] for item in seen}) == 2


@pytest.mark.parametrize(
    ("path", "parsed"), [("zipped", {"zipped": True}), ("chunked", [1, 2, 3]), ("html", None), ("deep", None)]
)
def test_bodies_are_read_in_every_form(base: str, path: str, parsed: Any) -> None:
    assert get(f"{base}/{path}").json == parsed


@pytest.mark.parametrize("path", ["long", "bomb"])
def test_an_answer_that_is_too_long_is_given_up(base: str, path: str) -> None:
    with pytest.raises(TransientError, match="too long") as caught:
        get(f"{base}/{path}", max_bytes=1000)
    assert caught.value.may_have_happened


def test_an_answer_that_dribbles_is_cut_off(base: str) -> None:
    started = time.monotonic()
    with pytest.raises(TransientError, match="too slow"):
        get(f"{base}/dribble", timeout=(0.2, 0.3))
    assert time.monotonic() - started < 1.9


def test_a_silent_server_leaves_the_call_in_doubt(base: str) -> None:
    with pytest.raises(TransientError, match="did not answer in time") as caught:
        get(f"{base}/slow", timeout=(1, 0.1))
    assert caught.value.may_have_happened


@pytest.mark.parametrize("path", ["broken", "cut"])
def test_a_broken_connection_leaves_the_call_in_doubt(base: str, path: str) -> None:
    with pytest.raises(TransientError, match="broke") as caught:
        get(f"{base}/{path}?email=ava%40example.com")
    assert caught.value.may_have_happened
    assert caught.value.__context__ is None
    assert "?email" not in str(caught.value)


def test_an_idle_connection_that_the_server_closed_is_opened_again(base: str) -> None:
    with pytest.raises(TransientError):
        get(f"{base}/broken")
    assert get(f"{base}/a").status == 201


def test_a_refused_connection_did_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TransientError, match="cannot be reached") as caught:
        get(f"http://127.0.0.1:{port}/?email=ava")
    assert not caught.value.may_have_happened
    assert "ava" not in str(caught.value)


def test_a_connection_that_is_never_accepted_did_nothing() -> None:
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = []
    try:
        for _ in range(3):  # fills the queue of the kernel
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(full.getsockname())
            waiting.append(one)
        time.sleep(0.05)
        with pytest.raises(TransientError, match="did not accept") as caught:
            get(f"http://127.0.0.1:{full.getsockname()[1]}/", timeout=(0.2, 1))
        assert not caught.value.may_have_happened
    finally:
        for one in (*waiting, full):
            one.close()


def test_an_unknown_host_did_nothing() -> None:
    for allow_private in (True, False):
        with pytest.raises(TransientError) as caught:
            http.call("GET", "https://nowhere.invalid/", headers={}, allow_private=allow_private)
        assert not caught.value.may_have_happened


def test_a_server_without_tls_is_told_apart(base: str) -> None:
    with pytest.raises(TransientError):
        get(base.replace("http:", "https:"))


def test_a_certificate_of_nobody_did_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self_signed(tmp_path))

        def greet() -> None:
            one, _ = door.accept()
            with contextlib.suppress(OSError):
                context.wrap_socket(one, server_side=True)

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(TransientError, match="certificate") as caught:
            get(f"https://127.0.0.1:{door.getsockname()[1]}/")
    assert not caught.value.may_have_happened


def self_signed(folder: Path) -> Path:
    """A key and a certificate that nobody vouches for, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "pair.pem"
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_redirects_are_not_followed(base: str, seen: list[dict[str, Any]]) -> None:
    with pytest.raises(ConfigError, match="redirects"):
        get(f"{base}/redirect")
    assert len(seen) == 1


@pytest.mark.parametrize(
    "url",
    [
        "ftp://crm.example.com/",
        "file:///etc/passwd",
        "crm.example.com/x",
        "https://user:secret@crm.example.com/",
        "https://crm.example.com\\@127.0.0.1/",
        "https://crm.example.com/a b",
        "https://crm.example.com/\r\nX: 1",
        "https://crm.example.com/#x",
        "https://crm.exämple.com/",
        "https://",
        "",
    ],
)
def test_addresses_of_another_form_are_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="must look like") as caught:
        http.call("GET", url, headers={}, allow_private=True)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "2130706433",
        "0x7f.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00::1]",
    ],
)
def test_private_hosts_are_refused_unless_allowed(host: str) -> None:
    with pytest.raises(ConfigError, match="inside a private network"):
        http.call("GET", f"https://{host}/", headers={})


def test_a_public_host_must_be_called_over_https() -> None:
    with pytest.raises(ConfigError, match="over https"):
        http.call("GET", "http://crm.example.com/", headers={})


def test_a_name_that_leads_inside_is_refused_and_asked_for_once_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def lookup(host: str, *rest: Any, **more: Any) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", (address, 0)) for address in ("93.184.216.34", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    for _ in range(3):
        with pytest.raises(ConfigError):
            http.call("GET", "https://inside.example.com/", headers={})
    assert asked == ["inside.example.com"]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    with pytest.raises(ConfigError):
        http.call("GET", "https://inside.example.com/", headers={})
    assert len(asked) == 2


@pytest.mark.parametrize("token", ["pit-1\r\nX: y", "pit-ä", "pit-\x00"])
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(base: str, token: str) -> None:
    with pytest.raises(ConfigError, match="Authorization") as caught:
        http.call("GET", base, headers={"Authorization": token}, allow_private=True)
    assert "pit-" not in "".join(traceback.format_exception_only(caught.value))


def test_no_path_or_query_is_logged(base: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        get(f"{base}/a", params={"email": "ava@example.com"})
    assert "ava" not in caplog.text


@pytest.mark.parametrize(
    ("raw", "seconds"), [("7", 7), ("1.5", 1.5), (" 3 ", 3), ("soon", None), ("", None), ("-1", None)]
)
def test_retry_after_is_read(raw: str, seconds: float | None) -> None:
    assert http.retry_after({"Retry-After": raw}) == seconds


def test_retry_after_may_be_a_date() -> None:
    assert http.retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert (http.retry_after({"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}) or 0) > 1000


def test_json_numbers_that_json_does_not_know_are_not_sent(base: str) -> None:
    with pytest.raises(ValueError):
        http.call("POST", base, headers={}, json={"n": float("nan")}, allow_private=True)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("property gender should not exist", "property gender should not exist"),
        ('"email" must be an email, got "Ava Stone"', '"email" must be an email, got “…”'),
        ("ava.stone+1@example.com is taken", "[e-mail] is taken"),
        ("(212) 555-0142 and +12125550142 are taken", "[number] and [number] are taken"),
        ("call 212.555.0142", "call [number]"),
        ("born 02/29/1980 or 1980-02-29", "born [date] or [date]"),
        ("Bearer abc.def and pit-0a1b-2c3d", "[token] and [token]"),
        ("sig 0123456789abcdef0123456789abcdef", "sig [token]"),
        ("contact ocQHyuzHvysMo5N5VsXc, status 422", "contact ocQHyuzHvysMo5N5VsXc, status 422"),
        ("Token's user type mismatch!", "Token's user type mismatch!"),
    ],
)
def test_words_of_others_are_redacted(words: str, shown: str) -> None:
    assert http.redact(words) == shown


def test_words_of_others_are_cut_at_300_characters() -> None:
    assert len(http.redact("word " * 500)) == 300
