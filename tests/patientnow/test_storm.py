"""500 notices about 100 patients at once, while PatientNow Pro is slow and tells us to slow down now and then."""

from decimal import Decimal

import pytest

from integrations.models import LedgerRow
from tests.patientnow.clinic import Clinic, Json
from tests.patientnow.storm import Tale, needed, post_all, tales, working

PATIENTS, LANES = 100, 8
# One of so many calls is refused, and every call takes so long.
THROTTLE_EVERY, SLOW_MS = 9, 100
MOST_SECONDS = 80.0


@pytest.mark.django_db(transaction=True)
def test_a_storm_of_notices_loses_and_doubles_nothing_and_reads_nothing_twice(sandbox: str) -> None:
    clinic = Clinic(sandbox)
    told = tales(clinic, PATIENTS)
    assert sum(len(one.notices) for one in told) == 500
    clinic.forget_calls()
    clinic.desk.set_up(slow_ms=SLOW_MS, throttle_every=THROTTLE_EVERY, retry_after="1")
    with working(clinic, LANES, MOST_SECONDS):
        post_all(clinic, told)
    assert clinic.states() == {"done": 500}
    _reads_only_what_is_needed(clinic, told)
    contacts = clinic.contacts()
    shown = {row["fields"]["PNOW ID"]: row for row in contacts}
    assert len(shown) == len(contacts) == PATIENTS
    for one in told:
        _is_as_told(one, shown[one.who])
    rows = LedgerRow.objects.for_practice(clinic.practice)
    assert (rows.count(), rows.filter(state="written").count()) == (PATIENTS, PATIENTS)


def _reads_only_what_is_needed(clinic: Clinic, told: list[Tale]) -> None:
    """Every event has to read what its kind needs; with what was refused that is all. So none read more."""
    calls, wanted = clinic.desk.calls(), needed(told)
    refused = sum(calls.values()) // THROTTLE_EVERY
    assert refused > 50
    assert calls.keys() == wanted.keys()
    assert all(calls[route] >= count for route, count in wanted.items())
    assert sum(calls.values()) == sum(wanted.values()) + refused


def _is_as_told(one: Tale, shown: Json) -> None:
    """The contact's notes, one each and in order, and its newest values."""
    notes = [_note(row["body"]) for row in reversed(shown["notes"])]
    assert notes == one.notes, one.number
    assert {name: shown["fields"].get(name) for name in one.fields} == one.fields
    assert {name: shown["native"].get(name) for name in one.native} == one.native
    assert shown["tags"] == one.tags
    (card,) = shown["opportunities"]
    assert Decimal(str(card["monetary_value"])) == Decimal(str(one.fields["Patient Lifetime Value"]))


def _note(body: str) -> tuple[str, str]:
    """Its headline, and the id of what it tells of."""
    lines = body.splitlines()
    ids = [line.split(": ", 1)[1] for line in lines if line.startswith(("Appointment ID: ", "Order ID: "))]
    assert len(ids) == 1
    return lines[0].removeprefix("PatientNow Pro: "), ids[0]
