"""`seed_volume`: a bench database like a real one, and never beside real practices by mistake."""

import re
from collections import Counter
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from integrations.models import (
    Contact,
    Effect,
    EventState,
    InboundEvent,
    Incident,
    LedgerRow,
    Opportunity,
    Patient,
    Visit,
)
from integrations.sync import lanes
from integrations.sync.people import person_of
from integrations.views.search import patients_for
from tenants.models import Practice, User


def seed(**more: int | bool) -> str:
    out = StringIO()
    given = {"events": 2000, "contacts": 100, "practices": 4} | more
    call_command("seed_volume", stdout=out, **given)
    return out.getvalue()


@pytest.mark.django_db
def test_it_makes_as_much_as_was_asked_for() -> None:
    said = seed()
    assert InboundEvent.objects.across_practices().count() == 2000
    assert Practice.objects.across_practices().count() == 4
    assert 95 <= Contact.objects.across_practices().count() <= 105
    for model in (Effect, LedgerRow, Visit, Opportunity, Incident):
        assert model.objects.across_practices().exists(), model
    assert "2,000" not in said or "seconds" in said


@pytest.mark.django_db
def test_events_stand_in_the_order_in_which_they_came_over_ninety_days_in_every_state() -> None:
    seed()
    rows = InboundEvent.objects.across_practices().order_by("id")
    times = list(rows.values_list("received_at", flat=True))
    assert times == sorted(times)
    assert timedelta(days=88) < times[-1] - times[0] <= timedelta(days=90)
    assert times[-1] <= timezone.now()
    states = Counter(rows.values_list("state", flat=True))
    finished = {EventState.DONE, EventState.SKIPPED, EventState.IGNORED, EventState.HELD, EventState.PARKED}
    assert finished <= set(states)
    assert states[EventState.DONE] > 1500


@pytest.mark.django_db
def test_its_people_are_found_and_shown_on_every_page() -> None:
    seed()
    boss = User.objects.create_superuser("boss@example.com", "secret")
    client = Client()
    client.force_login(boss)
    patient = Patient.objects.across_practices().filter(links__isnull=False).earliest("pk")
    person = person_of(patient)
    assert patient in patients_for(boss, person.email)
    assert patient in patients_for(boss, f"{person.first_name} {person.last_name}")
    assert person.email.endswith("@example.com")
    assert re.fullmatch(r"\+1\d{3}555\d{4}", person.phone)
    event = InboundEvent.objects.across_practices().filter(effects__isnull=False).earliest("pk")
    for path in (
        "/",
        f"/integrations/contact/{patient.links.get().contact_id}/change/",
        f"/integrations/patient/{patient.pk}/change/",
        f"/integrations/inboundevent/{event.pk}/change/",
        "/review/volume-1/",
    ):
        assert client.get(path).status_code == 200, path


@pytest.mark.django_db
def test_the_database_gives_out_ids_after_those_that_were_made() -> None:
    seed()
    newest = InboundEvent.objects.across_practices().latest("pk")
    newest.pk, newest.dedupe_key = None, "one more"
    newest.save(force_insert=True)
    assert InboundEvent.objects.across_practices().count() == 2001


@pytest.mark.django_db
def test_a_bench_database_may_be_filled_again() -> None:
    seed(events=200)
    seed(events=200, seed=2)
    assert Practice.objects.across_practices().count() == 8
    assert InboundEvent.objects.across_practices().count() == 400


@pytest.mark.django_db
def test_it_refuses_a_database_with_real_practices_unless_told() -> None:
    Practice.objects.create(slug="bluestone", name="Bluestone", kind="med_spa")
    with pytest.raises(CommandError, match="not made up"):
        seed()
    assert not InboundEvent.objects.across_practices().exists()
    seed(events=100, yes=True)
    assert InboundEvent.objects.across_practices().count() == 100


@pytest.mark.django_db
def test_nothing_to_make_is_refused() -> None:
    with pytest.raises(CommandError, match="at least 1"):
        seed(events=0)


@pytest.mark.django_db
def test_what_still_waits_belongs_to_lanes_that_are_due() -> None:
    seed(events=12000)
    waiting = InboundEvent.objects.across_practices().filter(state=EventState.WAITING)
    assert waiting.exists()
    assert not waiting.filter(lane=None).exists()
    assert lanes.anything_due(timezone.now())
