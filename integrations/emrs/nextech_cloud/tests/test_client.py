"""The client against the sandbox over HTTP, trap by trap."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import unquote

import pytest

from integrations.contract.errors import (
    AuthError,
    ConfigError,
    MalformedPayload,
    NotFoundError,
    RateLimited,
    RejectedError,
    TransientError,
)
from integrations.contract.protocols import TypeOption
from integrations.contract.records import LocationRef
from integrations.emrs.nextech_cloud import sandbox
from integrations.emrs.nextech_cloud.client import CALLS_PER_SECOND, CAPABILITIES
from integrations.emrs.nextech_cloud.enrich import enrich
from integrations.emrs.nextech_cloud.mapping import understand
from integrations.emrs.nextech_cloud.tests.bodies import ALBA, PAYMENT, VISIT, context
from integrations.emrs.nextech_cloud.tests.conftest import APPOINTMENTS, PATIENTS, PAYMENTS, read_all

NOON = datetime(2026, 3, 15, 12, 0, 0, 987654, tzinfo=UTC)


def fill(practice, count, *, first=1, at=NOON):
    """Put that many appointments on file, each changed a second after the one before."""
    visits = [replace(VISIT, id=str(first + number)) for number in range(count)]
    changed = [at + timedelta(seconds=number) for number in range(count)]
    practice.office.save(
        *(sandbox.confirmed(visit, when) for visit, when in zip(visits, changed, strict=True))
    )


def ids(rows):
    return [row.external_id for row in rows]


# What is asked


def test_a_poll_asks_for_whole_seconds_in_utc_and_fifty_a_page(practice):
    eastern = NOON.astimezone(context().zone_of(""))
    practice.client().page(APPOINTMENTS, eastern, "")
    (path,) = practice.paths()
    assert unquote(path) == "/Appointment?_lastUpdated=ge2026-03-15T12:00:00Z&_count=50"


def test_every_request_names_the_practice_and_waits_its_turn(practice):
    practice.client().page(PAYMENTS, NOON, "")
    assert [row["practice"] for row in practice.office.requests()] == ["", "northshore"]
    assert practice.turns == 2
    assert CALLS_PER_SECOND == 4.0


def test_payments_are_asked_for_without_a_status(practice):
    practice.client().page(PAYMENTS, NOON, "")
    assert "status" not in practice.paths()[0]


def test_a_first_reading_can_be_by_the_day_of_the_appointment(practice):
    early, late = VISIT, replace(VISIT, id="2", starts_at=VISIT.starts_at + timedelta(days=40))
    practice.office.save(sandbox.confirmed(early, NOON), sandbox.confirmed(late, NOON))
    rows = read_all(practice.client(), APPOINTMENTS, dated_from=date(2026, 4, 1))
    assert ids(rows) == ["2"]
    assert unquote(practice.paths()[0]) == "/Appointment?date=ge2026-04-01&_count=50"


# What comes back


def test_a_row_carries_its_id_its_patient_and_its_version(practice):
    practice.office.save(
        sandbox.confirmed(VISIT, NOON), sandbox.patient_saved(ALBA, NOON), sandbox.paid(PAYMENT, NOON)
    )
    at = NOON.replace(microsecond=987000)
    for resource, external_id in ((APPOINTMENTS, "12312"), (PATIENTS, ALBA.id), (PAYMENTS, "126671")):
        (row,) = read_all(practice.client(), resource, NOON - timedelta(minutes=1))
        assert (row.external_id, row.patient_id, row.updated_at) == (external_id, ALBA.id, at)
        assert row.payload["id"] == external_id


def test_an_appointment_of_no_patient_has_no_lane(practice):
    practice.office.save(sandbox.confirmed(replace(VISIT, patient=None)))
    (row,) = read_all(practice.client(), APPOINTMENTS)
    assert row.patient_id == ""


def test_a_row_without_meta_has_no_version(practice):
    practice.office.save(sandbox.paid(PAYMENT, NOON))
    practice.office.set_knobs(without_meta=["PaymentReconciliation"])
    (row,) = read_all(practice.client(), PAYMENTS)
    assert (row.external_id, row.updated_at) == ("126671", None)


def test_the_time_of_a_page_is_the_server_s(practice):
    practice.ahead = timedelta(minutes=30)
    page = practice.client().page(APPOINTMENTS, NOON, "")
    assert page.server_time is not None
    assert abs(page.server_time - datetime.now(UTC)) < timedelta(minutes=1)


def test_only_what_changed_since_comes_back(practice):
    fill(practice, 5)
    assert ids(read_all(practice.client(), APPOINTMENTS, NOON + timedelta(seconds=3))) == ["4", "5"]


# Pages


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 99, 100, 120])
@pytest.mark.parametrize("newest_first", [False, True])
def test_every_row_comes_once_whatever_the_count_and_the_order(practice, count, newest_first):
    fill(practice, count)
    practice.office.set_knobs(newest_first=newest_first)
    rows = read_all(practice.client(), APPOINTMENTS, NOON - timedelta(minutes=10))
    assert sorted(map(int, ids(rows))) == list(range(1, count + 1))
    assert len(practice.paths()) <= 1 + count // 49


def test_a_server_that_gives_fewer_a_page_than_asked_is_read_to_the_end(practice):
    fill(practice, 23)
    practice.office.set_knobs(page_cap=10)
    assert len(read_all(practice.client(), APPOINTMENTS)) == 23


def test_a_next_link_that_points_to_itself_costs_no_further_request(practice):
    fill(practice, 3)
    practice.office.set_knobs(next_on_last_page="self")
    assert len(read_all(practice.client(), APPOINTMENTS)) == 3
    assert len(practice.paths()) == 1


def test_a_next_link_on_the_last_page_leads_to_an_end(practice):
    fill(practice, 60)
    practice.office.set_knobs(next_on_last_page="empty")
    assert len(read_all(practice.client(), APPOINTMENTS)) == 60
    assert len(practice.paths()) < 8


def test_a_server_that_gives_the_same_page_for_ever_fails_the_poll_since_rows_are_out_of_reach(practice):
    fill(practice, 10)
    practice.office.set_knobs(ignores_offset=True, page_cap=5)
    with pytest.raises(TransientError, match="again and again"):
        read_all(practice.client(), APPOINTMENTS)
    assert len(practice.paths()) < 20


def test_links_to_another_host_are_asked_at_ours(practice):
    fill(practice, 60)
    practice.office.set_knobs(link_base="http://localhost:1/api")
    assert len(read_all(practice.client(), APPOINTMENTS, NOON - timedelta(minutes=10))) == 60
    assert all("_lastUpdated=ge2026" in unquote(path) for path in practice.paths())


@pytest.mark.parametrize("newest_first", [False, True])
def test_rows_that_are_added_between_pages_neither_hide_nor_repeat_others(practice, newest_first):
    fill(practice, 60)
    added = [sandbox.confirmed(replace(VISIT, id=f"9{number}")) for number in range(7)]
    practice.office.set_knobs(newest_first=newest_first, page_cap=20, drift={"Appointment": [{"put": added}]})
    found = ids(read_all(practice.client(), APPOINTMENTS))
    assert {str(number) for number in range(1, 61)} <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("newest_first", [False, True])
def test_rows_that_are_removed_between_pages_hide_no_others(practice, newest_first):
    fill(practice, 60)
    gone = ["60", "59", "58"] if newest_first else ["1", "2", "3"]
    practice.office.set_knobs(
        newest_first=newest_first, page_cap=20, drift={"Appointment": [None, {"remove": gone}]}
    )
    found = ids(read_all(practice.client(), APPOINTMENTS))
    assert {str(number) for number in range(4, 58)} <= set(found)
    assert len(found) == len(set(found))


def test_a_row_that_changes_between_pages_comes_again_as_it_is_now_when_it_is_met_again(practice):
    fill(practice, 30)
    changed = sandbox.cancelled(replace(VISIT, id="20"))
    practice.office.set_knobs(page_cap=20, drift={"Appointment": [{"put": [changed], "remove": ["1", "2"]}]})
    states = [
        row.payload["status"] for row in read_all(practice.client(), APPOINTMENTS) if row.external_id == "20"
    ]
    assert states == ["booked", "cancelled"]


def test_one_client_reads_several_lists_at_a_time(practice):
    fill(practice, 60)
    practice.office.save(*(sandbox.patient_saved(sandbox.patient(number)) for number in range(60)))
    client = practice.client()
    first, other = client.page(APPOINTMENTS, None, ""), client.page(PATIENTS, None, "")
    found = [*client.page(APPOINTMENTS, None, first.next).rows, *client.page(PATIENTS, None, other.next).rows]
    assert len(first.rows) + len(other.rows) + len(found) == 120


# Filters that are not heeded


def test_rows_that_were_not_asked_for_are_left_out_and_it_is_said(practice):
    fill(practice, 40)
    practice.office.set_knobs(ignores_last_updated=True)
    page = practice.client().page(APPOINTMENTS, NOON + timedelta(seconds=38), "")
    assert (ids(page.rows), page.ignored_filter) == (["39", "40"], True)


def test_a_filter_that_is_heeded_is_not_complained_of(practice):
    fill(practice, 40)
    for since in (NOON, NOON + timedelta(seconds=38), NOON + timedelta(days=1), None):
        assert not practice.client().page(APPOINTMENTS, since, "").ignored_filter


def test_an_appointment_on_an_earlier_day_than_asked_for_is_left_out(practice):
    bundle = {"resourceType": "Bundle", "entry": [{"resource": sandbox.confirmed(VISIT, NOON)}]}
    practice.fault(route="GET /Appointment", status=200, body=bundle, times=2)
    for day, count in ((date(2026, 3, 19), 1), (date(2026, 3, 20), 0)):
        page = practice.client().page(APPOINTMENTS, None, "", dated_from=day)
        assert (len(page.rows), page.ignored_filter) == (count, not count)


def test_one_patient_s_rows_can_be_asked_for(practice):
    other = replace(VISIT, id="2", patient=sandbox.patient(1))
    practice.office.save(sandbox.confirmed(VISIT), sandbox.confirmed(other))
    assert ids(read_all(practice.client(), APPOINTMENTS, patient_id=ALBA.id.upper())) == ["12312"]


# One patient, lists that hardly change


def test_a_patient_is_found_in_upper_and_lower_case(practice):
    practice.office.save(sandbox.patient_saved(ALBA))
    client = practice.client()
    assert client.patient(ALBA.id.upper()) == client.patient(ALBA.id)


def test_a_patient_who_is_gone_is_said(practice):
    with pytest.raises(NotFoundError, match="no such patient"):
        practice.client().patient(ALBA.id)


def test_another_patient_than_the_one_asked_for_is_refused(practice):
    practice.office.save(sandbox.patient_saved(ALBA))
    with pytest.raises(MalformedPayload, match="another record"):
        practice.client().patient(ALBA.chart_number)


def test_locations_types_purposes_and_statuses_are_listed(practice):
    client = practice.client()
    practice.office.save(*sandbox.locations([sandbox.Site("9", "Closed Site")]))
    closed = sandbox.locations([sandbox.Site("9", "Closed Site")])[0] | {"status": "inactive"}
    practice.office.save(closed)
    assert client.locations() == [LocationRef("5", "South Dermatology"), LocationRef("6", "Harbor Med Spa")]
    types = client.appointment_types()
    assert TypeOption("6", "Injectables") in types
    assert TypeOption("112", "Injectables", "Botox") in types
    assert len(types) == len(sandbox.TYPES) + sum(len(kind.purposes) for kind in sandbox.TYPES)
    assert client.appointment_statuses() == ["Online Book", "Online Hold"]


# Enrichment


def test_an_event_costs_one_request_and_names_come_from_the_row_itself(practice):
    practice.office.save(sandbox.patient_saved(ALBA))
    body = enrich("appointment", sandbox.confirmed(VISIT), practice.client(), None)
    (record,) = understand("appointment", body, context())
    assert (record.person.email, record.practitioner) == ("alba.winter@example.com", "Davison, Darren")
    assert record.location.name == "South Dermatology"
    assert practice.paths() == [f"/Patient/{ALBA.id}?"]


def test_enriching_again_asks_again(practice):
    practice.office.save(sandbox.patient_saved(ALBA))
    body = enrich("payment", sandbox.paid(PAYMENT), practice.client(), None)
    practice.office.save(sandbox.patient_saved(replace(ALBA, email="new@example.com")))
    (record,) = understand("payment", enrich("payment", body, practice.client(), None), context())
    assert (record.person.email, record.amount) == ("new@example.com", Decimal("420.00"))


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("patient", sandbox.patient_saved(ALBA)),
        ("appointment", sandbox.arrived(VISIT)),
        ("appointment", sandbox.appointment(VISIT, "proposed")),
        ("appointment", sandbox.confirmed(replace(VISIT, patient=None))),
    ],
)
def test_nothing_is_asked_where_nothing_will_be_written(practice, kind, resource):
    assert enrich(kind, resource, practice.client(), None) == {"resource": resource}
    assert practice.office.requests() == []


def test_a_patient_who_is_gone_parks_nothing(practice):
    body = enrich("appointment", sandbox.confirmed(VISIT), practice.client(), None)
    (record,) = understand("appointment", body, context())
    assert (record.person.first_name, record.person.email) == ("Alba", "")


# What goes wrong


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RejectedError),
        (403, AuthError),
        (404, ConfigError),
        (408, TransientError),
        (422, RejectedError),
        (500, TransientError),
        (502, TransientError),
        (503, TransientError),
        (523, TransientError),
    ],
)
def test_every_refusal_has_its_error(practice, status, error):
    practice.fault(route="GET /Appointment", status=status, body={"message": 'Mail "x@example.com" is bad'})
    with pytest.raises(error) as fault:
        practice.client().page(APPOINTMENTS, NOON, "")
    assert "example.com" not in str(fault.value) + fault.value.vendor_words


def test_a_rate_limit_waits_as_told_or_ten_seconds(practice):
    practice.fault(route="GET /Appointment", status=429, retry_after=7)
    practice.fault(route="GET /Appointment", status=429)
    client = practice.client()
    for seconds in (7.0, 10.0):
        with pytest.raises(RateLimited) as limit:
            client.page(APPOINTMENTS, NOON, "")
        assert limit.value.retry_after == seconds
    assert client.page(APPOINTMENTS, NOON, "").rows == ()


def test_a_limit_of_our_own_is_passed_on(practice):
    def wait_turn():
        raise RateLimited("Our own limit.", retry_after=1)

    with pytest.raises(RateLimited):
        practice.client(wait_turn=wait_turn).page(APPOINTMENTS, NOON, "")
    assert practice.office.requests() == []


def test_an_error_that_comes_as_a_success_is_no_empty_list(practice):
    outcome = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "Try again later."}]}
    practice.fault(route="GET /Appointment", status=200, body=outcome)
    with pytest.raises(TransientError, match=r"without a list\. Try again later\."):
        practice.client().page(APPOINTMENTS, NOON, "")


def test_what_a_list_holds_beside_what_was_asked_for_is_left_out(practice):
    outcome = {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}}
    rows = [
        outcome,
        {"resource": sandbox.confirmed(VISIT, NOON)},
        {"resource": sandbox.patient_saved(ALBA)},
        {},
        None,
    ]
    bundle = {"resourceType": "Bundle", "entry": rows}
    practice.fault(route="GET /Appointment", status=200, body=bundle)
    assert ids(practice.client().page(APPOINTMENTS, NOON, "").rows) == ["12312"]


def test_a_list_without_links_and_entries_is_empty(practice):
    practice.fault(route="GET /Appointment", status=200, body={"resourceType": "Bundle"})
    page = practice.client().page(APPOINTMENTS, NOON, "")
    assert (page.rows, page.next) == ((), "")


def test_a_connection_that_breaks_can_be_tried_again(practice):
    practice.client().page(APPOINTMENTS, NOON, "")
    practice.fault(route="GET /Appointment", kind="close")
    with pytest.raises(TransientError):
        practice.client().page(APPOINTMENTS, NOON, "")


def test_one_resource_that_is_not_licensed_says_which_and_leaves_the_others(practice):
    practice.office.set_knobs(refused=["PaymentReconciliation"])
    client = practice.client()
    with pytest.raises(AuthError, match="read PaymentReconciliation of this practice") as fault:
        client.page(PAYMENTS, NOON, "")
    assert fault.value.status == 403
    assert client.page(APPOINTMENTS, NOON, "").rows == ()


def test_a_wrong_practice_id_is_said(practice):
    wrong = practice.office.credentials() | {"practice_id": "elsewhere"}
    with pytest.raises(AuthError, match="Check the practice ID"):
        practice.client(credentials=wrong).page(APPOINTMENTS, NOON, "")


def test_a_base_address_that_leads_nowhere_is_said(practice):
    wrong = practice.office.base_url + "/no"
    with pytest.raises(ConfigError, match="base address"):
        practice.client(base_url=wrong).page(APPOINTMENTS, NOON, "")


# The test of a connection


def test_every_capability_can_be_tried(practice):
    client = practice.client()
    words = [client.test(one.name) for one in CAPABILITIES]
    assert words[:2] == ["Signed in.", "Nextech shows us its appointments."]
    assert all("_count=1" in path for path in practice.paths())
    assert practice.sign_ins() == 1


def test_a_capability_that_is_missing_is_said_alone(practice):
    practice.office.set_knobs(refused=["PaymentReconciliation"])
    client = practice.client()
    with pytest.raises(AuthError):
        client.test("payments")
    assert client.test("patients") == "Nextech shows us its patients."


def test_the_sign_in_is_tried_with_the_password_even_where_a_token_is_still_good(practice):
    client = practice.client()
    client.page(APPOINTMENTS, NOON, "")
    practice.office.set_user(expired=True)
    assert client.page(APPOINTMENTS, NOON, "").rows == ()
    with pytest.raises(AuthError, match="reset the password in Azure"):
        client.test("sign_in")
