"""Reads settings from the environment. A wrong value is remembered, not raised, so that a system check can
name it and say what to write instead; until then its default counts."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import environ

T = TypeVar("T")
TRUE_WORDS = {"true", "on", "ok", "y", "yes", "1"}
FALSE_WORDS = {"false", "off", "n", "no", "0", ""}


@dataclass(frozen=True)
class WrongValue:
    """A variable that could not be read. Its value is not kept: it may be a secret."""

    name: str
    expected: str


@dataclass
class Environment:
    """Typed access to environment variables, with every wrong one listed in ``wrong``."""

    source: environ.Env = field(default_factory=environ.Env)
    wrong: list[WrongValue] = field(default_factory=list)

    def text(self, name: str, default: str = "") -> str:
        """The value without surrounding blanks; an empty one counts as not set."""
        return os.environ.get(name, "").strip() or default

    def words(self, name: str) -> list[str]:
        """Comma-separated values."""
        return [word.strip() for word in self.text(name).split(",") if word.strip()]

    def whole(self, name: str, default: int) -> int:
        """A whole number."""
        return self._read(name, default, int, "a whole number")

    def flag(self, name: str, default: bool = False) -> bool:
        """true or false, in the usual spellings."""
        return self._read(name, default, _flag, "true or false")

    def database(self, name: str, default: dict[str, Any]) -> dict[str, Any]:
        """A database address as Django wants it."""
        expected = "an address such as postgres://user:password@host:5432/name"
        return self._read(name, default, _database, expected)

    def mail(self, name: str, default: str) -> dict[str, Any]:
        """A mail server's address as Django wants it."""
        expected = "an address such as smtp+tls://user:password@host:587"
        return self._read(name, self.source.email_url_config(default), self.source.email_url_config, expected)

    def _read(self, name: str, default: T, convert: Callable[[str], T], expected: str) -> T:
        value = self.text(name)
        if not value:
            return default
        try:
            return convert(value)
        except (ValueError, KeyError, environ.ImproperlyConfigured):
            self.wrong.append(WrongValue(name, expected))
            return default


def read_env_file(path: Path) -> frozenset[str]:
    """Put the file's variables into the environment where not set yet; returns the names it added."""
    before = set(os.environ)
    if path.is_file():
        environ.Env.read_env(path)
    return frozenset(set(os.environ) - before)


def _flag(value: str) -> bool:
    if value.lower() in TRUE_WORDS:
        return True
    if value.lower() in FALSE_WORDS:
        return False
    raise ValueError("neither true nor false")


def _database(value: str) -> dict[str, Any]:
    config: dict[str, Any] = environ.Env.db_url_config(value)
    if not config.get("ENGINE") or not config.get("NAME"):
        raise ValueError("engine or name missing")
    return config
