"""Keys for a trial on one machine: made once, kept in DATA_DIR/keys.json, shared by all processes."""

import json
import os
import secrets
from pathlib import Path
from typing import TypedDict

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured


class Keys(TypedDict):
    secret_key: str
    field_keys: list[str]


def generated_keys(data_dir: Path) -> Keys:
    """The keys of ``data_dir``, made on first use. Of several processes that race, one's keys win for all.

    Raises ImproperlyConfigured when the folder cannot be written or the file cannot be understood.
    """
    path = data_dir / "keys.json"
    try:
        if not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        raise ImproperlyConfigured(
            f"Cannot keep generated keys in {path} ({error.strerror}). Make DATA_DIR writable, "
            "or set SECRET_KEY and FIELD_KEYS."
        ) from None


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"keys.{os.getpid()}.{secrets.token_hex(4)}.draft")
    keys = Keys(secret_key=secrets.token_urlsafe(64), field_keys=[Fernet.generate_key().decode()])
    with open(draft, "w", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, 0o600)) as file:
        json.dump(keys, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link fails where another process was first; a rename would replace the keys it already uses.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _read(path: Path) -> Keys:
    try:
        found = json.loads(path.read_text())
        return Keys(secret_key=found["secret_key"], field_keys=list(found["field_keys"]))
    except (ValueError, KeyError, TypeError):
        raise ImproperlyConfigured(
            f"{path} is damaged. Put a copy back: without its keys, stored patient data cannot be read."
        ) from None
