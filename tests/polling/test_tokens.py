"""Tokens are shared by all processes, renewed by one at a time, and stored before they are used."""

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db import connections
from django.utils import timezone

from integrations.contract.errors import AuthError, TransientError
from integrations.emrs.nextech_cloud.sandbox import Office
from integrations.models import Connection, ConnectionToken
from integrations.sync import emr_access
from integrations.sync.emr_access import StoredTokens, client_for
from integrations.sync.profile import load_profile
from tests.polling.offices import poll_all


def row() -> ConnectionToken:
    found: ConnectionToken = ConnectionToken.objects.across_practices().get()
    return found


def test_what_is_renewed_is_stored_and_encrypted(bare: Connection) -> None:
    tokens = StoredTokens(bare.pk)
    assert tokens.read() == {}
    assert tokens.renew(lambda stored: {"access_token": "secret-1", "was": dict(stored)}) == {
        "access_token": "secret-1",
        "was": {},
    }
    assert StoredTokens(bare.pk).renew(lambda stored: {"was": stored["access_token"]}) == {"was": "secret-1"}
    with database.cursor() as cursor:
        cursor.execute(f"SELECT tokens FROM {ConnectionToken._meta.db_table}")
        assert "secret" not in str(cursor.fetchall())
    tokens.forget()
    assert tokens.read() == {}


def test_a_renewal_that_fails_leaves_the_old_ones_and_lets_the_next_in(bare: Connection) -> None:
    tokens = StoredTokens(bare.pk)
    tokens.renew(lambda stored: {"access_token": "one"})

    def refuse(stored: Mapping[str, Any]) -> Mapping[str, Any]:
        raise AuthError("No.")

    with pytest.raises(AuthError):
        tokens.renew(refuse)
    assert tokens.read() == {"access_token": "one"}
    assert (row().lease_owner, row().lease_until) == ("", None)
    assert tokens.renew(lambda stored: {"access_token": "two"}) == {"access_token": "two"}


def test_a_process_that_dies_while_it_signs_in_lets_the_next_in_when_its_lease_is_over(
    bare: Connection,
) -> None:
    tokens = StoredTokens(bare.pk)
    tokens.renew(lambda stored: {"access_token": "one"})
    held = {"lease_owner": "dead", "lease_until": timezone.now() + timedelta(seconds=0.5)}
    ConnectionToken.objects.across_practices().update(**held)
    began = time.monotonic()
    assert tokens.renew(lambda stored: {"access_token": "two"}) == {"access_token": "two"}
    assert 0.2 < time.monotonic() - began < 10
    assert emr_access.RENEWAL_LEASE.total_seconds() < emr_access.RENEWAL_PATIENCE_SECONDS


def test_who_waits_too_long_says_so(bare: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emr_access, "RENEWAL_PATIENCE_SECONDS", 0.2)
    tokens = StoredTokens(bare.pk)
    tokens.renew(lambda stored: {})
    ConnectionToken.objects.across_practices().update(
        lease_owner="another", lease_until=timezone.now() + timedelta(minutes=1)
    )
    with pytest.raises(TransientError, match="still signing in"):
        tokens.renew(lambda stored: {"never": "made"})
    assert row().lease_owner == "another"


def test_a_sign_in_that_took_too_long_does_not_overwrite_the_next_ones_tokens(bare: Connection) -> None:
    tokens = StoredTokens(bare.pk)

    def slow(stored: Mapping[str, Any]) -> Mapping[str, Any]:
        ConnectionToken.objects.across_practices().update(lease_until=timezone.now())
        StoredTokens(bare.pk).renew(lambda stored: {"access_token": "theirs"})
        return {"access_token": "ours, too late"}

    with pytest.raises(TransientError, match="another process did it"):
        tokens.renew(slow)
    assert tokens.read() == {"access_token": "theirs"}


@pytest.fixture
def shared(transactional_db: None, nextech: Connection) -> Iterator[Connection]:
    """A connection that several threads see."""
    yield nextech
    connections.close_all()


def test_threads_that_need_a_token_at_once_sign_in_once(shared: Connection, office: Office) -> None:
    profile = load_profile(shared.practice_id).connections[shared.pk]
    office.forget_requests()
    together, found = threading.Barrier(6), []

    def read() -> None:
        client = client_for(profile)
        together.wait()
        try:
            found.append(len(client.locations()))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 6
    paths = [request["path"] for request in office.requests()]
    assert paths.count("/oauth2/token") == 1
    assert row().lease_owner == ""


def test_a_refresh_token_that_serves_once_is_replaced_in_store_before_it_is_used(
    nextech: Connection, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll_all(nextech)
    before = StoredTokens(nextech.pk).read()
    office.end_tokens()
    seen: list[Any] = []
    real = emr_access.StoredTokens.renew

    def renew(self: StoredTokens, make: Any) -> Any:
        fresh = real(self, make)
        seen.append((fresh, StoredTokens(nextech.pk).read()))
        return fresh

    monkeypatch.setattr(emr_access.StoredTokens, "renew", renew)
    poll_all(nextech, "patients")
    ((given, stored),) = seen
    assert given == stored
    assert stored["refresh_token"] != before["refresh_token"]
