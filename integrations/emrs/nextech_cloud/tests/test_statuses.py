"""What becomes of an appointment, by its statuses."""

import pytest

from integrations.contract.records import Outcome
from integrations.emrs.nextech_cloud import sandbox
from integrations.emrs.nextech_cloud.tests.bodies import VISIT, read


def of(status, **switches):
    return read(sandbox.appointment(VISIT, status, name="Pending"), **switches)


def custom(name, *status_map):
    return read(sandbox.custom(VISIT, name), status_map=list(status_map))


@pytest.mark.parametrize(
    ("status", "outcome", "word"),
    [
        ("pending", Outcome.BOOKED, "Pending"),
        ("booked", Outcome.BOOKED, "Confirmed"),
        ("fulfilled", Outcome.COMPLETED, "Fulfilled"),
        ("cancelled", Outcome.CANCELLED, "Cancelled"),
        ("canceled", Outcome.CANCELLED, "Cancelled"),
        ("noshow", Outcome.NO_SHOW, "No-Show"),
        ("no-show", Outcome.NO_SHOW, "No-Show"),
        ("NOSHOW", Outcome.NO_SHOW, "No-Show"),
        ("arrived", Outcome.OTHER, "Arrived"),
        ("proposed", Outcome.OTHER, "Proposed"),
        ("entered-in-error", Outcome.OTHER, "Entered in error"),
    ],
)
def test_the_fhir_status_decides_whatever_nextech_s_own_status_says(status, outcome, word):
    record = of(status)
    assert (record.outcome, record.status) == (outcome, word)
    assert record.fields["NXT Appointment Status"] == dict(record.note)["Status"] == word
    assert record.warnings == ()


def test_the_fhir_status_decides_even_where_the_map_names_the_own_one():
    assert of("booked", status_map=["Pending = cancelled"]).outcome is Outcome.BOOKED


def test_an_unknown_fhir_status_is_recorded_and_said():
    record = of("waitlist")
    assert (record.outcome, record.status) == (Outcome.OTHER, "Waitlist")
    assert record.warnings == ("This appointment status is not one that we know.",)


def test_a_custom_status_is_recorded_until_the_connection_says_what_it_means():
    record = custom("Online Book")
    assert (record.outcome, record.status, record.warnings) == (Outcome.OTHER, "Online Book", ())


@pytest.mark.parametrize(
    ("meaning", "outcome", "word"),
    [
        ("booked", Outcome.BOOKED, "Pending"),
        ("Pending", Outcome.BOOKED, "Pending"),
        ("confirmed", Outcome.BOOKED, "Confirmed"),
        ("completed", Outcome.COMPLETED, "Fulfilled"),
        ("fulfilled", Outcome.COMPLETED, "Fulfilled"),
        ("cancelled", Outcome.CANCELLED, "Cancelled"),
        ("No Show", Outcome.NO_SHOW, "No-Show"),
        ("no-show", Outcome.NO_SHOW, "No-Show"),
    ],
)
def test_the_map_gives_a_custom_status_its_meaning(meaning, outcome, word):
    record = custom("Online Book", "Online Hold = recorded", f"online  book={meaning}")
    assert (record.outcome, record.status) == (outcome, word)
    assert record.fields["NXT Appointment Status"] == word
    assert dict(record.note)["Status"] == f"{word} (Online Book)"


def test_a_custom_status_can_be_mapped_to_being_recorded_only():
    record = custom("Online Hold", "Online Hold = recorded")
    assert (record.outcome, record.status) == (Outcome.OTHER, "Online Hold")


def test_a_name_with_an_equals_sign_can_be_mapped():
    assert custom("A = B", "A = B = confirmed").outcome is Outcome.BOOKED


@pytest.mark.parametrize("entry", ["Online Book", "Online Book = gone", "= booked", "Online Book: booked"])
def test_an_entry_that_cannot_be_read_is_said_by_its_number(entry):
    record = custom("Online Book", "Online Hold = recorded", entry)
    assert record.outcome is Outcome.OTHER
    assert record.warnings == ('Custom statuses, entry 2: write it as "name = meaning".',)


@pytest.mark.parametrize(
    "status_map", [None, "Online Book = booked", {"Online Book": "booked"}, [7, None, ""]]
)
def test_a_map_of_another_shape_means_nothing(status_map):
    assert read(sandbox.custom(VISIT), status_map=status_map).outcome is Outcome.OTHER


def test_an_appointment_without_any_status_is_recorded():
    body = sandbox.appointment(VISIT, "")
    body["extension"] = [row for row in body["extension"] if "status" not in row["url"]]
    record = read(body, status_map=["= booked"])
    assert (record.outcome, record.status) == (Outcome.OTHER, "No status")
