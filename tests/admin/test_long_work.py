"""Long work of every kind in one list: who sees it, how far it is, what came of it; back-fills with a bar."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from categorization.models import CategoryBatch, CategoryChange
from integrations.admin.menu import pages_named
from integrations.models import Backfill, BulkRun, Connection, PollCursor, ProvisionRun, Release
from integrations.views.long_work import latest, of_backfill
from tenants.models import Role, User
from tests.admin.conftest import World, person, signed_in

LIST = "bulk-runs"


def cursor(world: World, resource: str = "appointments") -> PollCursor:
    polled, _ = Connection.objects.get_or_create(practice=world.practice, key="modmed", emr="modmed")
    made: PollCursor = PollCursor.objects.create(
        practice=world.practice, connection=polled, resource=resource
    )
    return made


def fill(world: World, resource: str = "appointments", **values: Any) -> Backfill:
    row = Backfill.objects.create(
        practice=world.practice, cursor=cursor(world, resource), since=date(2026, 1, 3), **values
    )
    found: Backfill = Backfill.objects.for_practice(world.practice).get(pk=row.pk)
    return found


def one_of_each(world: World, user: User | None = None) -> None:
    """A retry, a change of categories, a back-fill and a making of fields."""
    BulkRun.objects.create(practice=world.practice, kind="retry", total=3, made_by=user)
    batch = CategoryBatch.objects.create(practice=world.practice, made_by=user)
    CategoryChange.objects.create(batch=batch, type=world.type, after="Blocked")
    Release.objects.create(practice=world.practice, batch=batch)
    fill(world, asked_by=user)
    ProvisionRun.objects.create(practice=world.practice, sub_account=world.sub_account, made_by=user)


def kinds(user: User) -> list[str]:
    return sorted(work.kind for work in latest(user))


# --- the list ---------------------------------------------------------------------------------------------------


def test_everything_stands_in_one_list_with_practice_person_and_page(world: World, agent: User) -> None:
    one_of_each(world, agent)
    page = signed_in(agent).get(reverse(LIST)).content.decode()
    for title in (
        "Retry of 3 events",
        "Categories of 1 type",
        "Back-fill of modmed",
        "Custom fields of main",
    ):
        assert title in page
    for work in latest(agent):
        assert f'href="{work.page}"' in page
        assert work.who == str(agent)
        assert signed_in(agent).get(work.page).status_code == 200
    assert str(world.practice) in page
    assert 'hx-select="#long-work"' in page, "it moves while something goes on"


def test_only_ones_own_practices_are_listed(world: World, other: World, agent: User, root: User) -> None:
    one_of_each(other)
    assert latest(agent) == []
    page = signed_in(agent).get(reverse(LIST)).content.decode()
    assert "No long work yet" in page
    assert str(other.practice) not in page
    one_of_each(world)
    assert kinds(agent) == ["Back-fill", "Categories", "Custom fields", "Retry"]
    assert len(latest(root)) == 8


def test_another_practices_work_does_not_exist(world: World, other: World, agent: User) -> None:
    one_of_each(other)
    run = ProvisionRun.objects.for_practice(other.practice).get()
    row = Backfill.objects.for_practice(other.practice).get()
    client = signed_in(agent)
    for name, pk in (
        ("provision-run", run.pk),
        ("provision-run-progress", run.pk),
        ("back-fill", row.pk),
        ("back-fill-progress", row.pk),
    ):
        assert client.get(reverse(name, args=[pk])).status_code == 404
    specialist = person("elsewhere@example.com", world.practice, Role.ONBOARDING)
    assert signed_in(specialist).post(reverse("back-fill-stop", args=[row.pk])).status_code == 404
    row.refresh_from_db()
    assert row.finished_at is None


def test_what_goes_on_stands_first_then_the_newest(world: World, agent: User) -> None:
    over = timezone.now()

    def bulk(kind: str, total: int) -> None:
        result = {"total": total, "is_finished": True}
        BulkRun.objects.create(
            practice=world.practice, kind=kind, total=total, finished_at=over, result=result
        )

    for number in range(3):
        bulk("retry", number)
    ProvisionRun.objects.create(practice=world.practice, sub_account=world.sub_account)
    bulk("replay", 9)
    titles = [work.title for work in latest(agent)]
    assert titles[0].startswith("Custom fields")
    assert titles[1:3] == ["Replay of 9 events", "Retry of 2 events"]


def test_finished_work_costs_no_query_of_its_own(world: World, root: User) -> None:
    def count() -> int:
        with CaptureQueriesContext(database) as captured:
            latest(root)
        return len(captured)

    def finished() -> None:
        batch = CategoryBatch.objects.create(practice=world.practice)
        result = {
            "total": 0,
            "done": 0,
            "moved": 0,
            "kept": {},
            "waiting": 0,
            "stopped": 0,
            "is_finished": True,
        }
        over = timezone.now()
        Release.objects.create(practice=world.practice, batch=batch, finished_at=over, result=result)
        BulkRun.objects.create(
            practice=world.practice,
            kind="retry",
            total=1,
            finished_at=over,
            result={"total": 1, "counts": {"done": 1}, "is_finished": True},
        )
        ProvisionRun.objects.create(practice=world.practice, sub_account=world.sub_account, finished_at=over)

    finished()
    before = count()
    for _ in range(3):
        finished()
    assert count() == before
    page = signed_in(root).get(reverse(LIST)).content.decode()
    assert 'hx-select="#long-work"' not in page, "nothing moves any more"


def test_the_menu_and_the_search_box_lead_there(world: World, agent: User, rf: Any) -> None:
    page = signed_in(agent).get(reverse("admin:index")).content.decode()
    assert f'href="{reverse(LIST)}"' in page
    request = rf.get("/")
    request.user = agent
    assert [found.link for found in pages_named(request, "provisioning")] == [reverse(LIST)]


# --- back-fills -------------------------------------------------------------------------------------------------


def connection_page(client: Client, row: Backfill) -> str:
    address = reverse("admin:integrations_connection_change", args=[row.cursor.connection_id])
    return client.get(address).content.decode()


def test_a_back_fill_has_a_bar_on_the_connections_page_and_then_its_result(world: World, agent: User) -> None:
    started = timezone.now() - timedelta(minutes=4)
    row = fill(world, state="reading", steps=4, steps_expected=12, rows_seen=200, started_at=started)
    client = signed_in(agent)
    page, part = connection_page(client, row), reverse("back-fill-progress", args=[row.pk])
    assert f'hx-get="{part}"' in page
    assert "Back-fill: Appointments, from Jan 3, 2026" in page
    assert 'aria-valuenow="33"' in page
    assert "4 of about 12 pages read, 200 rows, about 8 minutes left." in page
    Backfill.objects.across_practices().update(
        state="done", events=190, steps=12, rows_seen=200, finished_at=timezone.now()
    )
    done = client.get(part).content.decode()
    assert "hx-get" not in done
    assert "200 rows read, 190 events made." in done
    assert "200 rows read, 190 events made." in connection_page(client, row)
    Backfill.objects.across_practices().update(finished_at=timezone.now() - timedelta(days=3))
    page = connection_page(client, row)
    assert "Earlier back-fills" in page
    assert 'role="progressbar"' not in page


@pytest.mark.parametrize(
    ("values", "words", "tone"),
    [
        ({}, "Waits for a worker, which begins within seconds", "info"),
        ({"state": "reading"}, "Reading begins", "info"),
        (
            {"state": "reading", "steps": 1, "steps_expected": 8, "rows_seen": 1},
            "1 of about 8 pages read, 1 row",
            "info",
        ),
        (
            {"state": "reading", "error": "ModMed is away."},
            "ModMed is away: it tries again by itself",
            "warning",
        ),
        (
            {
                "state": "failed",
                "error": "The list has no end.",
                "finished_at": timezone.now(),
                "rows_seen": 9,
            },
            "Ended early. 9 rows read, 0 events made: The list has no end",
            "danger",
        ),
        (
            {"state": "stopped", "finished_at": timezone.now()},
            "Stopped. 0 rows read, 0 events made",
            "warning",
        ),
    ],
)
def test_a_back_fill_says_where_it_is(world: World, values: dict[str, Any], words: str, tone: str) -> None:
    work = of_backfill(fill(world, **values))
    assert (work.summary, work.tone) == (words, tone)


def test_what_is_read_by_patient_is_counted_in_patients(world: World) -> None:
    row = fill(world, "charges", state="reading", steps=1, steps_expected=5, rows_seen=2)
    assert of_backfill(row).words == "1 of 5 patients read, 2 rows"


def test_a_connection_that_cannot_be_read_is_named(world: World) -> None:
    row = fill(world, state="reading", steps=4, steps_expected=9)
    polled = row.cursor.connection
    polled.circuit_open_until = timezone.now() + timedelta(minutes=5)
    polled.save(update_fields=["circuit_open_until"])
    assert "does not answer" in of_backfill(Backfill.objects.for_practice(world.practice).get()).words
    polled.needs_reauth_since = timezone.now()
    polled.save(update_fields=["needs_reauth_since"])
    assert "enter new ones" in of_backfill(Backfill.objects.for_practice(world.practice).get()).words


def test_who_sets_the_connection_up_stops_it_there_and_others_cannot(
    world: World, agent: User, specialist: User
) -> None:
    row = fill(world, state="reading")
    address = reverse("back-fill-stop", args=[row.pk])
    assert address not in connection_page(signed_in(agent), row)
    assert signed_in(agent).post(address).status_code == 403
    client = signed_in(specialist)
    assert address in connection_page(client, row)
    assert client.get(address).status_code == 405
    assert "Stopped." in client.post(address, follow=True).content.decode()
    row.refresh_from_db()
    assert row.state == "stopped"
    assert "It was over already." in client.post(address, follow=True).content.decode()
