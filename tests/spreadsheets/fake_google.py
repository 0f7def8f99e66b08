"""Google's token, Drive and Sheets APIs, as far as gspread's real client calls them: a real HTTP server."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

EMAIL = "sheets@axconnect-test.iam.gserviceaccount.example.com"
TOKEN = "ya29.fake-access-token"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
BOOK = re.compile(r"/v4/spreadsheets/([^/:]+)(.*)")


def busy() -> tuple[int, dict[str, Any]]:
    """What the Sheets API answers when the minute's quota is used up."""
    words = "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user'"
    return 429, {"code": 429, "message": words, "status": "RESOURCE_EXHAUSTED"}


def down() -> tuple[int, dict[str, Any]]:
    return 503, {"code": 503, "message": "The service is currently unavailable.", "status": "UNAVAILABLE"}


def forbidden(reason: str = "") -> tuple[int, dict[str, Any]]:
    error: dict[str, Any] = {
        "code": 403,
        "message": "The caller does not have permission",
        "status": "PERMISSION_DENIED",
    }
    if reason:
        error["errors"] = [{"domain": "usageLimits", "reason": reason, "message": reason}]
    return 403, error


@dataclass
class Tab:
    """One worksheet."""

    id: int
    title: str
    values: list[list[str]] = field(default_factory=list)


@dataclass
class Book:
    """One spreadsheet."""

    title: str
    tabs: list[Tab]
    requests: list[dict[str, Any]] = field(default_factory=list)
    shared_with: dict[str, str] = field(default_factory=dict)
    notified: list[str] = field(default_factory=list)
    input_options: list[str] = field(default_factory=list)

    def tab(self, title: str) -> Tab:
        return next(tab for tab in self.tabs if tab.title == title)

    def asked(self, kind: str) -> list[dict[str, Any]]:
        """The batchUpdate requests of one kind."""
        return [one[kind] for one in self.requests if kind in one]


@dataclass
class FakeGoogle:
    """The server's state, and the answers that come before the real ones."""

    url: str = ""
    books: dict[str, Book] = field(default_factory=dict)
    refusals: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    refused_addresses: set[str] = field(default_factory=set)
    key_is_gone: bool = False
    calls: Counter[str] = field(default_factory=Counter)
    assertions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def only_book(self) -> Book:
        (book,) = self.books.values()
        return book

    def key_file(self, folder: Path) -> Path:
        """The service account's key, as Google makes it, with our token address."""
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        info = {
            "type": "service_account",
            "project_id": "axconnect-test",
            "private_key_id": "fake",
            "private_key": KEY.private_bytes(serialization.Encoding.PEM, *form).decode(),
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }
        path = folder / "service-account.json"
        path.write_text(json.dumps(info))
        return path

    # --- what each call does -----------------------------------------------------------------------------

    def token(self, form: dict[str, list[str]]) -> tuple[int, Any]:
        if self.key_is_gone:
            return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        public = KEY.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.assertions.append(dict(jwt.decode(form["assertion"][0], certs=public, verify=True)))
        return 200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}

    def create(self, body: dict[str, Any]) -> tuple[int, Any]:
        book_id = f"fake-book-{len(self.books) + 1}"
        self.books[book_id] = Book(body["name"], [Tab(0, "Sheet1")])
        return 200, {"id": book_id, "name": body["name"], "mimeType": body["mimeType"]}

    def share(self, book_id: str, body: dict[str, Any], query: dict[str, list[str]]) -> tuple[int, Any]:
        email = body["emailAddress"]
        if email in self.refused_addresses:
            return 400, {"error": {"code": 400, "message": "Bad address", "errors": [{"reason": "invalid"}]}}
        self.books[book_id].shared_with[email] = body["role"]
        if query.get("sendNotificationEmail", [""])[0].lower() == "true":
            self.books[book_id].notified.append(email)
        return 200, {"id": "permission", "role": body["role"], "type": body["type"]}

    def describe(self, book_id: str) -> dict[str, Any]:
        book = self.books[book_id]
        sheets = [
            {"properties": {"sheetId": tab.id, "title": tab.title, "index": place, "sheetType": "GRID"}}
            for place, tab in enumerate(book.tabs)
        ]
        return {"spreadsheetId": book_id, "properties": {"title": book.title}, "sheets": sheets}

    def batch_update(self, book: Book, requests: list[dict[str, Any]]) -> tuple[int, Any]:
        for one in requests:
            book.requests.append(one)
            (kind, body), *more = one.items()
            assert not more
            if kind == "updateSheetProperties":
                tab = next(tab for tab in book.tabs if tab.id == body["properties"]["sheetId"])
                tab.title = body["properties"]["title"]
            elif kind == "addSheet":
                book.tabs.append(Tab(body["properties"]["sheetId"], body["properties"]["title"]))
        return 200, {"replies": [{} for _ in requests]}

    def write(self, book: Book, body: dict[str, Any]) -> tuple[int, Any]:
        book.input_options.append(body["valueInputOption"])
        for one in body["data"]:
            title, start = one["range"].rsplit("!", 1)
            assert start == "A1"
            book.tab(title.strip("'")).values = [[str(cell) for cell in line] for line in one["values"]]
        return 200, {}

    def read(self, book: Book, where: str) -> tuple[int, Any]:
        """As Google does it: empty cells at the end of a row, and empty rows at the end, are left out."""
        title = where.rsplit("!", 1)[0].strip("'")
        lines = []
        for line in book.tab(title).values:
            cells = list(line)
            while cells and not cells[-1]:
                cells.pop()
            lines.append(cells)
        while lines and not lines[-1]:
            lines.pop()
        return 200, {"range": where, "majorDimension": "ROWS", **({"values": lines} if lines else {})}

    def answer(self, method: str, path: str, query: Any, body: Any) -> tuple[int, Any]:
        """The answer to one call of Drive or Sheets."""
        if self.refusals:
            status, error = self.refusals.pop(0)
            return status, {"error": error}
        if path == "/drive/v3/files" and method == "POST":
            return self.create(body)
        missing = (
            404,
            {"error": {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}},
        )
        if found := re.fullmatch(r"/drive/v3/files/([^/]+)(/permissions)?", path):
            if found[1] not in self.books:
                return missing
            if method == "DELETE":
                del self.books[found[1]]
                return 200, {}
            return self.share(found[1], body, query)
        found = BOOK.fullmatch(path)
        if found is None or found[1] not in self.books:
            return missing
        book, rest = self.books[found[1]], found[2]
        if rest == "" and method == "GET":
            return 200, self.describe(found[1])
        if rest == ":batchUpdate":
            return self.batch_update(book, body["requests"])
        if rest == "/values:batchUpdate":
            return self.write(book, body)
        assert rest.startswith("/values/"), rest
        assert method == "GET"
        return self.read(book, rest.removeprefix("/values/"))


def _handler(google: FakeGoogle) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            address = urlsplit(self.path)
            path = unquote(address.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            google.calls[f"{self.command} {path}"] += 1
            if path == "/token":
                status, body = google.token(parse_qs(raw.decode()))
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, body = (
                    401,
                    {"error": {"code": 401, "message": "No token", "status": "UNAUTHENTICATED"}},
                )
            else:
                given = json.loads(raw) if raw else None
                status, body = google.answer(self.command, path, parse_qs(address.query), given)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    return Handler


@contextmanager
def running() -> Iterator[FakeGoogle]:
    """A fake Google on a port of its own."""
    google = FakeGoogle()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(google))
    google.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield google
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
