"""The sandbox as a process: `python -m integrations.sandbox.server --bind 127.0.0.1:9000 --key KEY`.

The CRM's base address is `http://<bind>/crm`, an EMR's `http://<bind>/emr/<slug>`.
"""

import argparse
import os
import signal
from pathlib import Path
from types import FrameType
from wsgiref.types import WSGIApplication

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from . import snapshot
from .mount import make_root
from .state import State
from .threads import KEEP_ALIVE_SECONDS, serve_in_thread

__all__ = ["SandboxApplication", "main", "serve_in_thread", "serve_light"]

THREADS = 64
STOP_SECONDS = 1  # for calls that are being answered when the end comes


class SandboxWorker(ThreadWorker):
    """The one worker: it holds the state, and ends at once when told."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Wake calls that hang on purpose."""
        self.app.state.closing.set()
        super().handle_exit(sig, frame)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for requests; once the end has come, idle connections do not hold it up."""
        if not self.alive:
            self.murder_keepalived(force=True)
            timeout = min(timeout, 0.1)
        super().wait_for_and_dispatch_events(timeout)


class SandboxApplication(BaseApplication):
    """gunicorn with one worker process and many threads over one state."""

    def __init__(self, bind: str, state: State) -> None:
        self.bind = bind
        self.state = state
        self.keeper = snapshot.Keeper(state)
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn how to run."""
        settings = {
            "bind": self.bind,
            "worker_class": SandboxWorker,
            "workers": 1,
            "threads": THREADS,
            "keepalive": KEEP_ALIVE_SECONDS,
            "graceful_timeout": STOP_SECONDS,
            "loglevel": "warning",
            "accesslog": None,
            "control_socket_disable": True,
            "worker_exit": lambda server, worker: self.keeper.finish(),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        """Read the snapshot and start keeping it; gunicorn calls this in the worker."""
        snapshot.load(self.state)
        self.keeper.start()
        return make_root(self.state)


def serve_light(bind: str, state: State) -> None:
    """Serve from threads of this process, until SIGTERM or Ctrl-C."""
    ends = (signal.SIGTERM, signal.SIGINT)
    # Blocked before any thread starts: each inherits it, so that only sigwait below sees the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    host, _, port = bind.rpartition(":")
    snapshot.load(state)
    keeper = snapshot.Keeper(state)
    keeper.start()
    _, stop = serve_in_thread(state, (host, int(port)))
    signal.sigwait(ends)
    stop()
    keeper.finish()


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C; the state is written before the end."""
    parser = argparse.ArgumentParser(
        prog="python -m integrations.sandbox.server", description="A pretend CRM."
    )
    parser.add_argument("--bind", default="127.0.0.1:9000", help="address and port, or unix:PATH")
    parser.add_argument("--state", type=Path, help="file that keeps the state; without it nothing is kept")
    parser.add_argument(
        "--key",
        default=os.environ.get("SANDBOX_KEY"),
        help="opens /_sandbox/ (default: the variable SANDBOX_KEY)",
    )
    parser.add_argument(
        "--light", action="store_true", help="serve without gunicorn: half the CPU for each request"
    )
    options = parser.parse_args(arguments)
    if not options.key:
        parser.error("give --key, or set SANDBOX_KEY")
    state = State(options.state, options.key)
    if options.light:
        serve_light(options.bind, state)
    else:
        SandboxApplication(options.bind, state).run()


if __name__ == "__main__":
    main()
