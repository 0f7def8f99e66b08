"""The list of events, an event's story, its payload behind a reason, and running it again."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from integrations.admin.story import steps_of, writes_of
from integrations.models import Effect, EffectState, EventState, InboundEvent, PayloadReveal, Priority
from tenants.models import Role, User
from tests.admin.conftest import EMAIL, FIRST_NAME, World, make_event, person, signed_in

LIST = "admin:integrations_inboundevent_changelist"


def page_of(event: InboundEvent) -> str:
    return reverse("admin:integrations_inboundevent_change", args=[event.pk])


def payload_of(event: InboundEvent) -> str:
    return reverse("admin:event-payload", args=[event.pk])


def listed(answer: Any) -> list[int]:
    return [event.pk for event in answer.context["cl"].result_list]


def test_the_story_is_told_top_to_bottom(world: World, agent: User) -> None:
    page = signed_in(agent).get(page_of(world.event)).content.decode()
    order = [
        "Received",
        "Understood",
        "Decided, and why",
        "It was booked.",
        "Written",
        "Note AX-TESTNOTE",
        "Outcome",
    ]
    positions = [page.index(words) for words in order]
    assert positions == sorted(positions)
    assert "Appointment booked" in page
    assert "AestheticsPro" in page


def test_a_write_shows_its_fields_attempts_and_the_money_before_and_after(world: World, agent: User) -> None:
    page = signed_in(agent).get(page_of(world.event)).content.decode()
    for words in ("APro Appt Status", "184 ms", "answer 200", "$1,000.00", "$1,450.00", world.contact.crm_id):
        assert words in page
    assert EMAIL not in page


def test_writes_keep_values_and_notes_to_themselves_until_they_are_revealed(world: World) -> None:
    hidden = writes_of(world.event.effects.all(), [])
    shown = writes_of(world.event.effects.all(), [], reveal=True)
    assert hidden[0].fields == ("First name", "E-mail", "APro Appt Status")
    assert hidden[0].values == ()
    assert hidden[1].text == ""
    assert ("E-mail", EMAIL) in shown[0].values
    assert shown[1].text.startswith("AestheticsPro: appointment booked")


def test_a_story_of_an_odd_shape_breaks_nothing(world: World, agent: User) -> None:
    odd: list[Any] = [{"step": "new-kind", "text": "Something."}, {"step": "empty"}, "loose words", None]
    assert [step.text for step in steps_of(odd)] == ["Something."]
    Effect.objects.for_practice(world.practice).update(
        attempts=[{"at": "?", "ms": "x"}, "odd"], answer={"id": None}
    )
    InboundEvent.objects.for_practice(world.practice).update(
        story=odd, kind="never.heard", connection=world.connection
    )
    assert signed_in(agent).get(page_of(world.event)).status_code == 200


def test_an_event_without_a_connection_has_a_page(world: World, agent: User) -> None:
    event = make_event(world.practice, None, sub_account=world.sub_account, source="crm")
    client = signed_in(agent)
    assert client.get(page_of(event)).status_code == 200
    assert event.pk in listed(client.get(reverse(LIST)))


# --- the payload ----------------------------------------------------------------------------------------------


def test_the_payload_is_shown_on_post_with_a_reason_that_is_kept(world: World, agent: User) -> None:
    client = signed_in(agent)
    assert EMAIL not in client.get(payload_of(world.event)).content.decode()
    assert EMAIL not in client.post(payload_of(world.event), {"reason": "no"}).content.decode()
    answer = client.post(payload_of(world.event), {"reason": "the patient asks why"})
    assert EMAIL in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    kept = PayloadReveal.objects.for_practice(world.practice).get(user=agent)
    assert (kept.event, kept.reason) == (world.event, "the patient asks why")
    assert EMAIL not in client.get(payload_of(world.event)).content.decode()


def test_the_list_of_reveals_is_for_those_who_manage_people(
    world: World, specialist: User, agent: User
) -> None:
    page = reverse("admin:integrations_payloadreveal_changelist")
    assert "a patient asked" in signed_in(specialist).get(page).content.decode()
    assert signed_in(agent).get(page).status_code == 403


def test_a_payload_that_retention_deleted_is_said_so(world: World, agent: User) -> None:
    InboundEvent.objects.for_practice(world.practice).update(payload="")
    assert (
        "The payload was deleted by retention." in signed_in(agent).get(page_of(world.event)).content.decode()
    )


# --- running it again -----------------------------------------------------------------------------------------


def button(event: InboundEvent, name: str) -> str:
    return reverse(f"admin:integrations_inboundevent_{name}", args=[event.pk])


def test_retry_goes_on_with_what_failed(world: World, agent: User) -> None:
    event = make_event(
        world.practice, world.connection, state="parked", parked_as="exhausted", reason="No answer."
    )
    effect = Effect.objects.create(
        practice=world.practice,
        event=event,
        kind="tag",
        target="t",
        position=0,
        state="failed",
        planned_at=timezone.now(),
    )
    signed_in(agent).post(button(event, "retry"), {"_form_submitted": "True"})
    event.refresh_from_db()
    effect.refresh_from_db()
    assert event.state == EventState.WAITING
    assert effect.state == EffectState.PLANNED


def test_replay_runs_the_whole_event_again(world: World, agent: User) -> None:
    signed_in(agent).post(button(world.event, "replay"), {"_form_submitted": "True"})
    world.event.refresh_from_db()
    assert (world.event.state, world.event.priority, world.event.runs) == (
        EventState.WAITING,
        Priority.REPLAY,
        1,
    )


def test_opening_the_address_of_a_button_changes_nothing(world: World, agent: User) -> None:
    for name in ("retry", "replay"):
        assert signed_in(agent).get(button(world.event, name))["Location"] == page_of(world.event)
    world.event.refresh_from_db()
    assert (world.event.state, world.event.runs) == (EventState.DONE, 0)


def test_what_cannot_be_retried_is_said_in_words(world: World, agent: User) -> None:
    answer = signed_in(agent).post(button(world.event, "retry"), {"_form_submitted": "True"}, follow=True)
    assert "Nothing to retry" in answer.content.decode()


def test_another_practices_event_cannot_be_run_again(world: World, other: World, agent: User) -> None:
    for name in ("retry", "replay"):
        assert (
            signed_in(agent).post(button(other.event, name), {"_form_submitted": "True"}).status_code == 404
        )
    other.event.refresh_from_db()
    assert other.event.runs == 0


@pytest.mark.parametrize(
    ("values", "advice", "link"),
    [
        (
            {"state": "held", "held_for": "category"},
            "Confirm what this appointment type counts as",
            "Confirm the type",
        ),
        ({"state": "held", "held_for": "location"}, "Map the location", "Map the location"),
        ({"state": "held", "held_for": "identity"}, "the same person", "Decide"),
        ({"state": "held", "held_for": "live"}, "not live", "Open the practice"),
        ({"state": "parked", "parked_as": "config"}, "Change the setting", "Open the connection"),
        (
            {"state": "parked", "parked_as": "malformed"},
            "where this practice sends the field",
            "Where fields are read",
        ),
        ({"state": "parked", "parked_as": "rejected"}, "refused this record", ""),
        ({"state": "parked", "parked_as": "exhausted"}, "Press Retry", ""),
        ({"state": "parked", "parked_as": "unsure"}, "Settle the uncertain write", "Settle it"),
        ({"state": "parked", "parked_as": "internal"}, "fault of AX Connect", ""),
    ],
)
def test_an_event_that_stands_still_says_what_to_do(
    world: World, agent: User, values: dict[str, str], advice: str, link: str
) -> None:
    event = make_event(world.practice, world.connection, **values)
    page = signed_in(agent).get(page_of(event)).content.decode()
    assert advice in page
    assert link in page


# --- the list -------------------------------------------------------------------------------------------------


def test_pages_go_on_below_the_last_event_shown(world: World, agent: User) -> None:
    made = [make_event(world.practice, world.connection).pk for _ in range(60)]
    client = signed_in(agent)
    first = client.get(reverse(LIST))
    assert listed(first) == sorted(made, reverse=True)[:50]
    changelist = first.context["cl"]
    assert changelist.has_older
    second = client.get(reverse(LIST) + changelist.older_url)
    assert listed(second) == [*sorted(made, reverse=True)[50:], world.event.pk]
    assert not second.context["cl"].has_older
    assert "Newest" in second.content.decode()


def test_an_odd_cursor_starts_at_the_newest(world: World, agent: User) -> None:
    client = signed_in(agent)
    for odd in ("x", "-1", "9" * 40, "1;drop"):
        assert listed(client.get(reverse(LIST), {"before": odd})) == [world.event.pk]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state": "parked"}, "parked"),
        ({"parked_as": "config"}, "parked"),
        ({"state": "held", "held_for": "category"}, "held"),
        ({"kind": "invoice.paid"}, "parked"),
        ({"state__exact": "held"}, "held"),
    ],
)
def test_filters_narrow_the_list(world: World, agent: User, query: dict[str, str], found: str) -> None:
    rows = {
        "parked": make_event(
            world.practice, world.connection, state="parked", parked_as="config", kind="invoice.paid"
        ).pk,
        "held": make_event(world.practice, world.connection, state="held", held_for="category").pk,
    }
    assert listed(signed_in(agent).get(reverse(LIST), query)) == [rows[found]]


def test_practice_connection_and_emr_narrow_the_list(world: World, other: World, root: User) -> None:
    client = signed_in(root)
    for query in ({"practice": other.practice.pk}, {"connection": other.connection.pk}):
        assert listed(client.get(reverse(LIST), query)) == [other.event.pk]
    assert set(listed(client.get(reverse(LIST), {"emr": "aestheticspro"}))) == {
        world.event.pk,
        other.event.pk,
    }
    assert listed(client.get(reverse(LIST), {"emr": "unknown"})) == []


def test_filters_offer_only_the_own_practices(world: World, other: World, agent: User) -> None:
    page = signed_in(agent).get(reverse(LIST)).content.decode()
    assert "Practice bluestone: AestheticsPro" in page
    assert "Practice harbor: AestheticsPro" not in page


def test_days_narrow_the_list_as_they_fall_at_the_practice(world: World, agent: User) -> None:
    late = datetime(2026, 3, 2, 3, 30, tzinfo=UTC)  # still March 1 in New York
    old = make_event(world.practice, world.connection, received_at=late)
    client = signed_in(agent)
    query = {"received_at_from": "2026-03-01", "received_at_to": "2026-03-01"}
    assert listed(client.get(reverse(LIST), query)) == [old.pk]
    assert listed(client.get(reverse(LIST), {"received_at_to": "2026-02-28"})) == []
    assert listed(client.get(reverse(LIST), {"received_at_from": "2026-03-02"})) == [world.event.pk]
    assert len(listed(client.get(reverse(LIST), {"received_at_from": "tomorrow"}))) == 2


def test_only_numbers_can_be_searched_in_the_list(world: World, other: World, agent: User) -> None:
    client = signed_in(agent)
    assert listed(client.get(reverse(LIST), {"q": f"#{world.event.pk}"})) == [world.event.pk]
    assert listed(client.get(reverse(LIST), {"q": str(other.event.pk)})) == []
    answer = client.get(reverse(LIST), {"q": FIRST_NAME})
    assert listed(answer) == []
    assert "Find a patient" in answer.content.decode()


def test_the_list_takes_as_many_queries_for_forty_events_as_for_five(world: World) -> None:
    user = person("second@example.com", world.practice, Role.SUPPORT)
    client = signed_in(user)

    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            assert client.get(reverse(LIST)).status_code == 200
        return len(captured)

    for _ in range(5):
        make_event(world.practice, world.connection, sub_account=world.sub_account)
    client.get(reverse(LIST))
    few = queries()
    for _ in range(35):
        make_event(world.practice, world.connection, sub_account=world.sub_account)
    assert queries() == few
