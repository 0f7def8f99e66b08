"""The sandbox sends what the folder reads, about nobody real."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import responses

from integrations.contract.records import Outcome
from integrations.emrs.aestheticspro import sandbox
from integrations.emrs.aestheticspro.mapping import understand
from integrations.emrs.aestheticspro.tests.bodies import NEW_YORK, context
from integrations.emrs.aestheticspro.webhook import receive

SENT_AT = datetime(2026, 3, 18, 21, 30, tzinfo=NEW_YORK)
VISIT = sandbox.Visit(91001, sandbox.CLIENTS[3], datetime(2026, 3, 18, 20, 0), sandbox.SERVICES[:2])


def read(body):
    receipt = receive(body, {})
    assert not receipt.ignored_because
    assert receipt.event_id
    (record,) = understand(receipt.kind, body, context())
    assert receipt.patient_id == record.person.external_id
    assert record.warnings == ()
    return record


@pytest.mark.parametrize(
    ("build", "outcome"),
    [
        (sandbox.booked, Outcome.BOOKED),
        (sandbox.cancelled, Outcome.CANCELLED),
        (sandbox.no_show, Outcome.NO_SHOW),
        (sandbox.deleted, Outcome.CANCELLED),
    ],
)
def test_what_happens_to_a_visit_is_read_back(build, outcome):
    record = read(build(VISIT, SENT_AT))
    assert (record.external_id, record.outcome) == ("91001", outcome)
    assert (record.visit_on, record.service) == (date(2026, 3, 18), "Botox, Botox Touch-Up")
    assert record.location.external_id == "12"


def test_a_moved_visit_carries_its_new_date():
    record = read(sandbox.rescheduled(VISIT, datetime(2026, 3, 25, 9, 30), SENT_AT))
    assert (record.visit_on, record.is_reschedule) == (date(2026, 3, 25), True)


def test_a_paid_invoice_proves_its_visit():
    record = read(sandbox.invoice_paid(VISIT, 41001, SENT_AT))
    assert (record.visit_external_id, record.amount, record.paid_on) == (
        "91001",
        Decimal("470.00"),
        date(2026, 3, 18),
    )
    assert read(sandbox.invoice_paid(VISIT, 41001, SENT_AT, amount=Decimal("1200"))).amount == Decimal(
        "1200.00"
    )


def test_a_retail_sale_has_no_visit():
    record = read(sandbox.retail_sale(sandbox.CLIENTS[0], sandbox.RETAIL[:2], 41002, SENT_AT))
    assert (record.visit_external_id, record.service) == ("", "SPF 50 Sunscreen, Vitamin C Serum")


def test_a_saved_client_is_read_back():
    assert read(sandbox.client_saved(sandbox.CLIENTS[0], SENT_AT)).person.last_name == "Winter"


def test_a_test_ping_is_ignored():
    assert receive(sandbox.test_ping(SENT_AT), {}).ignored_because


def test_the_same_arguments_give_the_same_body_and_later_ones_another_event():
    assert sandbox.booked(VISIT, SENT_AT) == sandbox.booked(VISIT, SENT_AT)
    later = sandbox.booked(VISIT, SENT_AT.replace(minute=31))
    assert later["event_id"] != sandbox.booked(VISIT, SENT_AT)["event_id"]


def test_the_cast_is_large_and_made_up():
    clients = sandbox.CLIENTS
    assert len({client.client_id for client in clients}) == len(clients) >= 40
    assert (
        len({client.email for client in clients})
        == len({client.mobile_phone for client in clients})
        == len(clients)
    )
    assert all(client.email.endswith("@example.com") for client in clients)
    assert all(client.mobile_phone.startswith("(212) 555-01") for client in clients)
    assert len({service.name for service in sandbox.SERVICES}) >= 25


def test_everybody_in_the_cast_is_readable():
    for client in sandbox.CLIENTS:
        person = read(sandbox.client_saved(client, SENT_AT)).person
        assert person.birth_date == client.born
        assert person.gender in {"female", "male", "other"}


@responses.activate
def test_sending_posts_json_with_the_secret_when_there_is_one():
    url = "http://sandbox.example.com/webhooks/emr/key/"
    responses.post(url, status=202, json={"result": "stored"})
    body = sandbox.test_ping(datetime(2026, 3, 18, tzinfo=UTC))
    assert sandbox.send(url, body, "s3cret").status_code == 202
    sandbox.send(url, body)
    with_secret, without = (call.request for call in responses.calls)
    assert with_secret.headers["X-AX-Secret"] == "s3cret"
    assert "X-AX-Secret" not in without.headers
