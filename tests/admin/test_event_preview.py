"""What an event would do under today's settings: shown beside what was written, with nothing written and nobody
asked."""

import socket
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from django.db import connection as database
from django.urls import reverse

from integrations.contract.errors import RejectedError
from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import EffectKind, InboundEvent, PayloadReveal
from integrations.sync import preview_event as module
from integrations.sync.preview_compare import Change
from integrations.sync.preview_event import EventPreview, preview_event
from tenants.models import Role, User
from tests.admin.conftest import World as AdminWorld
from tests.admin.conftest import make_event, person, signed_in
from tests.categories.changing import carry_out, say
from tests.engine.conftest import crm_url
from tests.engine.world import World as Engine
from tests.engine.world import at, practice_file, visit
from tests.patientnow.clinic import Clinic
from tests.patientnow.conftest import clinic, sandbox
from tests.polling.conftest import crm, firm
from tests.polling.offices import events
from tests.polling.test_flows_modmed import Desk, desk, on_file, opened
from tests.polling.test_flows_modmed import visit as appointment

__all__ = ["clinic", "crm", "crm_url", "desk", "firm", "opened", "sandbox"]

KEPT_BY_THE_BROWSER = "django_session"


@pytest.fixture
def engine(db: None, crm_url: str) -> Engine:
    """A med spa on AestheticsPro, live, with a pretend CRM."""
    return Engine(crm_url)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Call it, and from then on nobody can be reached."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("somebody was called")

    with monkeypatch.context() as patch:
        yield lambda: (
            patch.setattr(socket.socket, "connect", refuse),
            patch.setattr(socket, "create_connection", refuse),
            patch.setattr("urllib3.connectionpool.HTTPConnectionPool.urlopen", refuse),
        )


def everything() -> dict[str, list[Any]]:
    """Every row of every table."""
    found: dict[str, list[Any]] = {}
    with database.cursor() as cursor:
        for table in sorted(database.introspection.table_names()):
            if table == KEPT_BY_THE_BROWSER:
                continue
            cursor.execute(f"SELECT * FROM {database.ops.quote_name(table)}")
            found[table] = sorted(map(repr, cursor.fetchall()))
    return found


def quietly(event: InboundEvent) -> EventPreview:
    """The preview of an event, after which every table is as before."""
    before = everything()
    found = preview_event(event)
    after = everything()
    assert {name: len(rows) for name, rows in after.items()} == {
        name: len(rows) for name, rows in before.items()
    }
    assert after == before
    return found


def changes(found: EventPreview) -> dict[str, Change]:
    return {one.kind.value: one.change for one in found.writes}


# --- nothing changed ------------------------------------------------------------------------------------------


def test_an_event_that_was_written_would_change_nothing(engine: Engine, alone: Any) -> None:
    event = engine.take(apro.booked(visit(), at(0)))
    engine.forget_calls()
    alone()
    found = quietly(event)
    assert found.headline == "Nothing would change."
    assert found.ends == "done"
    assert found.is_again
    assert found.limits == ()
    assert changes(found) == {
        "contact": Change.SAME,
        "opportunity": Change.SAME,
        "note": Change.KEPT,
    }


def test_neither_crm_nor_emr_hears_of_a_preview(engine: Engine) -> None:
    event = engine.take(apro.booked(visit(), at(0)))
    engine.forget_calls()
    preview_event(event)
    assert engine.calls() == {}


def test_the_row_given_stays_as_it_is(engine: Engine) -> None:
    event = engine.take(apro.booked(visit(), at(0)))
    before = dict(event.__dict__)
    preview_event(event)
    assert {name: value for name, value in event.__dict__.items() if name != "_state"} == {
        name: value for name, value in before.items() if name != "_state"
    }


def test_a_payment_that_counted_is_not_counted_again(engine: Engine, alone: Any) -> None:
    engine.take(apro.booked(visit(), at(0)))
    event = engine.take(apro.invoice_paid(visit(), 41, at(20)))
    alone()
    found = quietly(event)
    assert found.changes == 0
    assert Change.KEPT in {one.change for one in found.writes if one.kind is EffectKind.CONTACT}


# --- settings changed -----------------------------------------------------------------------------------------


def test_a_category_that_changed_moves_the_card_in_the_preview_only(clinic: Clinic) -> None:
    event = clinic.take(clinic.booked(clinic.patient(), type="Skin Consult"))
    carry_out(clinic, say(clinic.practice, moves_contacts=False, Skin_Consult="Surgical Consult"))
    clinic.forget_calls()
    found = quietly(event)
    cards = [one for one in found.writes if one.kind is EffectKind.OPPORTUNITY]
    assert "A card would be made in “Consult Booked”." in [one.words for one in cards]
    surgical = next(one for one in found.deciding if one.pipeline == "Surgical")
    assert surgical.stage == "Consult Booked"
    assert "counts as Surgical Consult, confirmed by" in surgical.category_words
    assert clinic.crm_calls() == {}
    assert clinic.cards() == {"Non-Surgical": ("Booked", "open")}


def test_what_is_read_from_the_emr_each_time_is_said_and_not_asked(clinic: Clinic, alone: Any) -> None:
    event = clinic.take(clinic.booked(clinic.patient(), type="Skin Consult"))
    alone()
    found = quietly(event)
    assert "cannot be previewed without asking the EMR" in found.limits[0]
    assert {one.kind for one in found.writes} == {EffectKind.OPPORTUNITY}
    assert found.headline == "No card would move. The rest cannot be previewed."


def test_a_polled_event_is_previewed_from_what_is_stored(desk: Desk, alone: Any) -> None:
    desk.tell(on_file(), appointment("pending"))
    of_the_patient, event = sorted(events(), key=lambda one: one.kind == "appointment")
    alone()
    found = quietly(event)
    assert found.counted[0].category == "Surgical Consult"
    assert "confirmed by" in found.counted[0].words
    assert "ModMed is not asked" in found.limits[0]
    assert changes(found)["note"] is Change.KEPT
    assert changes(found)["opportunity"] is Change.SAME
    assert found.changes == 0
    assert quietly(of_the_patient).limits == ()


# --- events that did not get so far ---------------------------------------------------------------------------


def test_an_unlinked_patient_is_said_not_to_be_known_without_the_crm(engine: Engine, alone: Any) -> None:
    engine.post(apro.booked(visit(), at(0)))
    event = engine.events()[-1]
    alone()
    found = quietly(event)
    assert any("cannot be previewed without asking the CRM" in words for words in found.limits)
    assert not found.is_again
    assert set(changes(found).values()) == {Change.NEW}
    assert found.deciding[0].is_own
    assert "One pipeline" in found.counted[0].words


def test_a_location_that_nobody_mapped_would_hold_the_event(engine: Engine, alone: Any) -> None:
    document = practice_file(locations=[])
    document["sub_accounts"][0]["default"] = False
    engine.setup(**document)
    engine.post(apro.booked(visit(), at(0)))
    alone()
    found = quietly(engine.events()[-1])
    assert found.ends == "held"
    assert "is not mapped to a sub-account" in found.headline


def test_a_body_that_cannot_be_read_would_stop(engine: Engine) -> None:
    event = engine.take(apro.booked(visit(), at(0)))
    InboundEvent.objects.for_practice(engine.practice).update(payload="")
    found = quietly(event)
    assert found.ends == "parked"
    assert "deleted by retention" in found.headline


def test_a_fault_of_ours_is_said_without_what_it_was_about(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = engine.take(apro.booked(visit(), at(0)))

    def break_down(*_: Any) -> NoReturn:
        raise KeyError("alba.winter@example.com")

    monkeypatch.setattr(module, "decide_all", break_down)
    found = quietly(event)
    assert found.ends == "parked"
    assert "KeyError" in found.headline
    assert "alba" not in found.headline


def test_what_the_crm_would_refuse_is_said_in_its_words(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = engine.take(apro.booked(visit(), at(0)))

    def refuse(*_: Any) -> NoReturn:
        raise RejectedError("It is gone.")

    monkeypatch.setattr(module, "decide_all", refuse)
    assert preview_event(event).headline == "It would stop and need a person: It is gone."


def test_a_practice_that_is_not_live_is_said_and_the_writes_are_shown(engine: Engine) -> None:
    event = engine.take(apro.booked(visit(), at(0)))
    engine.practice.state = "onboarding"
    engine.practice.save()
    found = quietly(event)
    assert "not live" in found.limits[0]
    assert found.writes


def test_later_events_values_are_not_overwritten_in_the_preview_either(engine: Engine) -> None:
    first = engine.take(apro.booked(visit(), at(0)))
    engine.take(apro.booked(visit(2, day=20), at(10)))
    found = quietly(first)
    assert found.changes == 0


def test_categories_changed_events_have_a_preview(clinic: Clinic) -> None:
    clinic.take(clinic.booked(clinic.patient(), type="Skin Consult"))
    carry_out(clinic, say(clinic.practice, Skin_Consult="Surgical Consult"))
    clinic.forget_calls()
    found = quietly(clinic.events()[-1])
    assert found.changes == 0
    assert {one.pipeline for one in found.deciding} == {"Surgical"}
    assert clinic.crm_calls() == {}


def test_events_that_never_run_say_so(world: AdminWorld) -> None:
    ping = make_event(world.practice, world.connection, lane=None, state="ignored")
    tag = make_event(world.practice, None, sub_account=world.sub_account, source="crm")
    assert "test event never runs" in preview_event(ping).headline
    assert "without asking" in preview_event(tag).headline
    assert preview_event(tag).writes == ()


# --- the page -------------------------------------------------------------------------------------------------


def page_of(event: InboundEvent) -> str:
    return reverse("admin:event-preview", args=[event.pk])


def helper(engine: Engine) -> User:
    return person("helper@example.com", engine.practice, Role.SUPPORT)


def test_the_page_shows_names_of_fields_and_no_value(engine: Engine) -> None:
    client = signed_in(helper(engine))
    event = engine.take(apro.booked(visit(), at(0)))
    before = everything()
    answer = client.get(page_of(event))
    assert everything() == before
    page = answer.content.decode()
    for words in ("Nothing would change.", "APro Appt Status", "E-mail", "Not repeated", "Show the values"):
        assert words in page
    for value in ("alba.winter@example.com", "+12125550100", "Botox (88001)", "Reference: AX-"):
        assert value not in page
    assert "no-store" in answer["Cache-Control"]


def test_values_are_shown_for_a_reason_that_is_kept(engine: Engine) -> None:
    user = helper(engine)
    event = engine.take(apro.booked(visit(), at(0)))
    answer = signed_in(user).post(page_of(event), {"reason": "the practice asks why"})
    assert "alba.winter@example.com" in answer.content.decode()
    assert PayloadReveal.objects.for_practice(engine.practice).get(user=user).event == event


def test_without_a_reason_nothing_is_shown(engine: Engine) -> None:
    user = helper(engine)
    event = engine.take(apro.booked(visit(), at(0)))
    answer = signed_in(user).post(page_of(event), {"reason": ""})
    assert "alba.winter@example.com" not in answer.content.decode()
    assert not PayloadReveal.objects.for_practice(engine.practice).exists()


def test_the_events_page_leads_to_the_preview(world: AdminWorld, agent: User) -> None:
    client = signed_in(agent)
    page = client.get(reverse("admin:integrations_inboundevent_change", args=[world.event.pk]))
    assert "Preview under today" in page.content.decode()
    button = reverse("admin:integrations_inboundevent_preview_now", args=[world.event.pk])
    assert client.get(button)["Location"] == page_of(world.event)
    assert client.get(page_of(world.event)).status_code == 200


def test_another_practices_event_has_no_preview(world: AdminWorld, other: AdminWorld, agent: User) -> None:
    assert signed_in(agent).get(page_of(other.event)).status_code == 404


def test_an_event_of_ours_is_called_by_what_it_is(world: AdminWorld, agent: User) -> None:
    event = make_event(world.practice, world.connection, source="settings", kind="categories-changed")
    client = signed_in(agent)
    page = client.get(reverse("admin:integrations_inboundevent_change", args=[event.pk])).content.decode()
    assert "Categories changed" in page
    assert "after a change of settings" in page
    listed = client.get(reverse("admin:integrations_inboundevent_changelist"), {"kind": "categories-changed"})
    assert "A change of settings" in listed.content.decode()
    assert [row.pk for row in listed.context["cl"].result_list] == [event.pk]
