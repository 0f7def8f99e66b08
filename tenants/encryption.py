"""Columns that a dump of the database must not give away, and keyed hashes that still let people search.

Keys come from ``settings.FIELD_KEYS`` (Fernet keys). The first one encrypts, all of them decrypt; the
``rotate_keys`` command writes every encrypted column again with the first.
"""

import hashlib
import hmac
import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


@lru_cache(maxsize=4)
def _hash_keys(keys: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(hashlib.sha256(b"people-search:" + key.encode()).digest() for key in keys)


def encrypt(text: str) -> str:
    """Text in, Fernet token (text) out, under the first key."""
    return _fernet(tuple(settings.FIELD_KEYS)).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """The text behind a token made under any configured key.

    Raises ImproperlyConfigured when no key fits: the operator removed a key before ``rotate_keys`` ran.
    """
    try:
        return _fernet(tuple(settings.FIELD_KEYS)).decrypt(token.encode()).decode()
    except InvalidToken:
        raise ImproperlyConfigured(
            "No key in FIELD_KEYS opens a stored value: put the former key back."
        ) from None


def search_digests(text: str) -> list[str]:
    """HMAC of a normalized value under each key, newest first (64 hex digits each).

    Store the first; look up all of them, so that search works while keys are being rotated.
    """
    return [
        hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        for key in _hash_keys(tuple(settings.FIELD_KEYS))
    ]


class EncryptedTextField(models.TextField):
    """Text that is a Fernet token in the database. Empty stays empty. Lookups by value are impossible."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return encrypt(value) if value else value

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return decrypt(value) if value else value


class EncryptedJSONField(models.TextField):
    """A JSON value kept as one Fernet token. ``None`` is stored as NULL, everything else encrypted."""

    # Tells the type checker that attributes of this field hold any JSON value, not text.
    _pyi_private_get_type: Any
    _pyi_private_set_type: Any

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else encrypt(json.dumps(value, separators=(",", ":"), default=str))

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return json.loads(decrypt(value)) if value else ({} if value == "" else None)

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        return json.dumps(self.value_from_object(obj))

    def formfield(self, **kwargs: Any) -> Any:
        return None
