"""What single values become, where a fixture for each form would be too much."""

from datetime import date
from decimal import Decimal

import pytest

from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.records import AmountKind, Outcome
from integrations.emrs.aestheticspro.mapping import understand
from integrations.emrs.aestheticspro.tests.bodies import appointment, context, invoice


def read(body, **given):
    (record,) = understand(body["event"], body, context(**given))
    return record


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-18",
        "2026-03-18T20:00:00",
        "2026-03-18 20:00",
        "2026-03-19T00:00:00Z",
        "2026-03-18T20:00:00-04:00",
        "2026-03-19T00:00:00.000+00:00",
        "03/18/2026",
        "3/18/2026 8:00 PM",
        "3/18/26",
        "3-18-2026",
        "2026/03/18",
        "20260318",
        "20260318T200000",
        "20260319T000000Z",
        20260318,
        "Mar 18, 2026",
        "March 18, 2026 8:00 PM",
        "Wednesday, March 18th, 2026",
        "18 Mar 2026",
        "18-Mar-2026",
    ],
)
def test_a_visit_date_is_read_in_every_form_and_in_the_location_s_zone(written):
    assert read(appointment(date_time=written)).visit_on == date(2026, 3, 18)


@pytest.mark.parametrize(
    "written", ["soon", "2026-02-30", "13/45/2026", "0001-01-01", "9999-12-31T23:59:59-14:00"]
)
def test_an_unreadable_visit_date_names_where_it_stands(written):
    with pytest.raises(MalformedPayload) as fault:
        read(appointment(date_time=written))
    assert fault.value.field == "data.date_time"
    assert written not in str(fault.value)


@pytest.mark.parametrize(
    ("written", "born"),
    [
        ("04/09/1986", date(1986, 4, 9)),
        ("1986-04-09", date(1986, 4, 9)),
        ("1986-04-09T00:00:00Z", date(1986, 4, 9)),
        ("4/9/86", date(1986, 4, 9)),
        ("19860409", date(1986, 4, 9)),
        ("4/9/26", date(1926, 4, 9)),
        ("3/15/26", date(2026, 3, 15)),
        ("4/9/04", date(2004, 4, 9)),
        ("2/29/00", date(2000, 2, 29)),
    ],
)
def test_a_date_of_birth_is_never_in_the_future(written, born):
    record = read(appointment(client={"birthdate": written}))
    assert record.person.birth_date == born
    assert record.fields["APro DOB"] == born
    assert record.warnings == ()


@pytest.mark.parametrize("written", ["00/00/0000", "1800-01-01", "2026-03-16", "unknown", "2/29/01"])
def test_an_unreadable_date_of_birth_is_left_out_with_a_warning(written):
    record = read(appointment(client={"birthdate": written}))
    assert record.person.birth_date is None
    assert "APro DOB" not in record.fields
    assert len(record.warnings) == 1
    assert "data.client.birthdate" in record.warnings[0]
    assert written not in record.warnings[0]


@pytest.mark.parametrize(
    "body",
    [
        appointment(client={"birthdate": "unknown"}) | {"timestamp": "then"},
        invoice(client={"client_id": 5, "birthdate": "unknown"}) | {"timestamp": "then"},
        {"event": "client.saved", "timestamp": "then", "data": {"client_id": 5, "birthdate": "unknown"}},
    ],
    ids=["appointment", "invoice", "client"],
)
def test_every_kind_of_record_says_what_was_left_out(body):
    record = read(body)
    assert record.version is None
    assert [warning.split(":")[0] for warning in record.warnings] == [
        "Date of birth left out",
        "Time of the event left out",
    ]


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("$1,250.00", "1250.00"),
        ("1250", "1250.00"),
        (1250, "1250.00"),
        (1250.5, "1250.50"),
        ("1,250", "1250.00"),
        ("$ 84.5", "84.50"),
        ("84.50 USD", "84.50"),
        (".5", "0.50"),
        ("1.005", "1.01"),
        ("0", "0.00"),
        (0, "0.00"),
    ],
)
def test_an_amount_is_read_in_every_form(written, amount):
    record = read(invoice(paid_amount=written))
    assert str(record.amount) == amount
    assert record.kind is AmountKind.PAYMENT


@pytest.mark.parametrize(
    "written", ["1.250,00", "1,25", "about 10", "NaN", "1e5", "1_000", "$", "999999999999"]
)
def test_an_unreadable_amount_parks_the_event(written):
    with pytest.raises(MalformedPayload) as fault:
        read(invoice(paid_amount=written, total="10.00"))
    assert fault.value.field == "data.paid_amount"


@pytest.mark.parametrize("written", ["-10", "$-10.00", "-$10.00", "(10.00)"])
def test_a_negative_invoice_takes_money_back_and_proves_no_visit(written):
    record = read(invoice(paid_amount=written))
    assert (record.kind, record.amount) == (AmountKind.REVERSAL, Decimal("10.00"))
    assert not record.proves_visit
    assert "APro Appt Status" not in record.fields


def test_an_amount_beside_a_total_of_another_shape_is_still_found():
    assert read(invoice(paid_amount={"currency": "USD"}, total="12.00")).amount == Decimal("12.00")


@pytest.mark.parametrize(
    ("status", "outcome", "word"),
    [
        ("Booked", Outcome.BOOKED, "Booked"),
        ("Checked In", Outcome.BOOKED, "Booked"),
        ("Completed", Outcome.BOOKED, "Booked"),
        (None, Outcome.BOOKED, "Booked"),
        ("CANCELLED", Outcome.CANCELLED, "Cancelled"),
        ("Canceled", Outcome.CANCELLED, "Cancelled"),
        ("no-show", Outcome.NO_SHOW, "NoShow"),
        ("No Show", Outcome.NO_SHOW, "NoShow"),
    ],
)
def test_a_changed_appointment_takes_the_status_it_carries_but_never_completes(status, outcome, word):
    record = read(appointment("appointment.updated", status=status))
    assert (record.outcome, record.status, record.is_reschedule) == (outcome, word, True)
    assert record.fields["APro Appt Status"] == word


def test_a_new_appointment_is_booked_whatever_its_status_says():
    assert read(appointment(status="Completed")).outcome is Outcome.BOOKED


@pytest.mark.parametrize(
    ("code", "gender"),
    [("F", "female"), ("male", "male"), ("X", "other"), ("Non-Binary", "other"), ("U", ""), (None, "")],
)
def test_gender_codes_become_words(code, gender):
    record = read(appointment(client={"gender": code}))
    assert (record.person.gender, record.warnings) == (gender, ())


@pytest.mark.parametrize(
    ("mobile", "home", "phone"),
    [
        ("(212) 555-0101", "(212) 555-0102", "(212) 555-0101"),
        ("", "(212) 555-0102", "(212) 555-0102"),
        ("n/a", "(212) 555-0102", "(212) 555-0102"),
        ("n/a", "", "n/a"),
        (2125550101, None, "2125550101"),
    ],
)
def test_the_mobile_number_counts_else_the_home_number(mobile, home, phone):
    client = {"mobile_phone": mobile, "home_phone": home}
    assert read(appointment(client=client)).person.phone == phone


def test_a_state_beside_the_client_object_is_not_the_client_s():
    body = appointment(state="confirmed", client={"city": "Hoboken"})
    assert (read(body).person.state, read(body).person.city) == ("", "Hoboken")


def test_texts_are_one_line_without_invisible_characters():
    record = read(appointment(client={"first_name": " Iris\u200b\n\ud800 May\u00a0"}))
    assert record.person.first_name == "Iris May"


def test_service_names_keep_their_order_and_types_are_named_once():
    services = [
        {"name": "Hydrafacial", "type": "Facial"},
        {"name": "Botox", "type": "Injectable"},
        {"name": "Dermaplaning", "type": "Facial"},
        {"name": "", "type": ""},
    ]
    record = read(appointment(services=services))
    assert record.type == record.service == "Hydrafacial, Botox, Dermaplaning"
    assert record.purposes == ()
    assert record.fields["APro Appt Service Type"] == "Facial, Injectable"


def test_a_long_list_of_services_ends_at_a_whole_name():
    record = read(appointment(services=[{"name": f"Laser Treatment {number}"} for number in range(100)]))
    assert len(record.service) <= 255
    assert record.service.endswith("Laser Treatment 12")


@pytest.mark.parametrize("empty", ["", None, [], {}])
def test_empty_values_make_no_field_and_no_note_line(empty):
    record = read(appointment(services=empty, provider=empty))
    assert set(record.fields) == {"APro Appt Status", "APro Appt Date", "APro Appt ID", "APro Client ID"}
    assert [label for label, _ in record.note] == ["Status", "Date"]


def test_a_location_known_by_its_id_only_is_written_by_its_id():
    record = read(appointment() | {"location": {"id": 12}})
    assert record.location.external_id == "12"
    assert record.fields["APro Location"] == "12"


def test_the_visit_on_an_invoice_without_its_own_date_is_the_appointment_s():
    record = read(invoice(appointment={"appointment_id": 7, "date_time": "2026-03-12T20:00:00"}))
    assert (record.visit_external_id, record.visit_on, record.paid_on) == (
        "7",
        date(2026, 3, 12),
        date(2026, 3, 13),
    )


def test_an_event_after_midnight_utc_is_still_paid_on_the_location_s_day():
    body = invoice(paid_date=None) | {"timestamp": "2026-03-14T03:30:00Z"}
    assert read(body).paid_on == read(body).visit_on == date(2026, 3, 13)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (appointment(client={"client_id": None}), "data.client.client_id"),
        (appointment(client={"client_id": "9" * 101}), "data.client.client_id"),
        (appointment(appointment_id=None), "data.appointment_id"),
        (appointment(appointment_id=["7"]), "data.appointment_id"),
        (appointment("appointment.updated", date_time=None), "data.date_time"),
        (invoice(invoice_id=None), "data.invoice_id"),
        (invoice(paid_amount=None), "data.paid_amount"),
        (invoice(paid_date="someday"), "data.paid_date"),
    ],
)
def test_what_must_be_there_is_named_by_its_path(body, path):
    with pytest.raises(MalformedPayload) as fault:
        read(body)
    assert fault.value.field == path
    assert f'"{path}"' in str(fault.value)


def test_a_missing_value_with_an_override_is_expected_where_the_override_says():
    with pytest.raises(MalformedPayload) as fault:
        read(appointment(appointment_id=None), field_paths={"appointment_id": ["data.booking.ref"]})
    assert fault.value.field == "data.booking.ref"


def test_an_override_repairs_an_event_whose_type_was_unreadable():
    body = appointment() | {"event": {"what": "appointment.created"}}
    with pytest.raises(MalformedPayload):
        understand("", body, context())
    (record,) = understand("", body, context(field_paths={"event": ["event.what"]}))
    assert record.outcome is Outcome.BOOKED


@pytest.mark.parametrize("kind", ["webhook.test", "membership.created"])
def test_events_that_we_do_not_use_are_ignored_with_a_reason(kind):
    with pytest.raises(IgnoredEvent, match="AestheticsPro"):
        understand(kind, {"event": kind}, context())
