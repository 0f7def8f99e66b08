"""What is decided before `manage.py up` starts anything: addresses, ports, passwords, the environment."""

import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from axconnect.embedded_redis import EmbeddedRedis, free_port
from integrations.sandbox.webhooks import public_key

LOOPBACK = "127.0.0.1"
# In the demo somebody looks on; a real EMR is asked far less often.
DEMO_POLL_SECONDS = 10
EMBEDDED_REDIS = "AX_EMBEDDED_REDIS"


class NotPossible(Exception):
    """It cannot be started like this; the text says what to change."""


@dataclass(frozen=True)
class Launch:
    """The options of `manage.py up`."""

    bind: str
    workers: int
    lanes: int
    demo: bool

    def refuse_nonsense(self) -> None:
        """Raises NotPossible when an option cannot be meant, or something else has the address."""
        if self.workers < 1 or self.lanes < 1:
            raise NotPossible("--workers and --lanes: write 1 or more.")
        _refuse_taken_address(*self.address)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on. Raises NotPossible."""
        host, _, port = self.bind.rpartition(":")
        if not host or not port.isdigit() or not 1 <= int(port) <= 65535:
            raise NotPossible(f"--bind {self.bind}: write HOST:PORT, such as 127.0.0.1:8000.")
        return host.strip("[]"), int(port)

    @property
    def local_address(self) -> tuple[str, int]:
        """Host and port at which this machine reaches the web server."""
        host, port = self.address
        return {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host), port  # noqa: S104

    @property
    def url(self) -> str:
        """Where a person on this machine reaches the web server."""
        host, port = self.local_address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def launch_environment(launch: Launch, given: Mapping[str, str]) -> dict[str, str]:
    """The environment for this start: what is given, completed. Starts nothing.

    A demo leaves the .env file out: it must never meet the data of a real set-up.
    """
    environment = {k: v for k, v in given.items() if not (launch.demo and k in settings.ENV_FILE_NAMES)}
    if launch.demo:
        environment = {
            "DATA_DIR": ".data/demo",
            "POLL_SECONDS": str(DEMO_POLL_SECONDS),
            **environment,
            **_demo_environment(launch),
            "AX_ENV_FILE": "",
        }
    environment.setdefault("PUBLIC_URL", launch.url)
    if not environment.get("REDIS_URL", "").strip():
        data_dir = settings.BASE_DIR / environment.get("DATA_DIR", str(settings.DATA_DIR))
        environment["REDIS_URL"] = EmbeddedRedis.plan(data_dir).url
        environment[EMBEDDED_REDIS] = "1"
    return environment


def _demo_environment(launch: Launch) -> dict[str, str]:
    """The pretend CRM listens next to the web server where that port is free, so that its address stays."""
    neighbour = launch.address[1] + 1
    port = neighbour if neighbour <= 65535 and not listens(LOOPBACK, neighbour) else free_port()
    url = f"http://{LOOPBACK}:{port}"
    # Hexadecimal: it is given on a command line, where a leading dash would make it an option.
    key = secrets.token_hex(16)
    return {
        "DEMO": "true",
        "ALLOW_PRIVATE_HOSTS": "true",
        "CRM_API_BASE_URL": f"{url}/crm",
        "SANDBOX_URL": url,
        "SANDBOX_KEY": key,
        "CRM_APP_PUBLIC_KEYS": public_key(key),
    }


def listens(host: str, port: int) -> bool:
    """Whether something accepts connections there now."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _refuse_taken_address(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise NotPossible(
            f"Cannot listen on {host}:{port} ({error.strerror}). Stop what listens there, "
            f"or choose another address: --bind {host}:{port + 1}"
        ) from None
