"""The go-live checklist: what is red, why, and what turns it green."""

from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from categorization.models import AppointmentType
from integrations.models import Connection, InboundEvent, SubAccount
from integrations.practice_file.importing import import_practice
from integrations.practice_file.provisioning import Provisioning
from integrations.sync.golive import Check, State, checklist, is_ready
from tenants.models import Location, Practice
from tests.practice_file.conftest import PretendCrm
from tests.practice_file.documents import document, raw

pytestmark = pytest.mark.django_db


def practice_from(file: dict[str, Any], **options: Any) -> Practice:
    return Practice.objects.across_practices().get(slug=import_practice(raw(file), **options).slug)


def checks_of(practice: Practice) -> dict[str, Check]:
    return {check.name: check for check in checklist(practice)}


def bare(kind: str = "plastic_surgery") -> dict[str, Any]:
    return {"format": 1, "practice": document()["practice"] | {"kind": kind}}


def arrived(connection: Connection) -> None:
    now = timezone.now()
    values = {"practice": connection.practice, "connection": connection, "source": "webhook"}
    InboundEvent.objects.create(**values, dedupe_key=str(now), received_at=now)


def test_a_bare_practice_lacks_everything() -> None:
    found = checks_of(practice_from(bare()))
    assert {name: check.state for name, check in found.items()} == {
        "connections": State.RED,
        "destination": State.RED,
    }


def test_a_practice_becomes_ready_step_by_step(crm: PretendCrm) -> None:
    file = document()
    del file["connections"][1], file["sub_accounts"][1], file["locations"]
    file["categories"][1]["confirmed"] = True
    practice = practice_from(file, prepare=Provisioning())
    red = [check.name for check in checklist(practice) if check.state is State.RED]
    assert red == ["credentials/cw", "prerequisite/cw/edition", "test_event/cw"]
    connection = Connection.objects.for_practice(practice).get()
    connection.ticks = {"edition": True, "credentials_tested": True}
    connection.save()
    arrived(connection)
    assert is_ready(checklist(practice))
    file["practice"]["slug"] = "bluestone"
    Practice.objects.across_practices().update(state="onboarding", live_reason="")
    del file["practice"]["live_reason"]
    import_practice(raw(file))
    assert Practice.objects.across_practices().get().state == "live"


def test_refused_credentials_and_tokens_are_red() -> None:
    practice = practice_from(document())
    Connection.objects.for_practice(practice).update(needs_reauth_since=timezone.now())
    SubAccount.objects.for_practice(practice).update(needs_reauth_since=timezone.now())
    found = checks_of(practice)
    assert found["credentials/cw"].reason == "Chartwell refuses the credentials: enter new ones."
    assert found["token/main"].reason == "The CRM refuses the token: enter a new one."


def test_missing_credentials_are_named_by_their_labels() -> None:
    practice = practice_from(document())
    row = Connection.objects.for_practice(practice).get(key="cw")
    row.credentials = {"username": "blue"}
    row.save()
    assert checks_of(practice)["credentials/cw"].reason == "Enter API key."


def test_an_emr_without_credentials_needs_no_test() -> None:
    assert checks_of(practice_from(document()))["credentials/glow"].state is State.GREEN


def test_without_a_default_every_location_must_be_mapped() -> None:
    file = document()
    file["sub_accounts"][0]["default"] = False
    practice = practice_from(file)
    assert checks_of(practice)["destination"].reason == "Map Pop-up, or make one sub-account the default."
    Location.objects.for_practice(practice).get(external_id="950").delete()
    assert checks_of(practice)["destination"].state is State.GREEN
    Location.objects.for_practice(practice).delete()
    assert checks_of(practice)["destination"].state is State.RED


def test_fields_that_are_missing_or_of_the_wrong_type_are_named(crm: PretendCrm) -> None:
    crm.set_up(
        "LOC1", "pit-main-secret", custom_fields=[{"id": "X", "name": "CW Birthday", "dataType": "TEXT"}]
    )
    practice = practice_from(document(), prepare=Provisioning(dry_run=True))
    reason = checks_of(practice)["fields/main"].reason
    assert reason.startswith("Missing: Appointment Category, CW Patient ID, Contact Type, GL Patient ID,")
    assert '"CW Birthday" is of type TEXT, needed is DATE.' in reason


def test_only_the_stages_that_are_needed_must_be_mapped() -> None:
    file = document()
    del file["sub_accounts"][0]["pipelines"]["surgical"]["stages"]["Surgery Complete"]
    practice = practice_from(file)
    assert checks_of(practice)["stages/main"].reason == "Map Surgical Surgery Complete."
    assert checks_of(practice)["stages/spa"].state is State.GREEN, "the CRM's workflow moves that pipeline"
    file["practice"]["kind"] = "med_spa"
    file["connections"][0]["switches"] = {"separate_consult_stages": True}
    reason = checks_of(practice_from(file))["stages/main"].reason
    assert reason == "Map Non-surgical Consult Booked, Non-surgical Consult Complete."


def test_an_emr_without_a_surgical_pipeline_needs_no_surgical_stages() -> None:
    file = document()
    del file["connections"][0], file["categories"]
    del file["sub_accounts"][0]["pipelines"]["surgical"]
    found = checks_of(practice_from(file))
    assert found["stages/main"].state is State.GREEN
    assert "types/glow" not in found


def test_unmapped_workflows_are_for_a_person_to_judge() -> None:
    check = checks_of(practice_from(document()))["workflows/main"]
    assert check.state is State.MANUAL
    assert check.reason == "Not mapped, so nobody is enrolled: CW Birthday, Glow Appointments."


def test_where_the_crm_moves_the_pipeline_its_workflow_must_be_mapped() -> None:
    check = checks_of(practice_from(document()))["workflows/spa"]
    assert (check.state, check.reason) == (
        State.RED,
        "Map CW Appointments Update, Glow Appointments: it moves the pipeline here.",
    )


def test_every_appointment_type_must_be_confirmed_where_there_are_two_pipelines() -> None:
    practice = practice_from(document())
    assert checks_of(practice)["types/cw"].reason == "1 of 2 is not confirmed yet."
    AppointmentType.objects.for_practice(practice).update(confirmed_at=timezone.now())
    assert checks_of(practice)["types/cw"].state is State.GREEN
    AppointmentType.objects.for_practice(practice).delete()
    assert checks_of(practice)["types/cw"].reason == "No appointment types are known yet."


def test_an_emr_whose_folder_is_gone_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    practice = practice_from(document())
    Connection.objects.for_practice(practice).filter(key="glow").update(emr="gone")
    assert checks_of(practice)["emr/glow"].reason == 'There is no EMR "gone" here.'


def test_the_number_of_queries_is_fixed() -> None:
    small = practice_from(bare())
    with CaptureQueriesContext(
        database,
    ) as few:
        checklist(small)
    file = document()
    file["practice"]["slug"] = "granite"
    large = practice_from(file)
    with CaptureQueriesContext(database) as many:
        checklist(large)
    assert len(many) == len(few) <= 8


def test_a_red_check_says_why_and_a_green_one_does_not() -> None:
    for check in checklist(practice_from(document())):
        assert bool(check.reason) == (check.state is not State.GREEN), check.name
