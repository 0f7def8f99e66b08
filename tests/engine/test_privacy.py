"""No patient in clear: not in the database, the log, an address, an exception or a row's name; search works."""

import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.contrib import admin
from django.core.management import call_command
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from axconnect.logs import LineFormatter
from integrations.contract.records import Person
from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import Effect, InboundEvent, Patient
from integrations.models.people import SearchKey
from integrations.sync import profile
from integrations.sync.people import remember_person, search_terms
from integrations.sync.replay import replay
from integrations.views.search import patients_for
from tenants.encryption import EncryptedJSONField, EncryptedTextField
from tenants.models import User
from tests.engine.world import WORKFLOWS, World, at, visit

# Last names that are no words of this program.
CAST = tuple(replace(client, last_name=f"{client.last_name}quist") for client in apro.CLIENTS)
# An invented word in every text field where a front desk might type about a patient.
TYPED = "Xanthippe"


def words_of(client: apro.Client) -> list[str]:
    """What must stand nowhere: names, e-mail, phone in its usual forms, street, birth date in its usual forms."""
    digits = re.sub(r"\D", "", client.mobile_phone)
    born = client.born
    return [
        client.first_name,
        client.last_name,
        client.email,
        client.mobile_phone,
        digits,
        f"{digits[3:6]}-{digits[6:]}",
        client.address1,
        born.isoformat(),
        f"{born.month}/{born.day}/{born.year}",
        f"{born:%m/%d/%Y}",
    ]


NEEDLES = sorted({word for client in CAST for word in words_of(client)} | {TYPED})
_NEEDLE = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, NEEDLES)) + r")(?!\w)", re.IGNORECASE)


def told(text: str) -> list[str]:
    """What of the cast stands in a text."""
    return sorted(set(_NEEDLE.findall(text)))


def test_what_must_stand_nowhere_would_be_found():
    assert told("Reminder for alba.winter@example.com")
    assert told("ALBA") == ["ALBA"]
    assert told("Winterquist, A.")
    assert told('{"phone":"(212) 555-0100","born":"1958-01-01"}')
    assert not told("Botox at Downtown with Dana Reyes, NP on 3/12/2026")


def a_day(url: str) -> World:
    """A practice after a day with the whole cast: everything that can happen has happened to somebody."""
    world = World(url)
    world.map_workflows(act_on_reschedules=True)
    for number, client in enumerate(CAST):
        own = replace(visit(number), client=client)
        world.post(apro.booked(own, at(number)))
        world.post(apro.client_saved(client, at(number + 1)))
        world.post(apro.invoice_paid(own, 900 + number, at(number + 2)))
    world.work()
    trouble(world)
    return world


def trouble(world: World) -> None:
    """What could make somebody write a patient's words into a message."""
    first, second = CAST[:2]
    quoting = {"message": [f"phone {first.mobile_phone} of {first.email} is not valid"], "statusCode": 422}
    world.faults({"route": "PUT /contacts/{id}", "status": 422, "body": quoting})
    world.take(apro.cancelled(replace(visit(0), client=first), at(60)))
    world.faults({"route": "POST /contacts/{id}/notes", "kind": "close", "after": True})
    world.take(apro.no_show(replace(visit(1), client=second), at(61)))
    world.work(hurry=True)
    # A stranger with the same phone, somebody who cannot be reached, a body that does not fit, no JSON at all.
    stranger = replace(first, client_id=9001, first_name=TYPED, last_name=TYPED, email="", born=second.born)
    world.take(apro.booked(replace(visit(70), client=stranger), at(62)))
    nobody = replace(second, client_id=9002, email="", mobile_phone="")
    world.take(apro.booked(replace(visit(71), client=nobody), at(63)))
    odd = apro.booked(replace(visit(72), client=first), at(64))
    odd["data"]["date_time"] = f"{TYPED} 12"
    odd["data"]["client"]["gender"] = TYPED
    world.take(odd)
    world.post(apro.client_saved(first, at(65)) | {"event": f"{TYPED}, {first.first_name}!"})
    world.post(b'{"name": "' + TYPED.encode() + b'", ')
    for event in world.events()[:3]:
        replay(event)
    world.work(hurry=True)
    assert {"done", "held", "skipped", "parked"} <= world.states().keys()


# The database, the log, names of rows


def tables() -> Iterator[tuple[str, str]]:
    """Every table's content as the database holds it, read past the models."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            yield f"table {table}", " ".join(str(value) for row in cursor.fetchall() for value in row)


def database_files() -> Iterator[tuple[str, str]]:
    """The database file and its journal, byte for byte, where there is one."""
    if connection.vendor == "sqlite":
        path = Path(connection.settings_dict["NAME"])
        for file in (path, *path.parent.glob(f"{path.name}-wal")):
            yield f"file {file.name}", file.read_bytes().decode("latin-1")


def names_of_rows() -> Iterator[tuple[str, str]]:
    for model in apps.get_models():
        if model._meta.managed:
            yield f"str of {model.__name__}", " ".join(f"{row} {row!r}" for row in model._base_manager.all())


def as_written(records: list[logging.LogRecord]) -> str:
    """Everything down to DEBUG as the service's own formatter writes it."""
    formatter = LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    return "\n".join(formatter.format(record) for record in records)


@pytest.mark.django_db(transaction=True)
def test_after_a_day_with_the_whole_cast_no_patient_stands_in_clear(crm_url, caplog):
    caplog.set_level(logging.DEBUG)
    world = a_day(crm_url)
    log = as_written(caplog.records)
    places = dict([*tables(), *database_files(), *names_of_rows(), ("log", log)])
    assert {place: words for place, text in places.items() if (words := told(text))} == {}

    # All that would also hold if nothing had been kept or logged.
    assert "appointment.created" in places["table integrations_inboundevent"]
    assert any(
        "appointment.created" in text for place, text in places.items() if place.startswith("file")
    ) or (connection.vendor != "sqlite")
    assert "Bad Request" in log
    patient = Patient.objects.for_practice(world.practice).get(external_id="5001")
    assert patient.demographics["first_name"] == CAST[0].first_name
    assert InboundEvent.objects.for_practice(world.practice).filter(patient=patient).count() > 3
    sent = Effect.objects.for_practice(world.practice).filter(event__patient=patient, kind="contact")
    assert {effect.body["native"]["email"] for effect in sent} == {CAST[0].email}
    # Keys and tokens are no business of the log either.
    assert world.connection.webhook_key not in log
    assert "pit-test" not in log


# Addresses


def addresses(browser: Browser) -> Iterator[str]:
    """Addresses of the staff application, and every address on its pages."""
    for model in admin.site._registry:
        if not model._meta.managed:
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        ids = model._base_manager.order_by("-pk").values_list("pk", flat=True)[:2]
        for page in [reverse(f"{name}_changelist"), *(reverse(f"{name}_change", args=[pk]) for pk in ids)]:
            yield page
            answer = browser.get(page)
            assert answer.status_code in (200, 302, 403), (page, answer.status_code)
            yield from re.findall(r"(?:href|src|action|hx-get|hx-post)=\"([^\"]*)\"", answer.content.decode())


@pytest.fixture
def staff(world: World) -> Browser:
    """An administrator who looks at a practice with a patient, a held event and a parked one."""
    world.take(apro.booked(replace(visit(), client=CAST[0]), at(0)))
    stranger = replace(CAST[1], mobile_phone=CAST[0].mobile_phone)
    world.take(apro.invoice_paid(replace(visit(2), client=stranger), 900, at(1)))
    world.take(apro.booked(replace(visit(3), client=CAST[2]), at(2)) | {"data": {"client_id": "5003"}})
    assert world.states() == {"done": 1, "held": 1, "parked": 1}
    browser = Browser()
    boss = User.objects.create_superuser("staff@example.com", "x")
    browser.force_login(boss, "django.contrib.auth.backends.ModelBackend")
    return browser


def test_no_address_of_the_staff_application_holds_anything_of_a_patient(staff):
    found = list(addresses(staff))
    assert len(found) > 500
    assert told(" ".join(found)) == []


def test_patient_search_is_a_post_that_nothing_keeps(staff):
    url = reverse("admin:find-patient")
    assert CAST[0].first_name not in staff.get(url, {"words": CAST[0].last_name}).content.decode()
    answer = staff.post(url, {"words": CAST[0].last_name})
    assert CAST[0].first_name in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]


# Search through digests

ONE = CAST[2]
DIGITS = re.sub(r"\D", "", ONE.mobile_phone)
FOUND_BY = [
    ONE.email,
    ONE.email.upper(),
    ONE.mobile_phone,
    f"+1{DIGITS}",
    DIGITS[-4:],
    str(ONE.client_id),
    ONE.last_name,
    ONE.first_name.lower(),
    f"{ONE.last_name} {ONE.first_name}",
]


def remember(world: World, client: apro.Client) -> None:
    own = {"practice": world.practice, "connection": world.connection}
    pk = str(client.client_id)
    person = Person(pk, client.first_name, client.last_name, client.email, client.mobile_phone, client.born)
    remember_person(Patient(**own, external_id=pk), person, "US")


def test_people_are_found_by_what_somebody_has_in_hand_and_by_nobody_without_a_role(world):
    for client in CAST[:6]:
        remember(world, client)
    boss = User.objects.create_superuser("staff@example.com", "x")
    stranger = User.objects.create_user("stranger@example.com", is_staff=True)
    for typed in FOUND_BY:
        assert [row.external_id for row in patients_for(boss, typed)] == [str(ONE.client_id)], typed
        assert list(patients_for(stranger, typed)) == []
    assert list(patients_for(boss, "Nobody")) == []


def test_a_search_key_is_a_keyed_hash_that_a_word_list_does_not_open(world):
    remember(world, ONE)
    digests = set(SearchKey.objects.for_practice(world.practice).values_list("digest", flat=True))
    terms = search_terms({"email": ONE.email, "last_name": ONE.last_name}, str(ONE.client_id))
    guesses = {text for kind, value in terms for text in (value, f"{kind}:{value}")}
    plain = {hashlib.sha256(guess.encode()).hexdigest() for guess in guesses}
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests)
    assert not digests & plain


# What the models promise


def columns(*kinds: Any) -> set[str]:
    return {
        f"{model.__name__}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.fields
        if isinstance(field, kinds)
    }


def test_what_identifies_a_patient_and_what_opens_a_door_are_encrypted_columns():
    assert columns(EncryptedJSONField, EncryptedTextField) >= {
        "InboundEvent.payload",
        "Patient.demographics",
        "Effect.body",
        "Visit.states",
        "Connection.credentials",
        "SubAccount.token",
        "SubAccount.webhook_secret",
    }


def test_change_history_covers_the_set_up_only():
    kept = {model.__name__ for model in apps.get_models() if hasattr(model, "history")}
    assert {"Connection", "SubAccount", "Practice"} <= kept
    people = {"Patient", "Contact", "ContactLink", "IdentityQuestion", "SearchKey", "Opportunity"}
    records = {"InboundEvent", "Effect", "Visit", "LedgerRow", "Lane"}
    assert not kept & (people | records)


def test_a_birth_date_is_remembered_as_a_mark_that_outlives_a_change_of_keys(world, settings):
    """The contact keeps which birth date it was enrolled for, not the date; a new key does not enrol it again."""
    world.map_workflows()
    world.take(apro.invoice_paid(visit(), 900, at(0)))
    assert re.fullmatch(r"[0-9a-f]{64}", world.our_contact().birthday_enrolled_for)
    old = settings.FIELD_KEYS
    settings.FIELD_KEYS = [Fernet.generate_key().decode(), *old]
    call_command("rotate_keys", stdout=StringIO())
    settings.FIELD_KEYS = settings.FIELD_KEYS[:1]
    profile._profiles.clear()
    world.take(apro.retail_sale(apro.CLIENTS[0], apro.RETAIL[:1], 901, at(5), visit().site))
    assert world.enrolments().count(WORKFLOWS["APro Birthday"]) == 1
