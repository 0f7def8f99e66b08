"""Who may open the set-up, and of which practice."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from integrations.models import Connection, SubAccount
from integrations.views.setup import STEP_PAGES
from integrations.views.setup.progress import STEPS
from tenants.models import Practice, PracticeState, Role
from tests.setup.conftest import url, words

pytestmark = pytest.mark.django_db

EVERY_STEP = [slug for slug, *_ in STEPS]


def test_every_step_has_its_page() -> None:
    assert list(STEP_PAGES) == EVERY_STEP


@pytest.mark.parametrize("step", EVERY_STEP)
def test_a_practice_of_others_does_not_exist(step: str, practice: Practice, stranger: Client) -> None:
    for answer in (stranger.get(url(practice, step)), stranger.post(url(practice, step), {})):
        assert answer.status_code == 404
        assert practice.name not in answer.content.decode()


@pytest.mark.parametrize("step", EVERY_STEP)
def test_who_only_reads_is_refused(step: str, practice: Practice, member: Callable[[str], Client]) -> None:
    client = member(Role.SUPPORT)
    assert client.get(url(practice, step)).status_code == 403
    assert client.post(url(practice, step), {"go_live": "1"}).status_code == 403


@pytest.mark.parametrize("step", EVERY_STEP)
def test_strangers_and_reviewers_are_sent_to_sign_in(
    step: str, practice: Practice, member: Callable[[str], Client]
) -> None:
    for client in (Client(), member(Role.REVIEWER)):
        answer = client.get(url(practice, step))
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("step", EVERY_STEP)
@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.ONBOARDING])
def test_who_sets_up_opens_every_step_at_any_time(
    step: str, role: str, practice: Practice, member: Callable[[str], Client]
) -> None:
    page = member(role).get(url(practice, step))
    assert page.status_code == 200
    assert "What is this?" in words(page)
    assert 'aria-current="step"' in page.content.decode() or step == "mapping"


def test_the_start_page_lists_own_set_ups_and_offers_a_new_practice_to_company_staff_only(
    practice: Practice, stranger: Client, staff: Client, member: Callable[[str], Client]
) -> None:
    assert "New practice" in words(staff.get("/setup/"))
    own = member(Role.ONBOARDING)
    page = own.get("/setup/")
    assert "New practice" not in words(page)
    assert practice.name in words(page)
    assert practice.name not in words(stranger.get("/setup/"))
    assert own.post("/setup/", {"name": "Mine"}).status_code == 403
    assert member(Role.SUPPORT).get("/setup/").status_code == 403
    assert stranger.get(f"/setup/{practice.slug}/").status_code == 404


def test_rows_of_another_practice_cannot_be_chosen(staff: Client, practice: Practice) -> None:
    other = Practice.objects.create(slug="elsewhere", name="Elsewhere", kind="med_spa")
    Connection.objects.create(practice=other, key="theirs", emr="modmed")
    SubAccount.objects.create(practice=other, key="theirs", crm_subaccount_id="X", token="t")
    for address in (
        "credentials/?connection=theirs",
        "test-event/?connection=theirs",
        "sub-accounts/?account=theirs",
        "stages/?account=theirs",
        "workflows/?account=theirs",
        "nonsense/",
    ):
        assert staff.get(f"/setup/{practice.slug}/{address}").status_code == 404, address


def test_going_live_early_is_for_administrators_with_a_reason(
    practice: Practice, member: Callable[[str], Client]
) -> None:
    specialist, administrator = member(Role.ONBOARDING), member(Role.ADMINISTRATOR)
    page = url(practice, "go-live")
    assert "Go live all the same" not in words(specialist.get(page))
    assert "Go live all the same" in words(administrator.get(page))
    tries = (
        (specialist, {"go_live": "1"}, "Only an administrator"),
        (specialist, {"override": "1", "reason": "in a hurry"}, "Only an administrator"),
        (administrator, {"go_live": "1"}, "Say why"),
        (administrator, {"override": "1", "reason": "  "}, "Say why"),
        (administrator, {}, "Press one of the buttons"),
        (administrator, {"pause": "1"}, "is not live"),
        (administrator, {"resume": "1"}, "is not paused"),
    )
    for client, pressed, answer in tries:
        assert answer in words(client.post(page, pressed, follow=True)), pressed
    practice.refresh_from_db()
    assert practice.state == PracticeState.ONBOARDING
    shown = words(administrator.post(page, {"override": "1", "reason": "agreed by phone"}, follow=True))
    assert "agreed by phone" in shown
    assert "is live" in shown
    assert "is live already" in words(administrator.post(page, {"go_live": "1"}, follow=True))


def test_pause_and_resume_say_what_they_mean(practice: Practice, member: Callable[[str], Client]) -> None:
    Practice.objects.for_practice(practice.pk).update(state=PracticeState.LIVE)
    client, page = member(Role.ONBOARDING), url(practice, "go-live")
    assert "writes nothing until you resume" in words(client.get(page))
    assert "is paused" in words(client.post(page, {"pause": "1"}, follow=True))
    assert "Everything that waited runs" in words(client.get(page))
    assert "is live again" in words(client.post(page, {"resume": "1"}, follow=True))


def test_the_practices_own_pages_lead_here(
    staff: Client, practice: Practice, member: Callable[[str], Client]
) -> None:
    listed = staff.get(reverse("admin:tenants_practice_changelist")).content.decode()
    assert reverse("admin:tenants_practice_new_practice") in listed
    assert staff.get(reverse("admin:tenants_practice_new_practice"))["Location"] == reverse("setup-start")
    page = reverse("admin:tenants_practice_change", args=[practice.pk])
    assert url(practice, "go-live") in staff.get(page).content.decode()
    button = reverse("admin:tenants_practice_set_up", args=[practice.pk])
    assert staff.get(button)["Location"] == url(practice, "go-live")
    support = member(Role.SUPPORT)
    assert url(practice, "go-live") not in support.get(page).content.decode()
    listed = support.get(reverse("admin:tenants_practice_changelist")).content.decode()
    assert reverse("admin:tenants_practice_new_practice") not in listed
