"""The switches of a connection to PatientNow Pro, as a practice uses them: what each changes, what it leaves alone, and
that it speaks for its own connection only. Every cell of the stage tables is in test_lead_or_patient.py, the value of
the surgical card in test_money.py."""

from typing import Any

import pytest

from integrations.emrs.patientnow_pro.sandbox import Practice as Desk
from integrations.models import Connection, EventState
from integrations.sync.replay import replay
from tests.patientnow.clinic import CATEGORIES, NOW, Clinic, Json, connection_part
from tests.patientnow.test_flows import ADDRESS
from tests.polling.offices import KEY

CARD = "Non-Surgical"


def spa(sandbox: str, **switches: Any) -> Clinic:
    """A med spa: one pipeline, with stages for consults."""
    return Clinic(sandbox, kind="med_spa", switches=switches)


def stage(clinic: Clinic) -> tuple[str, str]:
    (found,) = clinic.cards().items()
    assert found[0] == CARD
    return found[1]


def contact_type(clinic: Clinic) -> str:
    return str(clinic.contact()["fields"].get("Contact Type") or "")


def lead_status(clinic: Clinic) -> str:
    return str(clinic.contact()["fields"].get("Lead Status") or "")


def happens(clinic: Clinic, notice: Json) -> None:
    """Work one notice off; time goes by."""
    event = clinic.take(notice)
    assert event.state == EventState.DONE, event.reason
    clinic.later()


# separate_consult_stages


def test_a_consult_goes_through_its_own_stages_and_leaves_a_lead_open(db: None, sandbox: str) -> None:
    clinic = spa(sandbox, separate_consult_stages=True)
    who = clinic.patient()
    happens(clinic, clinic.booked(who, "Skin Consult"))
    assert (stage(clinic), lead_status(clinic)) == (("Consult Booked", "open"), "Consult Booked")
    happens(clinic, clinic.desk.check_out("90301"))
    assert (stage(clinic), lead_status(clinic)) == (("Consult Complete", "open"), "Consult Complete")
    assert contact_type(clinic) == ""


def test_the_treatment_after_it_makes_the_lead_a_patient(db: None, sandbox: str) -> None:
    clinic = spa(sandbox, separate_consult_stages=True)
    who = clinic.patient()
    for notice in (clinic.booked(who, "Skin Consult"), clinic.desk.check_out("90301")):
        happens(clinic, notice)
    happens(clinic, clinic.booked(who, "Botox"))
    assert stage(clinic) == ("Booked", "open")
    happens(clinic, clinic.desk.check_out("90302"))
    assert (stage(clinic), contact_type(clinic)) == (("Patient", "won"), "Patient")
    # A patient who consults once more stays one.
    happens(clinic, clinic.booked(who, "Skin Consult"))
    assert stage(clinic) == ("Consult Booked", "won")
    happens(clinic, clinic.desk.check_out("90303"))
    assert stage(clinic) == ("Consult Complete", "won")
    assert contact_type(clinic) == "Patient"
    assert len(clinic.notes()) == 6


@pytest.mark.parametrize("end", ["cancel", "no_show"])
def test_a_consult_that_does_not_take_place_is_lost_as_any_visit(db: None, sandbox: str, end: str) -> None:
    clinic = spa(sandbox, separate_consult_stages=True)
    happens(clinic, clinic.booked(clinic.patient(), "Skin Consult"))
    happens(clinic, getattr(clinic.desk, end)("90301"))
    assert stage(clinic) == ("Cancelled / No-Show", "open")


def test_a_consult_paid_at_the_desk_keeps_its_stage(db: None, sandbox: str) -> None:
    clinic = spa(sandbox, separate_consult_stages=True)
    who = clinic.patient()
    happens(clinic, clinic.booked(who, "Skin Consult"))
    happens(clinic, clinic.desk.check_out("90301"))
    happens(clinic, clinic.desk.bill(who, ["Consultation Fee"], seed=1))
    assert (stage(clinic), contact_type(clinic)) == (("Consult Complete", "open"), "")
    assert clinic.lifetime_value() == 150


def test_without_the_switch_a_consult_is_a_visit_like_any_other(db: None, sandbox: str) -> None:
    clinic = spa(sandbox)
    happens(clinic, clinic.booked(clinic.patient(), "Skin Consult"))
    assert stage(clinic) == ("Booked", "open")
    happens(clinic, clinic.desk.check_out("90301"))
    assert (stage(clinic), contact_type(clinic)) == (("Patient", "won"), "Patient")


def test_switched_on_later_it_counts_for_what_comes_then(db: None, sandbox: str) -> None:
    clinic = spa(sandbox)
    happens(clinic, clinic.booked(clinic.patient(), "Skin Consult"))
    clinic.set_up(kind="med_spa", switches={"separate_consult_stages": True})
    clinic.work()
    assert stage(clinic) == ("Booked", "open")
    happens(clinic, clinic.desk.check_out("90301"))
    assert (stage(clinic), contact_type(clinic)) == (("Consult Complete", "open"), "")


# sync_address


def address(clinic: Clinic) -> Json:
    """The address in the CRM, as far as there is one."""
    native = clinic.contact()["native"]
    return {name: native[name] for name in ADDRESS if native.get(name)}


MOVED = {"line1": "77 Reef Ct", "city": "Hialeah", "state": "FL", "zip": "33010"}
MOVED_THERE = {"address1": "77 Reef Ct", "city": "Hialeah", "state": "FL", "postalCode": "33010"}


def test_off_no_address_leaves_for_the_crm_whatever_happens(clinic: Clinic) -> None:
    who = clinic.patient()
    happens(clinic, clinic.desk.update_patient(who, address=MOVED))
    happens(clinic, clinic.booked(who))
    happens(clinic, clinic.desk.bill(who, ["Botox"], seed=1))
    happens(clinic, clinic.desk.membership(who, "VIP Gold"))
    happens(clinic, clinic.desk.update_patient(who, address={**MOVED, "line1": "78 Reef Ct"}))
    assert address(clinic) == {}


def test_on_the_address_follows_the_patient(clinic: Clinic) -> None:
    clinic.set_up(switches={"sync_address": True})
    who = clinic.patient()
    happens(clinic, clinic.desk.update_patient(who, unsubscribed=False))
    assert address(clinic) == ADDRESS
    happens(clinic, clinic.desk.update_patient(who, address=MOVED))
    assert address(clinic) == MOVED_THERE


def test_on_what_patientnow_does_not_know_is_not_wiped_out(clinic: Clinic) -> None:
    clinic.set_up(switches={"sync_address": True})
    who = clinic.patient()
    happens(clinic, clinic.desk.update_patient(who, address=MOVED))
    happens(clinic, clinic.desk.update_patient(who, address={**MOVED, "line1": "", "zip": None}))
    happens(clinic, clinic.desk.update_patient(who, address=None))
    assert address(clinic) == MOVED_THERE


def test_on_only_patient_notices_write_it(clinic: Clinic) -> None:
    clinic.set_up(switches={"sync_address": True})
    who = clinic.patient()
    happens(clinic, clinic.booked(who))
    happens(clinic, clinic.desk.bill(who, ["Botox"], seed=1))
    happens(clinic, clinic.desk.membership(who, "VIP Gold"))
    assert address(clinic) == {}
    happens(clinic, clinic.desk.update_patient(who, unsubscribed=True))
    assert address(clinic) == ADDRESS


def test_switched_off_again_what_was_written_stays_as_it_is(clinic: Clinic) -> None:
    clinic.set_up(switches={"sync_address": True})
    who = clinic.patient()
    happens(clinic, clinic.desk.update_patient(who, unsubscribed=False))
    clinic.set_up(switches={"sync_address": False})
    happens(clinic, clinic.desk.update_patient(who, address=MOVED))
    assert address(clinic) == ADDRESS


# dynamic_membership_tag


def tags(clinic: Clinic) -> list[str]:
    return sorted(clinic.contact()["tags"])


def joins(clinic: Clinic, who: str, program: str, **changes: Any) -> Json:
    """A membership is sold; ``changes`` replace values of its record."""
    notice = clinic.desk.membership(who, program)
    record = clinic.desk.record("memberships", notice["membershipId"])
    clinic.desk.save("memberships", {**record, **changes})
    return notice


def test_off_every_program_has_the_one_tag(clinic: Clinic) -> None:
    who = clinic.patient()
    happens(clinic, joins(clinic, who, "VIP Gold"))
    happens(clinic, joins(clinic, who, "Glow Club"))
    assert tags(clinic) == ["membership"]


def test_on_each_program_has_its_own(clinic: Clinic) -> None:
    clinic.set_up(switches={"dynamic_membership_tag": True})
    who = clinic.patient()
    happens(clinic, joins(clinic, who, "VIP Gold"))
    happens(clinic, joins(clinic, who, "Glow Club"))
    assert tags(clinic) == ["membership - glow club", "membership - vip gold"]


@pytest.mark.parametrize("name", ["", "   ", None])
def test_on_a_program_without_a_name_has_the_plain_tag(clinic: Clinic, name: str | None) -> None:
    clinic.set_up(switches={"dynamic_membership_tag": True})
    happens(clinic, joins(clinic, clinic.patient(), "VIP Gold", programName=name))
    assert tags(clinic) == ["membership"]


def test_switched_on_later_a_replay_adds_the_named_tag_and_takes_none_away(clinic: Clinic) -> None:
    who = clinic.patient()
    event = clinic.take(joins(clinic, who, "VIP Gold"))
    clinic.api("POST", f"/contacts/{clinic.contact()['id']}/tags", {"tags": ["front-row"]})
    clinic.set_up(switches={"dynamic_membership_tag": True})
    assert replay(event)
    clinic.work()
    assert tags(clinic) == ["front-row", "membership", "membership - vip gold"]


# Each connection has its own


def test_a_switch_speaks_for_its_own_connection_only(db: None, sandbox: str) -> None:
    """Two PatientNow accounts of one practice, say of a med spa that was bought: what each wants differs."""
    clinic = Clinic(sandbox)
    other = Desk(f"{sandbox}/emr/patientnow_pro", KEY, "PN-88")
    other.set_up("other-key", now=NOW)
    own = connection_part(
        clinic.desk.base_url, separate_consult_stages=True, sync_address=True, dynamic_membership_tag=True
    )
    plain = connection_part(other.base_url) | {
        "key": "bought",
        "credentials": {"api_key": "other-key", "practice_id": "PN-88"},
    }
    clinic.set_up(
        connections=[own, plain],
        categories=[
            {"connection": key, "type": name, "purpose": "", "category": category, "confirmed": True}
            for key in ("pnow", "bought")
            for name, category in CATEGORIES.items()
        ],
    )
    other.new_patient()  # so that the two people below have different ids
    shown = {}
    for desk, key in ((clinic.desk, "pnow"), (other, "bought")):
        who = str(desk.new_patient(email=f"{key}@example.com", cellPhone=None)["patientId"])
        clinic.connection = Connection.objects.for_practice(clinic.practice).get(key=key)
        happens(clinic, desk.update_patient(who, unsubscribed=False))
        happens(clinic, desk.book(who, type="Skin Consult", facility="F1", days_ahead=3, seed=1))
        happens(clinic, desk.membership(who, "VIP Gold"))
        (found,) = [row for row in clinic.contacts() if row["native"]["email"] == f"{key}@example.com"]
        shown[key] = (
            [(card["stage"], card["status"]) for card in found["opportunities"]],
            bool(found["native"].get("address1")),
            found["tags"],
        )
    assert shown == {
        "pnow": ([("Consult Booked", "open")], True, ["membership - vip gold"]),
        "bought": ([("Booked", "open")], False, ["membership"]),
    }
