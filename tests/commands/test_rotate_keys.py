"""`rotate_keys`: afterwards the first key alone opens everything, and people are still found."""

from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db.models import F, TextField
from django.db.models.functions import Cast

from integrations.models import Connection, InboundEvent, Patient, SearchKey, SubAccount
from integrations.sync import rotation
from integrations.sync.rotation import Rotated, encrypted_columns, rotate_column, rotate_search_keys
from tenants.encryption import encrypt, search_digests
from tests.commands import rows

pytestmark = pytest.mark.django_db

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture(autouse=True)
def old_key(settings: Any) -> None:
    settings.FIELD_KEYS = [OLD]


def tokens(model: Any, column: str) -> list[str]:
    found = model.objects.across_practices().annotate(raw=Cast(F(column), TextField())).order_by("pk")
    return list(found.values_list("raw", flat=True))


def rotated(code: int = 0) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    if code:
        with pytest.raises(SystemExit) as caught:
            call_command("rotate_keys", stdout=out, stderr=err)
        assert caught.value.code == code
    else:
        call_command("rotate_keys", stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_first_key_alone_opens_everything_afterwards(settings: Any) -> None:
    connection = rows.connection()
    rows.patient(connection)
    event = rows.event(connection, "one")
    rows.effect(event, "contact")
    secret = SubAccount.objects.across_practices().get().webhook_secret
    settings.FIELD_KEYS = [NEW, OLD]
    out, _ = rotated()
    settings.FIELD_KEYS = [NEW]
    assert Connection.objects.across_practices().get().credential("header_secret") == "hush"
    account = SubAccount.objects.across_practices().get()
    assert (account.token, account.webhook_secret) == ("pit-one", secret)
    assert Patient.objects.across_practices().get().demographics["first_name"] == "Ada"
    assert InboundEvent.objects.across_practices().get().payload == '{"event": "one"}'
    assert event.effects.get().body == {"what": "contact"}
    assert "integrations.SubAccount.token: 1 looked at, 1 renewed" in out
    assert "people search: 1 looked at, 1 renewed" in out


def test_every_encrypted_column_is_found() -> None:
    found = {f"{model.__name__}.{column}" for model, column in encrypted_columns()}
    assert {
        "Connection.credentials",
        "SubAccount.token",
        "SubAccount.webhook_secret",
        "InboundEvent.payload",
        "Patient.demographics",
        "Effect.body",
        "Visit.states",
    } <= found


def test_people_are_found_during_and_after_a_rotation(settings: Any) -> None:
    patient = rows.patient(rows.connection())

    def finds(term: str) -> bool:
        keys = SearchKey.objects.for_practice(patient.practice_id)
        return keys.filter(digest__in=search_digests(term), patient=patient).exists()

    settings.FIELD_KEYS = [NEW, OLD]
    assert finds("email:ada.stone@example.com")
    rotated()
    settings.FIELD_KEYS = [NEW]
    for term in (
        "email:ada.stone@example.com",
        "phone:+12125550142",
        "phone_end:0142",
        "name:ada",
        "id:p-77",
    ):
        assert finds(term), term
    assert SearchKey.objects.across_practices().count() == 6


def test_a_second_run_renews_nothing(settings: Any) -> None:
    rows.patient(rows.connection())
    settings.FIELD_KEYS = [NEW, OLD]
    rotated()
    before = tokens(Patient, "demographics")
    out, _ = rotated()
    assert tokens(Patient, "demographics") == before
    assert "integrations.Patient.demographics: 1 looked at, 0 renewed" in out
    assert "people search: 1 looked at, 0 renewed" in out


def test_small_batches_reach_every_row(settings: Any) -> None:
    connection = rows.connection()
    for number in range(5):
        rows.event(connection, str(number))
    settings.FIELD_KEYS = [NEW, OLD]
    done = rotate_column(InboundEvent, "payload", batch=2)
    assert (done.looked_at, done.renewed) == (5, 5)
    settings.FIELD_KEYS = [NEW]
    assert [event.payload for event in InboundEvent.objects.across_practices().order_by("pk")][
        4
    ] == '{"event": "4"}'


def test_patients_are_hashed_batch_by_batch(settings: Any) -> None:
    connection = rows.connection()
    for number in range(3):
        Patient.objects.create(practice=connection.practice, connection=connection, external_id=str(number))
    done = rotate_search_keys(batch=2)
    assert (done.looked_at, done.renewed) == (3, 3)
    assert SearchKey.objects.across_practices().count() == 3


def test_a_value_written_meanwhile_is_not_overwritten(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    event = rows.event(rows.connection(), "before")
    settings.FIELD_KEYS = [NEW, OLD]
    original = rotation._replacements

    def late(found: list[tuple[Any, str]], done: Rotated) -> list[tuple[Any, str, str]]:
        replacements = list(original(found, done))
        InboundEvent.objects.across_practices().filter(pk=event.pk, payload__gt="").update(payload="after")
        return replacements

    monkeypatch.setattr(rotation, "_replacements", late)
    rotate_column(InboundEvent, "payload")
    event.refresh_from_db()
    assert event.payload == "after"


def test_a_value_that_keeps_changing_is_counted_and_asks_for_another_run(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.event(rows.connection(), "one")
    settings.FIELD_KEYS = [NEW, OLD]
    monkeypatch.setattr(
        rotation,
        "_replacements",
        lambda found, done: [(pk, "no longer this", encrypt("x")) for pk, _ in found],
    )
    done = rotate_column(InboundEvent, "payload")
    assert (done.renewed, done.left) == (0, 1)
    _, err = rotated(code=1)
    assert "run this again" in err


def test_a_value_that_no_key_opens_is_counted_kept_and_told(settings: Any) -> None:
    rows.event(rows.connection(), "one")
    kept = tokens(InboundEvent, "payload")
    settings.FIELD_KEYS = [NEW, OTHER]
    done = rotate_column(InboundEvent, "payload")
    assert (done.looked_at, done.renewed, done.unreadable) == (1, 0, 1)
    assert tokens(InboundEvent, "payload") == kept


def test_the_command_fails_when_something_stays_unreadable(settings: Any) -> None:
    rows.event(rows.connection(), "one")
    settings.FIELD_KEYS = [NEW, OTHER]
    _, err = rotated(code=1)
    assert "open with none of FIELD_KEYS: put the former key back" in err


def test_without_rotation_a_removed_key_locks_us_out(settings: Any) -> None:
    rows.event(rows.connection(), "one")
    settings.FIELD_KEYS = [NEW]
    with pytest.raises(ImproperlyConfigured):
        InboundEvent.objects.across_practices().get()
