"""The state's file: written after changes, whole, and read back."""

import json
import os
import stat
import time

import pytest

from integrations.sandbox import snapshot
from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State

from .conftest import KEY, Crm


def test_a_state_read_back_answers_as_before(crm, state, tmp_path):
    contact_id = crm.contact(
        email="ada@example.com", tags=["vip"], customFields=[{"id": "CF_MONEY", "field_value": 5}]
    )
    crm.ok("POST", f"/contacts/{contact_id}/notes", {"body": "x"})
    crm.ok("POST", f"/contacts/{contact_id}/workflow/WF1")
    opportunity = crm.opportunity(contact_id).json()["opportunity"]
    state.emr("zenith")["seen"] = 3
    state.path = tmp_path / "deep" / "state.json"
    snapshot.save(state)

    again = State(state.path, KEY)
    snapshot.load(again)
    url, stop = serve_in_thread(again)
    copy = Crm(url)
    assert copy.read(contact_id) == crm.read(contact_id)
    assert copy.ok("GET", f"/opportunities/{opportunity['id']}")["opportunity"] == opportunity
    assert copy.opportunity(contact_id).json()["meta"]["existingId"] == opportunity["id"]
    assert (
        copy.call("POST", "/contacts/", {"locationId": "LOC1", "email": "ada@example.com"}).status_code == 400
    )
    assert copy.door("GET", "/summary") == crm.door("GET", "/summary")
    assert copy.door("GET", "/enrolments") == crm.door("GET", "/enrolments")
    assert copy.door("GET", "/sub-accounts") == crm.door("GET", "/sub-accounts")
    assert again.emr("zenith") == {"seen": 3}
    copy.session.close()
    stop()


def test_the_file_is_for_its_owner_only_and_leaves_no_parts(state, tmp_path):
    state.path = tmp_path / "state.json"
    snapshot.save(state)
    snapshot.save(state)
    assert os.listdir(tmp_path) == ["state.json"]
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_file(state, tmp_path, monkeypatch):
    state.path = tmp_path / "state.json"
    snapshot.save(state)
    before = state.path.read_text()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        snapshot.save(state)
    assert os.listdir(tmp_path) == ["state.json"]
    assert state.path.read_text() == before


def test_a_file_of_another_format_is_refused(tmp_path):
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match="another format"):
        snapshot.load(State(path, KEY))


def test_a_missing_file_is_an_empty_start(tmp_path):
    state = State(tmp_path / "state.json", KEY)
    snapshot.load(state)
    assert state.counts() == {"contacts": 0, "notes": 0, "opportunities": 0}


def test_changes_reach_the_file_within_seconds_and_at_the_end(crm, state, tmp_path):
    state.path = tmp_path / "state.json"
    keeper = snapshot.Keeper(state)
    keeper.start()
    crm.contact(email="ada@example.com")
    deadline = time.monotonic() + 5
    while not state.path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(json.loads(state.path.read_text())["contacts"]) == 1
    crm.contact(email="bob@example.com")
    keeper.finish()
    assert len(json.loads(state.path.read_text())["contacts"]) == 2


def test_without_changes_nothing_is_written(state, tmp_path):
    state.path = tmp_path / "state.json"
    keeper = snapshot.Keeper(state)
    keeper.start()
    keeper.finish()
    assert not state.path.exists()
