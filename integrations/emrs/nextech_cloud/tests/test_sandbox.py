"""The pretend API behaves like the real one, oddities included; and it can be lived in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import requests

from integrations.contract.records import Outcome
from integrations.emrs.nextech_cloud import sandbox
from integrations.emrs.nextech_cloud.sandbox import Office, Payment
from integrations.emrs.nextech_cloud.sign_in import RESOURCE
from integrations.emrs.nextech_cloud.tests.bodies import ALBA, PAYMENT, VISIT, read
from integrations.emrs.nextech_cloud.tests.conftest import APPOINTMENTS, PATIENTS, PAYMENTS, read_all
from integrations.sandbox import snapshot
from integrations.sandbox.state import State


def token(practice, **changed):
    credentials = practice.office.credentials()
    form = {name: credentials[name] for name in ("client_id", "username", "password")}
    usual = {"grant_type": "password", "resource": RESOURCE, **form}
    return requests.post(f"{practice.office.base_url}/oauth2/token", data=usual | changed, timeout=10)


def call(practice, method, path, **more):
    headers = {
        "Authorization": f"Bearer {token(practice).json()['access_token']}",
        "nx-practice-id": "northshore",
    }
    return requests.request(method, practice.office.base_url + path, headers=headers, timeout=10, **more)


def new_patient(**changes):
    body = {
        "resourceType": "Patient",
        "name": [{"use": "official", "family": "Stone", "given": ["Ada"]}],
        "telecom": [
            {"system": "phone", "value": "(813) 555-0142", "use": "home"},
            {"system": "email", "value": "ada@example.com"},
        ],
        "birthDate": "1970-09-28",
        "address": [{"use": "home", "postalCode": "33609"}],
    }
    return body | changes


# The vendor's ways


def test_azure_answers_as_the_old_address_does(practice):
    answer = token(practice).json()
    assert answer["expires_in"] == "3600"
    assert answer["token_type"] == "Bearer"
    refreshed = token(practice, grant_type="refresh_token", refresh_token=answer["refresh_token"])
    assert refreshed.json()["refresh_token"] != answer["refresh_token"]
    again = token(practice, grant_type="refresh_token", refresh_token=answer["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"password": "wrong"}, "invalid_grant"),
        ({"client_id": "other"}, "unauthorized_client"),
        ({"username": "nobody"}, "unauthorized_client"),
        ({"resource": ""}, "invalid_resource"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
    ],
)
def test_azure_refuses_with_its_codes(practice, changed, code):
    answer = token(practice, **changed)
    assert (answer.status_code, answer.json()["error"]) == (400, code)


def test_the_usual_page_is_ten_and_the_largest_fifty(practice):
    practice.office.save(*(sandbox.confirmed(replace(VISIT, id=str(number))) for number in range(60)))
    assert len(call(practice, "GET", "/Appointment").json()["entry"]) == 10
    assert len(call(practice, "GET", "/Appointment?_count=500").json()["entry"]) == 50


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("ge2026-03-15T12:00:00Z", 200),
        ("ge2026-03-15", 200),
        ("ge2026-03-15T12:00:00%2B00:00", 200),
        ("ge2026-03-15T12:00:00+00:00", 400),  # a plus sign means a space
        ("ge2026-03-15T12:00:00.123Z", 400),
        ("gesoon", 400),
    ],
)
def test_times_are_read_as_the_vendor_says_and_no_other_way(practice, written, status):
    assert call(practice, "GET", f"/Appointment?_lastUpdated={written}").status_code == status


def test_without_a_token_or_at_another_practice_nothing_is_given(practice):
    url = f"{practice.office.base_url}/Appointment"
    assert requests.get(url, timeout=10).status_code == 401
    headers = {"Authorization": f"Bearer {token(practice).json()['access_token']}", "nx-practice-id": "other"}
    assert requests.get(url, headers=headers, timeout=10).status_code == 403


def test_a_new_patient_is_made_once(practice):
    made = call(practice, "POST", "/Patient", json=new_patient())
    assert made.status_code == 201
    assert made.headers["Location"].endswith(made.json()["id"])
    again = call(practice, "POST", "/Patient", json=new_patient())
    assert (again.status_code, again.json()["issue"][0]["diagnostics"]) == (
        409,
        "The patient already exists.",
    )
    assert practice.office.counts()["Patient"] == 1


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"address": [{"use": "home"}]}, "address.postalCode"),
        ({"address": None}, "address.postalCode"),
        ({"birthDate": ""}, "birthDate"),
        ({"telecom": [{"system": "email", "value": "ada@example.com"}]}, "telecom.phone"),
        ({"name": [{"use": "official", "given": ["Ada"]}]}, "name.family"),
    ],
)
def test_a_new_patient_needs_what_nextech_needs(practice, change, missing):
    answer = call(practice, "POST", "/Patient", json=new_patient(**change))
    assert answer.status_code == 400
    assert missing in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(("location", "status"), [("location/5", 201), ("location/99", 400)])
def test_a_new_patient_s_location_must_be_one_of_the_practice(practice, location, status):
    extension = [
        {
            "url": "https://select.nextech-api.com/api/structuredefinition/patient-location",
            "valueReference": {"reference": location},
        }
    ]
    assert call(practice, "POST", "/Patient", json=new_patient(extension=extension)).status_code == status


def test_a_patient_is_searched_by_what_tells_people_apart(practice):
    call(practice, "POST", "/Patient", json=new_patient())
    found = call(
        practice, "GET", "/Patient?family=stone&given=Ada&birthdate=1970-09-28&email=ADA@example.com"
    )
    assert found.json()["total"] == 1
    assert call(practice, "GET", "/Patient?family=stone&birthdate=1971-01-01").json()["total"] == 0


# The door


def test_the_door_needs_its_key(practice):
    other = Office(practice.office.base_url.partition("/emr")[0], "wrong", "northshore")
    with pytest.raises(requests.HTTPError, match="401"):
        other.counts()


def test_an_unknown_knob_is_refused(practice):
    with pytest.raises(requests.HTTPError, match="400"):
        practice.office.set_knobs(speed=9)


def test_practices_are_kept_apart(practice):
    url = practice.office.base_url.partition("/emr")[0]
    other = Office(url, "sandbox-key", "southshore")
    other.open()
    other.save(sandbox.patient_saved(ALBA))
    assert read_all(practice.client(), PATIENTS) == []
    assert (
        len(read_all(practice.client(credentials=other.credentials(), base_url=other.base_url), PATIENTS))
        == 1
    )


def test_requests_are_in_the_sandbox_s_own_log_without_ids(practice):
    practice.office.save(sandbox.patient_saved(ALBA))
    practice.client().patient(ALBA.id)
    routes = practice.state.log.show()["routes"]
    assert routes["GET nextech_cloud/Patient"] == {"200": 1}
    assert ALBA.id not in str(routes)


def test_what_is_on_file_survives_a_restart(practice, tmp_path):
    practice.office.save(sandbox.patient_saved(ALBA))
    practice.state.path = tmp_path / "state.json"
    snapshot.save(practice.state)
    later = State(tmp_path / "state.json", "sandbox-key")
    snapshot.load(later)
    assert ALBA.id in later.emr("nextech_cloud")["practices"]["northshore"]["Patient"]


# What the builders say


@pytest.mark.parametrize(
    ("build", "outcome"),
    [
        (sandbox.pending, Outcome.BOOKED),
        (sandbox.confirmed, Outcome.BOOKED),
        (sandbox.arrived, Outcome.OTHER),
        (sandbox.fulfilled, Outcome.COMPLETED),
        (sandbox.cancelled, Outcome.CANCELLED),
        (sandbox.no_show, Outcome.NO_SHOW),
        (sandbox.custom, Outcome.OTHER),
    ],
)
def test_what_happens_to_a_visit_is_read_back(build, outcome):
    record = read(build(VISIT))
    assert (record.external_id, record.outcome, record.service) == ("12312", outcome, "Botox")
    assert record.warnings == ()


def test_a_moved_visit_is_the_same_one_on_another_day():
    record = read(sandbox.moved(VISIT, VISIT.starts_at + timedelta(days=7)))
    assert (record.external_id, record.visit_on.isoformat()) == ("12312", "2026-03-25")


def test_the_published_oddities_are_there():
    confirmed, custom = sandbox.confirmed(VISIT), sandbox.custom(VISIT)
    names = [row["valueReference"]["display"] for row in confirmed["extension"]]
    assert (confirmed["status"], names[0]) == ("booked", "Pending")
    assert "status" not in custom
    patient = sandbox.patient_saved(replace(ALBA, private=frozenset({"email", "mobile"})))
    assert patient["name"][0]["given"] == ["Alba", ""]
    assert [row.get("value") for row in patient["telecom"]] == [ALBA.home, None, None]
    values = {key for row in sandbox.paid(PAYMENT)["extension"] for key in row}
    timed = sandbox.paid(Payment("1", ALBA, Decimal("1"), datetime(2026, 3, 13, tzinfo=UTC)))["extension"]
    assert "valueDate" in values
    assert "valueDateTime" in {key for row in timed for key in row}


def test_everybody_in_the_cast_is_made_up_and_different():
    cast = [sandbox.patient(number) for number in range(sandbox.DIFFERENT)]
    assert len({(one.first_name, one.last_name) for one in cast}) == sandbox.DIFFERENT >= 1500
    assert (
        len({one.email for one in cast}) == len({one.mobile for one in cast}) == len({one.id for one in cast})
    )
    assert all("555-01" in one.mobile + one.home and one.email.endswith("@example.com") for one in cast)
    assert sandbox.patient(0, practice="a").id != sandbox.patient(0, practice="b").id


def test_everybody_in_the_cast_is_readable():
    for number in range(60):
        entry = sandbox.patient(number)
        person = read(sandbox.fulfilled(replace(VISIT, patient=entry)), sandbox.patient_saved(entry)).person
        assert (person.birth_date, person.phone, person.gender) == (entry.born, entry.mobile, entry.gender)


# A day


def visits(count):
    start = datetime(2026, 3, 18, 9, 0, tzinfo=VISIT.starts_at.tzinfo)
    return [
        replace(
            VISIT,
            id=str(1000 + number),
            starts_at=start + timedelta(minutes=15 * number),
            patient=sandbox.patient(number),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("hours", "end", "status"),
    [
        (-48, "fulfilled", "pending"),
        (-23, "fulfilled", "booked"),
        (-0.1, "fulfilled", "arrived"),
        (0.6, "fulfilled", "fulfilled"),
        (0.1, "noshow", "booked"),
        (0.5, "noshow", "noshow"),
        (-7, "cancelled", "booked"),
        (-5, "cancelled", "cancelled"),
    ],
)
def test_a_visit_goes_through_its_day(hours, end, status):
    assert sandbox.status_at(VISIT, VISIT.starts_at + timedelta(hours=hours), end) == status


def test_a_day_ends_with_most_visits_fulfilled_and_each_of_those_paid():
    book = visits(40)
    eve, night = book[0].starts_at - timedelta(days=2), book[-1].starts_at + timedelta(hours=2)
    changed = sandbox.changes(book, eve, night)
    ends = [row["status"] for row in changed if row["resourceType"] == "Appointment"]
    assert len(ends) == 40
    assert {"fulfilled", "cancelled", "noshow"} == set(ends)
    assert ends.count("fulfilled") > 25
    assert len(changed) - 40 == ends.count("fulfilled")


def test_in_steps_the_same_happens_as_at_once(practice):
    book = visits(20)
    practice.office.save(*(sandbox.pending(visit) for visit in book))
    now = book[0].starts_at - timedelta(days=2)
    while now < book[-1].starts_at + timedelta(hours=2):
        practice.office.live(book, now, now + timedelta(minutes=7))
        now += timedelta(minutes=7)
    rows = read_all(practice.client(), APPOINTMENTS)
    assert {row.external_id: row.payload["status"] for row in rows} == {
        visit.id: sandbox.ending(visit) for visit in book
    }
    paid = {row.external_id for row in read_all(practice.client(), PAYMENTS)}
    assert paid == {sandbox.payment_for(visit).id for visit in book if sandbox.ending(visit) == "fulfilled"}
    assert practice.office.live(book, now, now + timedelta(hours=1)) == 0
