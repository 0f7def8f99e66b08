"""PatientNow has no address that serves every practice: a connection without one of its own is not ready."""

import json

import pytest

from integrations.emrs import registry
from integrations.models import Connection, EventState
from integrations.practice_file.importing import import_practice
from integrations.practice_file.problems import PracticeFileError
from integrations.sync.golive import checklist
from tests.patientnow.clinic import Clinic

WORDS = "connections[0].base_url: is missing; PatientNow Pro has an address of its own for each practice"


def test_only_emrs_without_an_address_for_everybody_need_one():
    needing = {slug for slug, emr in registry().items() if emr.manifest.needs_base_url}
    assert needing == {"patientnow_pro"}
    assert all(not registry()[slug].manifest.default_base_url for slug in needing)


@pytest.mark.parametrize("address", [None, ""])
def test_a_practice_file_without_it_is_refused(clinic: Clinic, address: str | None):
    document = clinic.document()
    document["practice"]["slug"] = "another"
    document["connections"][0]["base_url"] = address
    document["sub_accounts"][0]["crm_location_id"] = "LOC9"
    with pytest.raises(PracticeFileError) as refused:
        import_practice(json.dumps(document).encode())
    assert WORDS in str(refused.value)


def test_a_file_that_does_not_speak_of_it_keeps_the_one_that_is_stored(clinic: Clinic):
    document = clinic.document()
    del document["connections"][0]["base_url"]
    clinic.set_up_with(document, provision=False)
    clinic.connection.refresh_from_db()
    assert clinic.connection.base_url == clinic.desk.base_url


def test_the_checklist_asks_for_it(clinic: Clinic):
    Connection.objects.for_practice(clinic.practice).update(base_url="")
    found = {check.name: check for check in checklist(clinic.practice)}["credentials/pnow"]
    assert (found.state, found.reason) == ("red", "Enter Base address.")


def test_without_it_events_wait_for_the_setting_and_then_go_on(clinic: Clinic):
    notice = clinic.booked(clinic.patient())
    row = Connection.objects.for_practice(clinic.practice).get()
    row.base_url = ""
    row.save()
    event = clinic.take(notice)
    assert (event.state, event.parked_as) == (EventState.PARKED, "config")
    assert "no base address" in event.reason
    clinic.set_up(provision=False)
    clinic.work()
    event.refresh_from_db()
    assert event.state == EventState.DONE
