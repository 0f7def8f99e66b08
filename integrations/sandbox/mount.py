"""Where everything hangs: `/crm`, `/emr/<slug>`, `/_sandbox` and `/healthz`."""

import importlib
import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from . import control, crm
from .state import State
from .wire import ApiError, Headers, not_found, send_json

EMRS = "integrations.emrs"


def find_emr_apps(state: State, package: str = EMRS) -> dict[str, WSGIApplication]:
    """Return the WSGI applications of the EMR folders that bring a `sandbox.py` with `make_app(state)`.

    A sandbox module that cannot be imported raises its own error.
    """
    apps: dict[str, WSGIApplication] = {}
    spec = importlib.util.find_spec(package)
    for folder in spec.submodule_search_locations or () if spec else ():
        for file in sorted(Path(folder).glob("*/sandbox.py")):
            module = importlib.import_module(f"{package}.{file.parent.name}.sandbox")
            if hasattr(module, "make_app"):
                apps[file.parent.name] = module.make_app(state)
    return apps


def make_root(state: State, emrs: str = EMRS) -> WSGIApplication:
    """Return the application that the server serves."""
    mounts: dict[str, WSGIApplication] = {"crm": crm.make_app(state), "_sandbox": control.make_app(state)}
    emr_apps = {slug: _faulty(state, f"emr/{slug}", app) for slug, app in find_emr_apps(state, emrs).items()}

    def root(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        _, first, rest = ("/" + environ["PATH_INFO"].lstrip("/") + "/").split("/", 2)
        app, prefix = mounts.get(first), "/" + first
        if first == "emr":
            slug = rest.partition("/")[0]
            app, prefix = emr_apps.get(slug), f"/emr/{slug}"
        if app is not None:
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
            environ["PATH_INFO"] = environ["PATH_INFO"][len(prefix) :] or "/"
            return app(environ, start_response)
        if first == "healthz":
            return send_json(start_response, 200, {"status": "ok"})
        error = not_found("the sandbox has /crm, /emr/<slug>, /_sandbox and /healthz")
        return send_json(start_response, error.status, error.payload)

    return root


class _Answer:
    """Holds back the status and headers of an answer until its fault has played."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: Headers = []

    def __call__(
        self, status: str, headers: Headers, exc_info: object = None, /
    ) -> Callable[[bytes], object]:
        """Take what a WSGI application gives to `start_response`."""
        self.status, self.headers = status, headers
        return lambda data: None


def _faulty(state: State, scope: str, app: WSGIApplication) -> WSGIApplication:
    """Put the faults of a scope around an EMR's sandbox; its routes are `METHOD /path`."""

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            state.faults.pause(scope)
            state.faults.refuse_while_out(scope)
            route = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
            rule = state.faults.take(scope, route, None)
            if rule is None:
                return app(environ, start_response)
            if not rule.after:
                state.faults.play(rule, environ)
            answer = _Answer()
            parts = b"".join(app(environ, answer))
            if rule.after:
                state.faults.play(rule, environ)
            start_response(answer.status, answer.headers)
            return (parts,)
        except ApiError as error:
            return send_json(start_response, error.status, error.payload, error.headers)

    return wrapped
