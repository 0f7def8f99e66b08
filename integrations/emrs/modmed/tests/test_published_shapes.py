"""The shapes that ModMed's portal publishes, rebuilt with nobody real in them: read as they stand there, with
addresses for names, a next link on the last page, numbers for money, neither code nor meta on charges."""

from datetime import UTC, date, datetime

from integrations.contract.protocols import Context
from integrations.contract.records import Outcome
from integrations.emrs.modmed.enrich import transaction_in
from integrations.emrs.modmed.mapping import understand
from integrations.emrs.modmed.resources import next_link, rows_in, searched_at

BASE = "https://stage.example.com/ema-dev/firm/apiportal/ema/fhir/v2"
CONTEXT = Context(received_at=datetime(2026, 6, 25, 15, 0, tzinfo=UTC))


def address(path):
    return {"reference": f"{BASE}/{path}", "display": f"{BASE}/{path}"}


def bundle(kind, *resources):
    return {
        "resourceType": "Bundle",
        "id": "09f7a0bc-0000-4000-8000-000000000000",
        "meta": {"lastUpdated": "2026-06-25T14:56:06.963+00:00"},
        "type": "searchset",
        "total": len(resources),
        "link": [
            {"relation": "self", "url": f"{BASE}/{kind}?_count=2"},
            {"relation": "next", "url": f"{BASE}/{kind}?_count=2&page=2"},
        ],
        "entry": [
            {"fullUrl": f"{BASE}/{kind}/{one['id'].replace('|', '%7C')}", "resource": one}
            for one in resources
        ],
    }


def appointment(external_id, status, start, changed):
    return {
        "resourceType": "Appointment",
        "id": external_id,
        "meta": {"lastUpdated": changed},
        "status": status,
        "appointmentType": {
            "coding": [
                {"system": f"{BASE}/ValueSet/appointment-type", "code": "1957", "display": "Follow-up"}
            ],
            "text": "Follow-up",
        },
        "reasonCode": [
            {
                "coding": [
                    {"system": f"{BASE}/ValueSet/reportable-reason", "code": "Other", "display": "OTHER"}
                ],
                "text": "OTHER",
            }
        ],
        "supportingInformation": [
            {"identifier": {"system": "NEW_PATIENT", "value": "false"}, "display": "Example"}
        ],
        "start": start,
        "end": start,
        "minutesDuration": 10,
        "created": "2025-05-08T18:41:05+00:00",
        "participant": [
            {"actor": address("Location/827")},
            {"actor": address("Patient/385871")},
            {"actor": address("Practitioner/375399")},
        ],
    }


PATIENT = {
    "resourceType": "Patient",
    "id": "385871",
    "meta": {"lastUpdated": "2026-06-25T15:55:00.000+00:00"},
    "extension": [
        {
            "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity",
            "extension": [{"url": "text", "valueString": "Unspecified"}],
        }
    ],
    "identifier": [
        {"system": "http://www.hl7.org/fhir/v2/0203/index.html#v2-0203-MR", "value": "MM0000000059"},
        {"system": "PMS", "value": "112416PAT000000057"},
    ],
    "active": True,
    "name": [{"family": "Sample", "given": ["Mona"]}],
    "telecom": [
        {"system": "email", "value": "mona.sample@example.com"},
        {"system": "phone", "value": "5615550142", "use": "mobile", "rank": 1},
    ],
    "gender": "female",
    "birthDate": "1980-01-01",
    "deceasedBoolean": False,
    "address": [
        {
            "use": "home",
            "type": "both",
            "line": ["123 MAIN ST"],
            "city": "BOCA RATON",
            "state": "FL",
            "postalCode": "33431",
            "country": "United States of America",
        }
    ],
    "maritalStatus": {
        "coding": [{"system": "http://www.hl7.org/fhir/v2/0002", "code": "T"}],
        "text": "Unreported",
    },
}
CREATED = {key: value for key, value in PATIENT.items() if key not in ("telecom", "address")}
LOCATION = {
    "resourceType": "Location",
    "id": "827",
    "identifier": [{"system": "BusinessUnitId", "value": "722"}],
    "status": "active",
    "name": "Yamato Road Clinic",
    "address": {"id": "720858", "line": ["123 Yamato Road"], "city": "Boca Raton", "state": "FL"},
}
PRACTITIONER = {
    "resourceType": "Practitioner",
    "id": "375399",
    "identifier": [
        {"system": "http://www.hl7.org/fhir/v2/0203/index.html#v2-0203-NPI", "value": "1234567890"}
    ],
    "active": True,
    "name": [{"family": "Stein", "given": ["Fred"]}],
}
CHARGE = {
    "resourceType": "ChargeItem",
    "id": "CHG|1722",
    "extension": [
        {
            "url": "financialTransaction",
            "extension": [
                {"url": "financialTransactionId", "valueString": "CHG|1722"},
                {"url": "transactionStatus", "valueString": "Charged"},
                {"url": "attendingProviderId", "valueString": "8944"},
                {"url": "locationId", "valueString": "826"},
                {"url": "businessUnitId", "valueString": "3256"},
                {"url": "totalCost", "valueMoney": {"value": 83.63, "currency": "USD"}},
                {
                    "url": "financialTransactionDetail",
                    "extension": [
                        {"url": "performingProviderId", "valueString": "8944"},
                        {"url": "quantity", "valueDecimal": 1},
                        {"url": "description", "valueString": "Test"},
                        {"url": "postingDate", "valueDateTime": "2025-06-18T00:00:00+00:00"},
                        {
                            "url": "procedureDetail",
                            "extension": [{"url": "procedureDetailId", "valueString": "CHG|1722"}],
                        },
                    ],
                },
            ],
        }
    ],
    "status": "billable",
    "subject": address("Patient/385871"),
    "occurrenceDateTime": "2025-06-18T00:00:00+00:00",
}


def test_the_appointment_search():
    answer = bundle(
        "Appointment",
        appointment("204865", "pending", "2025-05-08T19:00:00.000+00:00", "2025-05-15T18:02:15.000+00:00"),
        appointment("205149", "fulfilled", "2025-05-12T12:00:00.000+00:00", "2025-10-14T01:23:10.000+00:00"),
    )
    assert searched_at(answer) == datetime(2026, 6, 25, 14, 56, 6, 963000, tzinfo=UTC)
    assert next_link(answer) == f"{BASE}/Appointment?_count=2&page=2"
    rows = rows_in(answer, "Appointment")
    assert [(row.external_id, row.patient_id, row.updated_at) for row in rows] == [
        ("204865", "385871", datetime(2025, 5, 15, 18, 2, 15, tzinfo=UTC)),
        ("205149", "385871", datetime(2025, 10, 14, 1, 23, 10, tzinfo=UTC)),
    ]
    around = {"patient": PATIENT, "practitioner": PRACTITIONER, "location": LOCATION}
    pending, fulfilled = (
        understand("appointment", {"appointment": row.payload, **around}, CONTEXT)[0] for row in rows
    )
    assert (pending.outcome, pending.status, pending.visit_on) == (
        Outcome.BOOKED,
        "Pending",
        date(2025, 5, 8),
    )
    assert (fulfilled.outcome, fulfilled.status) == (Outcome.COMPLETED, "Checked Out")
    assert fulfilled.fields["ModMed Birthday"] == date(1980, 1, 1)
    assert fulfilled.fields["ModMed Provider"] == "Fred Stein"
    assert fulfilled.fields["ModMed Location"] == "Yamato Road Clinic"
    assert "http" not in str(fulfilled.fields) + str(fulfilled.note)


def test_the_patient_search_and_the_answer_to_a_create():
    (row,) = rows_in(bundle("Patient", PATIENT), "Patient")
    (record,) = understand("patient", {"patient": row.payload}, CONTEXT)
    assert (row.patient_id, record.person.external_id) == ("385871", "385871")
    assert (record.person.email, record.person.phone) == ("mona.sample@example.com", "5615550142")
    assert (record.person.address1, record.person.postal_code) == ("123 MAIN ST", "33431")
    (created,) = understand("patient", {"patient": CREATED}, CONTEXT)
    assert (created.person.email, created.person.phone, created.person.address1) == ("", "", "")


def test_the_charge_search():
    (row,) = rows_in(bundle("ChargeItem", CHARGE), "ChargeItem")
    assert (row.external_id, row.patient_id) == ("CHG|1722", "385871")
    # A charge has no version time: the day of its posting stands for it.
    assert row.updated_at == datetime(2025, 6, 18, tzinfo=UTC)
    body = {"charge": row.payload, "transaction": transaction_in(row.payload), "patient": PATIENT}
    (record,) = understand("charge", body, CONTEXT)
    assert record.fields == {"ModMed Charge Type": "Test", "ModMed Transaction ID": "CHG|1722"}
    assert record.location.external_id == "826"
