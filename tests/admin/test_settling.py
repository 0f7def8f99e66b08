"""Writes in doubt on their pages: who may settle them, and that it is written down who did."""

from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.models import Effect, EffectState, EventState, LedgerRow, LedgerState
from integrations.sync import standstill
from tenants.models import Role, User
from tests.admin.conftest import World, make_event, person, signed_in

THERE, AGAIN = "It is in the CRM", "It is not: write it again"


def in_doubt(world: World, kind: str = "enrol") -> Effect:
    """A write of a finished event that nobody can tell of."""
    event = make_event(world.practice, world.connection, patient=world.patient, contact=world.contact)
    return Effect.objects.create(
        practice=world.practice,
        event=event,
        contact=world.contact,
        kind=kind,
        target="x",
        position=0,
        state="in_doubt",
        planned_at=timezone.now(),
        body={"workflow": "APro Appointments Update"} if kind == "enrol" else {"money": {"amount": "450.00"}},
        reason="It is not certain.",
    )


def unsure_row(world: World) -> tuple[LedgerRow, Effect]:
    """The practice's ledger row, in doubt."""
    effect = in_doubt(world, "contact")
    row = world.ledger
    row.event, row.state, row.written_at = effect.event, LedgerState.NEEDS_ATTENTION, None
    row.save()
    return row, effect


def event_page(effect: Effect) -> str:
    return reverse("admin:integrations_inboundevent_change", args=[effect.event_id])


def row_page(row: LedgerRow) -> str:
    return reverse("admin:integrations_ledgerrow_change", args=[row.pk])


def press(client: Client, effect: Effect, is_there: str) -> int:
    url = reverse("admin:effect-settle", args=[effect.event_id, effect.pk])
    return client.post(url, {"is_there": is_there}).status_code


def press_on_row(client: Client, row: LedgerRow, name: str) -> int:
    url = reverse(f"admin:integrations_ledgerrow_{name}", args=[row.pk])
    return client.post(url, {"_form_submitted": "True"}).status_code


# The event's page


def test_a_write_in_doubt_asks_on_its_events_page(world: World, agent: User) -> None:
    effect = in_doubt(world)
    page = signed_in(agent).get(event_page(effect)).content.decode()
    assert THERE in page
    assert AGAIN in page
    effect.state = EffectState.DONE
    effect.save()
    page = signed_in(agent).get(event_page(effect)).content.decode()
    assert THERE not in page


@pytest.mark.parametrize(
    ("answer", "state", "event_state"),
    [("yes", EffectState.DONE, EventState.DONE), ("no", EffectState.PLANNED, EventState.WAITING)],
)
def test_the_answer_is_kept_with_who_gave_it(
    world: World, agent: User, answer: str, state: str, event_state: str
) -> None:
    effect = in_doubt(world)
    assert press(signed_in(agent), effect, answer) == 302
    effect.refresh_from_db()
    assert (effect.state, effect.event.state) == (state, event_state)
    entry = LogEntry.objects.get(user=agent)
    assert (entry.object_id, "Settled" in entry.get_change_message()) == (str(effect.event_id), True)
    assert [step["step"] for step in effect.event.story][-1] == "settled"


def test_what_somebody_settled_meanwhile_is_not_settled_again(world: World, agent: User) -> None:
    effect = in_doubt(world)
    client = signed_in(agent)
    press(client, effect, "yes")
    press(client, effect, "no")
    effect.refresh_from_db()
    assert effect.state == EffectState.DONE
    assert LogEntry.objects.count() == 1


def test_while_the_event_is_in_work_both_pages_say_so_and_settle_nothing(
    world: World, agent: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standstill, "WAIT_SECONDS", 0.0)
    row, effect = unsure_row(world)
    client = signed_in(agent)
    with standstill.standing_still(world.patient, None):  # leased, as by a worker
        press(client, effect, "no")
        assert "is being written at this moment" in client.get(event_page(effect)).content.decode()
        press_on_row(client, row, "write_again")
        assert "is being written at this moment" in client.get(row_page(row)).content.decode()
    effect.refresh_from_db()
    assert (effect.state, LogEntry.objects.count()) == (EffectState.IN_DOUBT, 0)


def test_opening_the_address_settles_nothing(world: World, agent: User) -> None:
    effect = in_doubt(world)
    url = reverse("admin:effect-settle", args=[effect.event_id, effect.pk])
    assert signed_in(agent).get(url).status_code == 403
    effect.refresh_from_db()
    assert effect.state == EffectState.IN_DOUBT


def test_another_practices_write_cannot_be_settled(world: World, other: World, agent: User) -> None:
    theirs = in_doubt(other)
    assert press(signed_in(agent), theirs, "yes") == 404
    own = in_doubt(world)
    url = reverse("admin:effect-settle", args=[own.event_id, theirs.pk])
    assert signed_in(agent).post(url, {"is_there": "yes"}).status_code == 404
    theirs.refresh_from_db()
    assert theirs.state == EffectState.IN_DOUBT


def test_a_reviewer_settles_nothing(world: World, reviewer: User) -> None:
    effect = in_doubt(world)
    assert press(signed_in(reviewer), effect, "yes") in (302, 403, 404)
    effect.refresh_from_db()
    assert effect.state == EffectState.IN_DOUBT


# The ledger row's page


def test_a_row_that_needs_attention_has_both_buttons_and_no_other_row_has(world: World, agent: User) -> None:
    client = signed_in(agent)
    assert AGAIN not in client.get(row_page(world.ledger)).content.decode()
    row, _ = unsure_row(world)
    page = client.get(row_page(row)).content.decode()
    assert THERE in page
    assert AGAIN in page


@pytest.mark.parametrize(
    ("button", "row_state", "effect_state"),
    [
        ("is_there", LedgerState.WRITTEN, EffectState.DONE),
        ("write_again", LedgerState.PLANNED, EffectState.PLANNED),
    ],
)
def test_a_row_is_settled_by_its_buttons(
    world: World, agent: User, button: str, row_state: str, effect_state: str
) -> None:
    row, effect = unsure_row(world)
    assert press_on_row(signed_in(agent), row, button) == 302
    row.refresh_from_db()
    effect.refresh_from_db()
    assert (row.state, effect.state) == (row_state, effect_state)
    assert "Settled" in LogEntry.objects.get(user=agent).get_change_message()


def test_a_row_that_is_written_cannot_be_written_again(world: World, agent: User) -> None:
    press_on_row(signed_in(agent), world.ledger, "write_again")
    world.ledger.refresh_from_db()
    assert world.ledger.state == LedgerState.WRITTEN


def test_another_practices_row_cannot_be_settled(world: World, other: World, agent: User) -> None:
    row, effect = unsure_row(other)
    assert press_on_row(signed_in(agent), row, "is_there") in (403, 404)
    effect.refresh_from_db()
    assert effect.state == EffectState.IN_DOUBT


# Show the math


def ledger_row(world: World, name: str, amount: str, before: str, after: str, state: str = "written") -> None:
    now = timezone.now()
    LedgerRow.objects.create(
        practice=world.practice,
        connection=world.connection,
        external_id=name,
        patient=world.patient,
        contact=world.contact,
        amount=Decimal(amount),
        before=Decimal(before),
        after=Decimal(after),
        state=state,
        written_at=now if state == "written" else None,
    )


def shown_math(world: World, user: User) -> str:
    page = signed_in(user).get(reverse("admin:integrations_contact_change", args=[world.contact.pk]))
    text = page.content.decode().partition("<h2>Money</h2>")[2].partition("</section>")[0]
    return " ".join(text.split())


@pytest.fixture
def no_rows(world: World) -> World:
    LedgerRow.objects.for_practice(world.practice).delete()
    return world


def test_the_math_of_payments_alone(no_rows: World, agent: User) -> None:
    ledger_row(no_rows, "B-1", "100.00", "0.00", "100.00")
    ledger_row(no_rows, "B-2", "50.25", "100.00", "150.25")
    ledger_row(no_rows, "B-1:reversal", "-100.00", "150.25", "50.25")
    no_rows.contact.lifetime_value = Decimal("50.25")
    no_rows.contact.save()
    page = shown_math(no_rows, agent)
    for words in ("+$100.00", "+$50.25", "−$100.00", "$150.25", "so does the lifetime value in the CRM"):
        assert words in page, words
    assert 'The payments come to <span class="ax-strong">$50.25</span>' in page
    assert "by hand" not in page


def test_the_math_names_what_others_changed(no_rows: World, agent: User) -> None:
    ledger_row(no_rows, "B-1", "100.00", "20.00", "120.00")
    ledger_row(no_rows, "B-2", "50.00", "145.00", "195.00")
    no_rows.contact.lifetime_value = Decimal("185.00")
    no_rows.contact.save()
    page = shown_math(no_rows, agent)
    assert "In between it was changed in the CRM, by hand or by an automation: +$25.00." in page
    assert 'The payments come to <span class="ax-strong">$150.00</span>' in page
    assert 'the CRM shows <span class="ax-strong">$185.00</span>' in page
    assert "$20.00 stood there before the first of them." in page
    assert "+$15.00 was changed in the CRM since" in page


def test_rows_that_are_not_written_stand_last_and_count_for_nothing(no_rows: World, agent: User) -> None:
    ledger_row(no_rows, "B-9", "70.00", "0.00", "70.00", state="needs_attention")
    ledger_row(no_rows, "B-1", "100.00", "0.00", "100.00")
    no_rows.contact.lifetime_value = Decimal("100.00")
    no_rows.contact.save()
    page = shown_math(no_rows, agent)
    assert page.index("B-1<") < page.index("B-9<")
    assert 'The payments come to <span class="ax-strong">$100.00</span>' in page


def test_company_support_may_settle_in_every_practice(world: World, other: World) -> None:
    sam = person("sam@example.com", company_role=Role.SUPPORT)
    effect = in_doubt(other)
    assert press(signed_in(sam), effect, "yes") == 302
    effect.refresh_from_db()
    assert effect.state == EffectState.DONE
