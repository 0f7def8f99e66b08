"""Reading pages, single resources and lists, over HTTP against the pretend ModMed with its traps."""

from datetime import UTC, date, datetime, timedelta

import pytest
import responses

from integrations.contract.errors import (
    AuthError,
    ConfigError,
    NotFoundError,
    RateLimited,
    RejectedError,
    TransientError,
)
from integrations.emrs.modmed import client as client_module
from integrations.emrs.modmed.client import CALLS_PER_SECOND, CAPABILITIES, RESOURCES
from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.tests.world import (
    APPOINTMENTS,
    CHARGES,
    CREDENTIALS,
    NOW,
    PATIENTS,
    TYPES,
    all_ids,
)

YESTERDAY = NOW - timedelta(days=1)


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 100, 120])
def test_every_page_is_read_though_each_has_a_next(world, count):
    world.appointments(count)
    world.door.forget_calls()
    found = all_ids(world.client(), APPOINTMENTS, YESTERDAY)
    assert found == [f"A{number:04d}" for number in range(1, count + 1)]
    # Fifty to a page, and the empty one that says that there are no more.
    assert world.door.calls()["GET /fhir/v2/Appointment"] == -(-count // 50) + 1


def test_a_page_says_when_the_server_searched_and_whose_each_row_is(world):
    world.appointments(1)
    page = world.client().page(APPOINTMENTS, YESTERDAY, "")
    (row,) = page.rows
    assert page.server_time == NOW
    assert (row.external_id, row.patient_id, row.updated_at) == ("A0001", cast.patient(0).id, NOW)
    assert row.payload["status"] == "pending"
    assert not page.ignored_filter


def test_the_filter_is_the_day_and_earlier_rows_of_that_day_are_left_out(world):
    since = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
    for number, hours in enumerate((-34, -3, -1, 0, 26)):
        world.appointments(1, changed_at=since + timedelta(hours=hours), first_id=number)
    assert all_ids(world.client(), APPOINTMENTS, since) == ["A0003", "A0004"]


def test_a_time_in_the_filter_would_be_refused_so_none_is_sent(world):
    world.door.set_up(date_times="refuse")
    world.appointments(2)
    assert len(all_ids(world.client(), APPOINTMENTS, NOW - timedelta(minutes=5))) == 2


def test_without_since_everything_is_read(world):
    world.appointments(3, changed_at=NOW - timedelta(days=400))
    assert len(all_ids(world.client(), APPOINTMENTS)) == 3


def test_a_filter_that_the_server_does_not_heed_is_said_and_filtered_here(world):
    world.appointments(5, changed_at=NOW - timedelta(days=30))
    world.appointments(2, first_id=100)
    world.door.set_up(ignores=["_lastUpdated"])
    page = world.client().page(APPOINTMENTS, YESTERDAY, "")
    assert page.ignored_filter
    assert [row.external_id for row in page.rows] == ["A0100", "A0101"]
    assert not world.client().page(APPOINTMENTS, None, "").ignored_filter


def test_a_day_cut_in_another_zone_is_no_ignored_filter(world):
    world.appointments(5, changed_at=datetime(2026, 3, 13, 11, 0, tzinfo=UTC))
    world.door.set_up(ignores=["_lastUpdated"])
    page = world.client().page(APPOINTMENTS, datetime(2026, 3, 14, 0, 0, tzinfo=UTC), "")
    assert (page.rows, page.ignored_filter) == ((), False)


def test_appointments_are_read_by_their_own_day_for_the_first_poll(world):
    for number, days in enumerate((-40, -10, 3)):
        starts_at = NOW + timedelta(days=days)
        world.door.save(
            shapes.appointment(f"D{number}", "7", starts_at, NOW - timedelta(days=50), type=TYPES["Botox"])
        )
    wanted = date(2026, 2, 13)
    assert all_ids(world.client(), APPOINTMENTS, dated_from=wanted) == ["D1", "D2"]
    world.door.set_up(ignores=["date"])
    page = world.client().page(APPOINTMENTS, None, "", dated_from=wanted)
    assert ([row.external_id for row in page.rows], page.ignored_filter) == (["D1", "D2"], False)
    assert world.client().page(APPOINTMENTS, None, "", dated_from=date(2026, 3, 20)).ignored_filter


@pytest.mark.parametrize("trap", ["endless_next", "next_to_itself", "repeats_pages"])
def test_reading_ends_whatever_the_next_link_does(world, trap):
    world.appointments(3)
    world.door.set_up(**{trap: True})
    assert all_ids(world.client(), APPOINTMENTS, YESTERDAY) == ["A0001", "A0002", "A0003"]
    assert len(world.client().locations()) == len(cast.SITES)


def test_a_next_link_that_forgets_the_filter_does_not_lose_it(world):
    world.appointments(2, changed_at=NOW - timedelta(days=30))
    world.appointments(2, first_id=100)
    page = world.client().page(APPOINTMENTS, YESTERDAY, "_count=1&page=2")
    assert [row.external_id for row in page.rows] == ["A0101"]


def test_the_token_goes_to_no_other_host(world):
    """Links of the pretend ModMed name a host that nobody answers at."""
    world.appointments(60)
    first = world.client().page(APPOINTMENTS, YESTERDAY, "")
    assert first.next == "_count=50&_lastUpdated=ge2026-03-14&page=2"
    assert len(world.client().page(APPOINTMENTS, YESTERDAY, first.next).rows) == 10


@pytest.mark.parametrize(
    "link",
    [
        None,
        7,
        "http://[half",
        "https://elsewhere.example.com/firm/x/ema/fhir/v2/Appointment",
        "https://elsewhere.example.com/",
    ],
)
@responses.activate
def test_a_next_link_without_a_query_is_none(world, link):
    answer = {
        "resourceType": "Bundle",
        "link": [{"relation": "next", "url": link}],
        "entry": [{"resource": {"resourceType": "Appointment", "id": "1"}}],
    }
    responses.post("https://host.example.com/ema/ws/oauth2/grant", json={"access_token": "t"})
    responses.get("https://host.example.com/ema/fhir/v2/Appointment", json=answer)
    page = world.client(base_url="https://host.example.com/ema").page(APPOINTMENTS, NOW, "")
    assert (page.next, len(page.rows)) == ("", 1)


def test_remarks_of_the_server_are_no_rows(world, caplog):
    world.appointments(1)
    world.door.set_up(remark="Search for jane.roe@example.com was slow")
    page = world.client().page(APPOINTMENTS, YESTERDAY, "")
    assert len(page.rows) == 1
    assert "ModMed remarks on the search for Appointment" in caplog.text
    assert "jane.roe" not in caplog.text


@responses.activate
@pytest.mark.parametrize(
    ("date_header", "server_time"),
    [("Sun, 15 Mar 2026 12:00:00 GMT", NOW), ("Sun, 15 Mar 2026 12:00:00", NOW), ("noon", None), ("", None)],
)
def test_the_server_s_clock_may_stand_in_the_date_header_only(world, date_header, server_time):
    responses.post("https://host.example.com/ema/ws/oauth2/grant", json={"access_token": "t"})
    responses.get(
        "https://host.example.com/ema/fhir/v2/Patient",
        json={"resourceType": "Bundle"},
        headers={"Date": date_header},
    )
    page = world.client(base_url="https://host.example.com/ema").page(PATIENTS, NOW, "")
    assert page.server_time == server_time


# Charges


def test_charges_are_read_patient_by_patient(world):
    one, other = cast.patient(0).id, cast.patient(1).id
    world.door.save(
        shapes.charge(1, one, NOW, lines=["Botox"]), shapes.charge(2, other, NOW, lines=["Filler"])
    )
    page = world.client().page(CHARGES, YESTERDAY, "", patient_id=one)
    (row,) = page.rows
    assert (row.external_id, row.patient_id) == ("CHG|1", one)
    assert row.updated_at is not None
    assert row.updated_at.date() == NOW.date()
    assert not page.ignored_filter


def test_charges_of_somebody_else_are_left_out_and_said(world):
    one, other = cast.patient(0).id, cast.patient(1).id
    world.door.save(
        shapes.charge(1, one, NOW, lines=["Botox"]),
        *(shapes.charge(number, other, NOW, lines=["Filler"]) for number in range(2, 6)),
    )
    world.door.set_up(ignores=["patient"])
    page = world.client().page(CHARGES, None, "", patient_id=one)
    assert [row.external_id for row in page.rows] == ["CHG|1"]
    assert page.ignored_filter


def test_only_charges_are_read_by_patient_and_recent_patients_more_often():
    assert [one.name for one in RESOURCES if one.is_by_patient] == ["charges"]
    rounds = CHARGES.rounds
    assert [one.changed_within for one in rounds] == sorted(one.changed_within for one in rounds)
    assert rounds[0].every is None
    assert rounds[-1].every == timedelta(days=1)
    assert CALLS_PER_SECOND == 2


# Refusals


def test_a_resource_that_we_may_not_read_is_named_and_the_others_go_on(world):
    world.appointments(1)
    world.door.set_up(forbidden=["ChargeItem"])
    client = world.client()
    with pytest.raises(AuthError, match="does not allow us to use ChargeItem") as error:
        client.page(CHARGES, None, "", patient_id="7")
    assert error.value.status == 403
    assert len(client.page(APPOINTMENTS, YESTERDAY, "").rows) == 1
    assert world.tokens.renewals == 1


def test_429_without_a_time_waits_a_little(world):
    client = world.client()
    client.page(APPOINTMENTS, NOW, "")
    world.door.set_up(throttle=1)
    with pytest.raises(RateLimited) as limited:
        client.page(APPOINTMENTS, NOW, "")
    assert limited.value.retry_after == 10


def test_500_with_a_page_of_html_is_tried_again_later(world):
    client = world.client()
    client.page(APPOINTMENTS, NOW, "")
    world.door.set_up(html_500=1)
    with pytest.raises(TransientError, match=r"could not answer Appointment \(500\)") as error:
        client.page(APPOINTMENTS, NOW, "")
    assert error.value.status == 500
    assert client.page(APPOINTMENTS, NOW, "").rows == ()


@responses.activate
@pytest.mark.parametrize(
    ("status", "answer", "kind", "words"),
    [
        (400, shapes.outcome("Bad value for jane.roe@example.com"), RejectedError, "[e-mail]"),
        (422, {"issue": [{"details": {"text": "birthdate 1980-01-01 is wrong"}}]}, RejectedError, "[date]"),
        (404, shapes.outcome("no such firm"), ConfigError, "no such firm"),
        (403, {"message": "Forbidden"}, AuthError, "Forbidden"),
        (409, {"issue": [{"code": "conflict"}]}, RejectedError, "conflict"),
        (503, {}, TransientError, ""),
        (408, {}, TransientError, ""),
    ],
)
def test_refusals_become_our_errors_with_redacted_words(world, status, answer, kind, words):
    responses.post("https://host.example.com/ema/ws/oauth2/grant", json={"access_token": "t"})
    responses.get("https://host.example.com/ema/fhir/v2/Patient", json=answer, status=status)
    with pytest.raises(kind) as error:
        world.client(base_url="https://host.example.com/ema").page(PATIENTS, NOW, "")
    assert words in error.value.vendor_words
    assert "jane" not in error.value.vendor_words + str(error.value)
    assert "1980" not in error.value.vendor_words + str(error.value)


@responses.activate
@pytest.mark.parametrize("header", ["7", "Sun, 15 Mar 2126 12:00:00 GMT"])
def test_a_wait_that_the_server_names_is_kept(world, header):
    responses.post("https://host.example.com/ema/ws/oauth2/grant", json={"access_token": "t"})
    responses.get(
        "https://host.example.com/ema/fhir/v2/Patient", json={}, status=429, headers={"Retry-After": header}
    )
    with pytest.raises(RateLimited) as limited:
        world.client(base_url="https://host.example.com/ema").page(PATIENTS, NOW, "")
    assert limited.value.retry_after == 7 if header == "7" else limited.value.retry_after > 1000


@responses.activate
@pytest.mark.parametrize("answer", ["<html>Welcome</html>", "[]", '{"resourceType": "OperationOutcome"}', ""])
def test_a_success_that_is_no_list_is_tried_again_later(world, answer):
    responses.post("https://host.example.com/ema/ws/oauth2/grant", json={"access_token": "t"})
    responses.get("https://host.example.com/ema/fhir/v2/Patient", body=answer)
    client = world.client(base_url="https://host.example.com/ema")
    with pytest.raises(TransientError, match="something that is no list"):
        client.page(PATIENTS, NOW, "")
    with pytest.raises(TransientError, match="something that is no list"):
        client.test("patients")


@responses.activate
def test_another_status_of_the_sign_in_is_a_setting(world):
    responses.post("https://host.example.com/ema/ws/oauth2/grant", json={}, status=405)
    with pytest.raises(ConfigError, match=r"refuses the sign-in \(405\)"):
        world.client(base_url="https://host.example.com/ema").page(PATIENTS, NOW, "")


# Single resources and lists


def test_one_resource_is_read_by_its_id(world):
    world.patients(3)
    assert (
        world.client().read("Patient", cast.patient(3).id)["name"][0]["family"] == cast.patient(3).last_name
    )
    assert world.client().read("Practitioner", "ref|451")["id"] == "ref|451"


def test_a_resource_that_is_gone_is_not_found(world):
    with pytest.raises(NotFoundError, match="no such Patient"):
        world.client().read("Patient", "1")


@responses.activate
def test_a_resource_of_another_kind_is_tried_again_later(world):
    responses.post("https://host.example.com/ema/ws/oauth2/grant", json={"access_token": "t"})
    responses.get("https://host.example.com/ema/fhir/v2/Patient/7", json={"resourceType": "Group"})
    with pytest.raises(TransientError, match="answered a Patient with something else"):
        world.client(base_url="https://host.example.com/ema").read("Patient", "7")


def test_locations_are_listed_over_all_pages_without_closed_ones(world):
    sites = [cast.Site(f"L{number}", f"Clinic {number}") for number in range(150)]
    world.door.save(*(shapes.location(site, NOW) for site in sites))
    world.door.save({**shapes.location(cast.Site("L999", "Closed"), NOW), "status": "inactive"})
    names = [one.name for one in world.client().locations()]
    assert names == [*(site.name for site in cast.SITES), *(site.name for site in sites)]


def test_a_list_without_an_end_is_given_up(world, monkeypatch):
    monkeypatch.setattr(client_module, "MOST_PAGES", 2)
    sites = [cast.Site(f"L{number}", f"Clinic {number}") for number in range(250)]
    world.door.save(*(shapes.location(site, NOW) for site in sites))
    with pytest.raises(TransientError, match="more than 2 pages of Location"):
        world.client().locations()


@pytest.mark.parametrize("shape", ["compose", "expansion"])
def test_appointment_types_are_read_in_both_shapes(world, shape):
    world.door.set_up(
        types=[("1957", "Follow-up"), ("1959", "Surgery"), ("1999", "Surgery")], value_set=shape
    )
    found = world.client().appointment_types()
    assert [(one.external_id, one.name, one.purpose) for one in found] == [
        ("1957", "Follow-up", ""),
        ("1959", "Surgery", ""),
    ]


@responses.activate
def test_a_list_of_types_in_another_form_is_said(world):
    responses.post("https://host.example.com/ema/ws/oauth2/grant", json={"access_token": "t"})
    responses.get(
        "https://host.example.com/ema/fhir/v2/ValueSet/appointment-type", json={"resourceType": "ValueSet"}
    )
    with pytest.raises(RejectedError, match="not in a form that we know"):
        world.client(base_url="https://host.example.com/ema").appointment_types()


# Capabilities


def test_every_capability_can_be_tried(world):
    world.appointments(1)
    world.patients(0)
    client = world.client()
    assert {one.name: client.test(one.name) for one in CAPABILITIES} == {
        "sign_in": "ModMed accepts the FHIR user name and password.",
        "appointments": "ModMed shows us its appointments.",
        "patients": "ModMed shows us its patients.",
        "charges": "ModMed answers, and has no charges.",
        "practitioners": "ModMed shows us its practitioners.",
        "locations": "2 locations.",
        "types": "11 appointment types.",
    }


def test_trying_to_sign_in_asks_for_a_new_token(world):
    client = world.client()
    client.test("sign_in")
    world.door.set_up({"password": "another"})
    with pytest.raises(AuthError):
        client.test("sign_in")
    assert client.page(APPOINTMENTS, NOW, "").rows == ()


def test_a_token_that_is_over_at_once_points_to_the_clock(world, monkeypatch):
    client = world.client()
    monkeypatch.setattr(client_module, "usable", lambda *given: "")
    with pytest.raises(ConfigError, match="check this server's clock"):
        client.test("sign_in")


@pytest.mark.parametrize(
    ("kind", "capability"),
    [
        ("Appointment", "appointments"),
        ("Patient", "patients"),
        ("ChargeItem", "charges"),
        ("Practitioner", "practitioners"),
        ("Location", "locations"),
        ("ValueSet", "types"),
    ],
)
def test_a_missing_permission_shows_in_its_capability_only(world, kind, capability):
    world.door.set_up(forbidden=[kind])
    client = world.client()
    with pytest.raises(AuthError, match=kind):
        client.test(capability)
    for other in CAPABILITIES:
        if other.name != capability:
            assert client.test(other.name)


def test_the_password_stays_out_of_errors(world):
    for wrong in ({"password": "Zyxwvut"}, {"api_key": "Zyxwvut"}, {"username": "Zyxwvut"}):
        with pytest.raises(AuthError) as error:
            world.client({**CREDENTIALS, **wrong}).test("sign_in")
        assert "Zyxwvut" not in str(error.value) + error.value.vendor_words
