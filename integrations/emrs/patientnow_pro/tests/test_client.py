"""Calls over HTTP against the pretend PatientNow Pro: what comes back, and what every refusal means."""

from datetime import date

import pytest
import responses

from integrations.contract.errors import (
    AuthError,
    ConfigError,
    ContractError,
    MalformedPayload,
    NotFoundError,
    RateLimited,
    RejectedError,
    TransientError,
)
from integrations.contract.protocols import TypeOption
from integrations.contract.records import LocationRef, Person
from integrations.emrs.patientnow_pro.client import CALLS_PER_SECOND, CAPABILITIES
from integrations.emrs.patientnow_pro.sandbox import TYPES

SOMEBODY = Person(
    "",
    first_name="Ida",
    last_name="Lorenz",
    email="ida.lorenz@example.com",
    phone="(305) 555-0177",
    birth_date=date(1980, 5, 4),
    gender="female",
    address1="1 Bay Rd",
    postal_code="33101",
)


@pytest.fixture
def patient(world):
    return world.practice.new_patient()["patientId"]


def refused(world, call):
    with pytest.raises(ContractError) as fault:
        call(world.client())
    return fault.value


def test_a_record_comes_back_raw(world, patient):
    assert world.client().patient(patient) == world.practice.record("patients", patient)


def test_every_call_waits_for_its_turn(world, patient):
    world.client().patient(patient)
    world.client().facilities()
    assert world.turns == 2
    assert CALLS_PER_SECOND > 0


def test_facilities_are_the_locations(world):
    assert world.client().locations() == [LocationRef("F1", "Miami"), LocationRef("F2", "Coral Gables")]


def test_appointment_types_in_use_are_listed_by_code_name_and_class(world):
    found = world.client().appointment_types()
    assert found == [TypeOption(one.code, one.name, type_class=one.type_class) for one in TYPES if one.active]
    assert "Vein Clinic" not in [one.name for one in found]


@pytest.mark.parametrize("capability", [one.name for one in CAPABILITIES])
def test_every_capability_can_be_tried(world, capability):
    assert world.client().test(capability).endswith(".")
    world.practice.set_up(revoked=True)
    with pytest.raises(AuthError):
        world.client().test(capability)


def test_trying_the_search_asks_for_nobody(world, patient):
    assert world.client().test("patients") == "PatientNow Pro shows us its patients."
    world.practice.set_up(forbidden=["patients"])
    fault = refused(world, lambda client: client.test("patients"))
    assert isinstance(fault, AuthError)


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [{"api_key": "other"}, {"practice_id": "PN-other"}])
def test_wrong_credentials_need_new_ones(world, patient, wrong):
    with pytest.raises(AuthError, match="enter new ones") as fault:
        world.client(**wrong).patient(patient)
    assert fault.value.status == 401


@pytest.mark.parametrize("name", ["api_key", "practice_id"])
def test_a_missing_credential_is_named_before_any_call(world, name):
    with pytest.raises(AuthError, match=name.replace("_", " ")):
        world.client(**{name: ""}).facilities()
    assert world.turns == 0


def test_a_missing_base_address_is_somebody_s_to_enter(world):
    with pytest.raises(ConfigError, match="no base address"):
        world.client(base_url="").facilities()


def test_an_address_that_is_not_the_api_is_somebody_s_to_correct(world):
    with pytest.raises(ConfigError, match="check the base address"):
        world.client(base_url=world.practice.base_url + "/v9").facilities()


def test_what_the_plan_does_not_cover_is_said(world, patient):
    world.practice.set_up(forbidden=["bills"])
    fault = refused(world, lambda client: client.bill("B-1"))
    assert isinstance(fault, AuthError)
    assert fault.status == 403
    assert "paid API access" in str(fault)
    assert world.client().patient(patient)


@pytest.mark.parametrize(
    ("read", "words"),
    [
        ("patient", "no such patient"),
        ("appointment", "no such appointment"),
        ("bill", "no such bill"),
        ("membership", "no such membership"),
    ],
)
def test_a_record_that_is_gone_is_rejected_in_words(world, read, words):
    fault = refused(world, lambda client: getattr(client, read)("987654"))
    assert isinstance(fault, NotFoundError)
    assert isinstance(fault, RejectedError)
    assert words in str(fault)
    assert "987654" not in str(fault) + fault.vendor_words


@pytest.mark.parametrize("said", ["7", "", "0.5"])
def test_a_429_waits_as_told(world, patient, said):
    world.practice.set_up(throttle=1, retry_after=said)
    fault = refused(world, lambda client: client.patient(patient))
    assert isinstance(fault, RateLimited)
    assert fault.retry_after == float(said or 10)
    assert world.client().patient(patient)


def test_one_call_of_every_few_is_turned_away(world, patient):
    world.practice.set_up(throttle_every=3)
    outcomes = []
    for _ in range(9):
        try:
            world.client().patient(patient)
            outcomes.append("fine")
        except RateLimited:
            outcomes.append("wait")
    assert outcomes.count("wait") == 3


def test_a_server_error_is_for_later(world, patient):
    world.practice.set_up(server_error=1)
    fault = refused(world, lambda client: client.patient(patient))
    assert isinstance(fault, TransientError)
    assert (fault.status, fault.may_have_happened) == (500, False)
    assert world.client().patient(patient)


def test_nobody_answering_is_for_later(world):
    with pytest.raises(TransientError):
        world.client(base_url="http://127.0.0.1:9/api").facilities()


@pytest.mark.parametrize("body", [[], "text", 7, None, {}, {"patient": {}}])
@responses.activate
def test_an_answer_that_is_no_record_is_for_later(world, body):
    responses.get("https://pn.example.com/patients/1", json=body)
    client = world.client(base_url="https://pn.example.com")
    with pytest.raises(TransientError, match="something else"):
        client.patient("1")


@responses.activate
def test_a_record_in_a_wrapper_is_unwrapped(world):
    responses.get("https://pn.example.com/patients/1", json={"Patient": {"patient_id": 1}})
    assert world.client(base_url="https://pn.example.com/").patient("1") == {"patient_id": 1}


@pytest.mark.parametrize("body", [{"facilities": "none"}, {}, "text"])
@responses.activate
def test_an_answer_that_is_no_list_is_for_later(world, body):
    responses.get("https://pn.example.com/facilities", json=body)
    with pytest.raises(TransientError, match="something else"):
        world.client(base_url="https://pn.example.com").locations()


@responses.activate
def test_a_bare_list_is_a_list_too_and_odd_rows_are_left_out(world):
    rows = [{"Id": 5, "Name": "North"}, "odd", {"id": ""}]
    responses.get("https://pn.example.com/facilities", json=rows)
    assert world.client(base_url="https://pn.example.com").locations() == [LocationRef("5", "North")]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RejectedError),
        (402, AuthError),
        (408, TransientError),
        (410, NotFoundError),
        (503, TransientError),
    ],
)
@responses.activate
def test_other_statuses_have_their_meaning(world, status, kind):
    words = "Patient Ida Lorenz, ida@example.com, 305-555-0177"
    responses.get("https://pn.example.com/patients/1", status=status, json={"error": words})
    with pytest.raises(kind) as fault:
        world.client(base_url="https://pn.example.com").patient("1")
    assert "@" not in fault.value.vendor_words
    assert "555" not in fault.value.vendor_words


@pytest.mark.parametrize("external_id", ["", ".", ".."])
def test_what_is_no_id_never_becomes_a_path(world, external_id):
    with pytest.raises(MalformedPayload):
        world.client().patient(external_id)
    assert world.turns == 0


def test_an_id_with_odd_signs_stays_one_id(world):
    fault = refused(world, lambda client: client.patient("../facilities?x=1#y"))
    assert isinstance(fault, ContractError)
    assert "GET /facilities" not in world.practice.calls()


# --- two-way -----------------------------------------------------------------------------------------------


def test_a_patient_is_created_found_and_not_made_twice(world):
    external_id = world.client().create(SOMEBODY)
    stored = world.practice.record("patients", external_id)
    assert (stored["gender"], stored["dateOfBirth"], stored["address"]["zip"]) == (
        "Female",
        "1980-05-04",
        "33101",
    )
    assert [one["patientId"] for one in world.client().search(SOMEBODY)] == [external_id]
    fault = refused(world, lambda client: client.create(SOMEBODY))
    assert isinstance(fault, RejectedError)
    assert (fault.status, fault.details["patientId"]) == (409, external_id)


def test_a_search_leaves_out_what_is_not_known(world):
    world.client().create(SOMEBODY)
    assert len(world.client().search(Person("", last_name="lorenz"))) == 1
    assert world.client().search(Person("", last_name="Lorenz", phone="305-555-0999")) == []


def test_a_refused_create_names_the_fields(world):
    fault = refused(world, lambda client: client.create(Person("", first_name="Ida", gender="robot")))
    assert isinstance(fault, RejectedError)
    assert fault.status == 422
    assert set(fault.details["errors"]) == {"lastName", "gender"}
    assert "lastName" in str(fault)
    assert "Ida" not in str(fault) + fault.vendor_words


def test_a_create_that_failed_may_have_happened(world):
    world.practice.set_up(server_error=1)
    fault = refused(world, lambda client: client.create(SOMEBODY))
    assert isinstance(fault, TransientError)
    assert fault.may_have_happened


def test_a_throttled_create_waits(world):
    world.practice.set_up(throttle=1, retry_after="3")
    assert isinstance(refused(world, lambda client: client.create(SOMEBODY)), RateLimited)


@responses.activate
def test_a_create_without_an_id_in_the_answer_may_have_happened(world):
    responses.post("https://pn.example.com/patients", status=201, json={"ok": True})
    with pytest.raises(TransientError) as fault:
        world.client(base_url="https://pn.example.com").create(SOMEBODY)
    assert fault.value.may_have_happened
