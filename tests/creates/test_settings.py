"""What a connection may set: tags, required fields, a postal code; and to which location a patient goes."""

from typing import Any

import pytest

from integrations.contract import creating
from integrations.contract.records import Person
from integrations.models import Connection, CreateState
from integrations.sync.create_back.same_person import Likeness, likeness
from tests.creates.sides import ModMed, Nextech, Practice, first_line
from tests.polling.offices import Crm

SITES = [
    {"external_id": "5", "name": "South Dermatology", "time_zone": None, "sub_account": "main"},
    {"external_id": "6", "name": "Harbor Med Spa", "time_zone": None, "sub_account": None},
]


@pytest.mark.django_db
def test_an_alias_creates_too(crm: Crm, sandbox: str) -> None:
    practice = Practice(crm, ModMed(sandbox), switches={"create_tag_aliases": ["New EMA patient", "x"]})
    contact_id = practice.ask("new-ema-patient")
    assert practice.request.state == CreateState.CREATED
    assert practice.shown(contact_id)["tags"] == []


@pytest.mark.django_db
@pytest.mark.parametrize("fields", [["first_name", "last_name"], "first_name, last_name"])
def test_the_required_fields_are_the_connection_s(crm: Crm, sandbox: str, fields: Any) -> None:
    practice = Practice(
        crm, ModMed(sandbox), switches={"create_required_fields": ["first_name", "last_name"]}
    )
    Connection.objects.across_practices().update(switches={"create_required_fields": fields})
    practice.connection.refresh_from_db()
    practice.connection.save()
    practice.ask(without=["gender"])
    assert practice.request.state == CreateState.CREATED


@pytest.mark.django_db
def test_a_field_may_be_required_on_top(crm: Crm, sandbox: str) -> None:
    fields = ["first_name", "last_name", "email", "phone", "birth_date", "gender"]
    practice = Practice(crm, Nextech(sandbox), switches={"create_required_fields": fields})
    practice.ask(without=["gender"])
    assert practice.problems() == ["Gender is missing."]


@pytest.mark.django_db
def test_the_default_postal_code_serves_who_has_none(crm: Crm, sandbox: str) -> None:
    practice = Practice(crm, Nextech(sandbox), switches={"default_postal_code": "33701"})
    practice.ask(without=["postalCode"])
    (patient,) = practice.side.patients()
    assert patient["zip"] == "33701"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "location"),
    [("Harbor Med Spa", "6"), (" harbor  med spa", "6"), ("6", "6"), ("", "5")],
    ids=["name", "name otherwise written", "id", "nothing: the one of this sub-account"],
)
def test_a_nextech_patient_goes_to_the_location_that_the_contact_names(
    crm: Crm, sandbox: str, said: str, location: str
) -> None:
    practice = Practice(crm, Nextech(sandbox), locations=SITES)
    practice.ask(fields={"NXT Create Location": said} if said else {})
    (patient,) = practice.side.patients()
    assert patient["location"] == location
    assert practice.request.location_id == location


@pytest.mark.django_db
def test_a_location_that_nobody_knows_is_named(crm: Crm, sandbox: str) -> None:
    practice = Practice(crm, Nextech(sandbox), locations=SITES)
    contact_id = practice.ask(fields={"NXT Create Location": "Nowhere"})
    assert practice.problems() == ["NXT Create Location: the practice has no location of that name or id."]
    assert len(practice.notes(contact_id)) == 1
    assert practice.side.patients() == []


@pytest.mark.django_db
def test_several_connections_with_one_tag_each_get_the_patient(crm: Crm, sandbox: str) -> None:
    modmed, nextech = ModMed(sandbox), Nextech(sandbox)
    both = [
        {"key": "modmed", "emr": "modmed", **modmed.connection()},
        {
            "key": "nxt",
            "emr": "nextech_cloud",
            "switches": {"create_tag_aliases": ["both"]},
            **nextech.connection(),
        },
    ]
    both[0]["switches"] = {"create_tag_aliases": ["both"]}
    practice = Practice(crm, modmed, connections=both)
    contact_id = practice.ask("both")
    assert [row.state for row in practice.requests()] == [CreateState.CREATED, CreateState.CREATED]
    assert (len(modmed.patients()), len(nextech.patients())) == (1, 1)
    lines = {first_line(note) for note in practice.notes(contact_id)}
    assert lines == {"ModMed: patient created", "Nextech Cloud: patient created"}
    assert practice.shown(contact_id)["tags"] == []


@pytest.mark.django_db
def test_a_missing_patient_id_field_is_asked_for_after_the_contact_was_told(crm: Crm, sandbox: str) -> None:
    practice = Practice(crm, ModMed(sandbox))
    practice.crm.reset()
    practice.account.custom_fields.all().delete()
    contact_id = practice.ask()
    assert len(practice.side.patients()) == 1
    assert len(practice.notes(contact_id)) == 1
    assert practice.shown(contact_id)["tags"] == []
    assert (practice.event().state, practice.event().parked_as) == ("parked", "config")
    assert "ModMed Patient ID" in practice.event().reason


# --- rules, by themselves ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "digits"),
    [
        ("+1 (212) 555-0147", "2125550147"),
        ("212.555.0147", "2125550147"),
        ("", ""),
        ("555-0147", None),
        ("+44 20 7946 0123", None),
        ("call me", None),
        ("1112223333", None),
    ],
)
def test_phones_become_ten_digits(raw: str, digits: str | None) -> None:
    assert creating.ten_digits(raw) == digits


@pytest.mark.parametrize(
    ("raw", "code"),
    [("Female", "female"), ("m", "male"), ("Non-binary", "other"), ("", ""), ("???", ""), ("banana", None)],
)
def test_genders_become_codes(raw: str, code: str | None) -> None:
    assert creating.gender_code(raw) == code


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("33609", "33609"),
        ("33609-1234", "33609-1234"),
        ("k1a 0b1", "K1A 0B1"),
        ("", ""),
        ("!", None),
        ("9", None),
    ],
)
def test_postal_codes_are_read(raw: str, code: str | None) -> None:
    assert creating.postal_code(raw) == code


@pytest.mark.parametrize(
    ("body", "location", "found"),
    [
        ("7", "", "7"),
        ("", "https://x.example.com/Patient/5199", "5199"),
        ("", "/Patient/5199/_history/1", "5199"),
        ("", "", ""),
    ],
)
def test_the_new_id_is_in_the_body_or_at_the_end_of_the_address(body: str, location: str, found: str) -> None:
    assert creating.new_id(body, location) == found


@pytest.mark.parametrize(
    ("patient", "known_id", "how"),
    [
        ({}, "", Likeness.UNSURE),
        ({"email": "nora@example.com"}, "", Likeness.SURE),
        ({"phone": "+1 212 555 0147"}, "", Likeness.SURE),
        ({"last_name": "O'Vance-Smith", "email": "nora@example.com"}, "", Likeness.UNSURE),
        ({"first_name": "Otto", "last_name": "Berg", "email": "nora@example.com"}, "", Likeness.OTHER),
        ({"gender": "male", "email": "nora@example.com"}, "", Likeness.UNSURE),
        ({}, "77", Likeness.SURE),
    ],
)
def test_without_a_birthday_name_and_e_mail_or_phone_are_sure(
    patient: dict[str, str], known_id: str, how: Likeness
) -> None:
    me = Person(
        "",
        first_name="Nora",
        last_name="Vance",
        email="nora@example.com",
        phone="2125550147",
        gender="female",
    )
    other = Person(**{"external_id": "77", "first_name": "Nora", "last_name": "Vance", **patient})
    assert likeness(me, other, known_id) is how
