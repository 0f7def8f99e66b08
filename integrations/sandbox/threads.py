"""A small threading HTTP server for tests: HTTP/1.1 with connections kept open, one write for each answer."""

import contextlib
import io
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote
from wsgiref.types import WSGIApplication

from .mount import EMRS, make_root
from .state import State
from .wire import HangUp, Headers

KEEP_ALIVE_SECONDS = 75


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = KEEP_ALIVE_SECONDS
    server: "_Server"

    def handle_one_request(self) -> None:
        """Serve one request with the WSGI application, whatever its method."""
        try:
            self.raw_requestline = self.rfile.readline(65_537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self._serve()
        except (HangUp, TimeoutError, ConnectionError):
            self.close_connection = True

    def _serve(self) -> None:
        head: list[str] = []

        def start_response(
            status: str, headers: Headers, exc_info: object = None
        ) -> Callable[[bytes], object]:
            head[:] = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
            return lambda data: None

        body = b"".join(self.server.app(self._environ(), start_response))
        if not any(line.lower().startswith("content-length:") for line in head):
            head.append(f"Content-Length: {len(body)}")
        self.wfile.write(("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body)

    def _environ(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        length = self.headers.get("Content-Length", "")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": length,
            "SERVER_PROTOCOL": self.request_version,
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(self.rfile.read(int(length or 0))),
            "wsgi.multithread": True,
        }
        for name, value in self.headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        return environ

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the state keeps its own log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, app: WSGIApplication, address: tuple[str, int]) -> None:
        super().__init__(address, _Handler)
        self.app = app
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that it can be closed at the end."""
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection and forget it."""
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_all(self) -> None:
        """Close every connection that is still open."""
        with self._open_lock:
            for request in self._open:
                # The other side may have closed it already.
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)


def serve_in_thread(
    state: State, address: tuple[str, int] = ("127.0.0.1", 0), emrs: str = EMRS
) -> tuple[str, Callable[[], None]]:
    """Serve a state from a thread. Return the base address (no slash at its end) and what stops it."""
    server = _Server(make_root(state, emrs), address)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="sandbox", daemon=True)
    thread.start()

    def stop() -> None:
        state.closing.set()
        server.shutdown()
        server.server_close()
        server.close_all()
        thread.join()

    return f"http://{server.server_address[0]!s}:{server.server_address[1]}", stop
