"""Keeping the state in a JSON file: written whole, about a second after a change, and read at the start."""

import json
import os
import tempfile
import threading
import time
from pathlib import Path

from .accounts import SubAccount
from .records import Record
from .state import State

FORMAT = 1
PAUSE_SECONDS = 1.0
# A large state takes longer to write; the writer then takes at most a tenth of the time.
PAUSE_PER_WRITE_SECOND = 10.0


def dump(state: State) -> Record:
    """Return the state as JSON. Call it under the state's lock."""
    return {
        "format": FORMAT,
        "sub_accounts": [account.dump() for account in state.accounts.values()],
        "contacts": list(state.contacts.values()),
        "notes": state.notes,
        "opportunities": list(state.opportunities.values()),
        "enrolments": state.enrolments,
        "emrs": state.emrs,
    }


def restore(state: State, dumped: Record) -> None:
    """Fill an empty state. Raise ValueError for a file of another format."""
    if dumped.get("format") != FORMAT:
        raise ValueError("the sandbox's state file has another format: delete it to start empty")
    with state.lock:
        for account in dumped["sub_accounts"]:
            state.adopt(SubAccount.load(account))
        for contact in dumped["contacts"]:
            state.keep_contact(contact)
        for opportunity in dumped["opportunities"]:
            state.keep_opportunity(opportunity)
        state.notes |= dumped["notes"]
        state.enrolments |= dumped["enrolments"]
        state.emrs |= dumped["emrs"]


def load(state: State) -> None:
    """Read the state's file, where there is one."""
    if state.path is not None and state.path.exists():
        restore(state, json.loads(state.path.read_bytes()))


def save(state: State) -> None:
    """Write the state's file in one step; readers see the old one or the new one, never a part."""
    if state.path is None:
        return
    with state.lock:
        text = json.dumps(dump(state))
    _replace(state.path, text)


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp makes the file readable by its owner only: it holds tokens.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


class Keeper:
    """A thread that writes the file after changes, and once more when the state closes."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._written = state.writes
        self._thread = threading.Thread(target=self._run, name="sandbox-keeper", daemon=True)

    def start(self) -> None:
        """Begin to watch for changes."""
        self._thread.start()

    def finish(self) -> None:
        """Close the state and write the last changes."""
        self._state.closing.set()
        if self._thread.is_alive():
            self._thread.join()
        self._write()

    def _run(self) -> None:
        pause = PAUSE_SECONDS
        while not self._state.closing.wait(pause):
            began = time.monotonic()
            self._write()
            pause = max(PAUSE_SECONDS, PAUSE_PER_WRITE_SECOND * (time.monotonic() - began))

    def _write(self) -> None:
        writes = self._state.writes
        if writes != self._written:
            save(self._state)
            self._written = writes
