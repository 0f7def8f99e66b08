"""From nothing to live, by the pages alone: ModMed, plastic surgery, against the pretend EMR and CRM."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from categorization.models import AppointmentType
from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.models import Connection, InboundEvent, Stage, SubAccount
from integrations.sync.release import settings_changed
from integrations.sync.upkeep import run_upkeep
from integrations.views.setup.progress import How, progress_of
from tenants.models import Location, Practice, PracticeState, User
from tests.polling.offices import CRM_ID, TOKEN, Crm, people_at, poll_and_work, visit_at, work
from tests.setup.conftest import boxes, url, words

pytestmark = pytest.mark.django_db(transaction=True)


def fill(staff: Client, practice: Practice, step: str, query: str = "", **values: Any) -> Any:
    address = url(practice, step) + query
    return staff.post(address, boxes(staff.get(address)) | values, follow=True)


def stands(practice: Practice) -> dict[str, str]:
    return {step.slug: step.how.value for step in progress_of(practice).steps}


def test_from_nothing_to_live_with_modmed(staff: Client, olive: User, crm: Crm, firm: Firm) -> None:
    # Practice: the short name is proposed.
    page = staff.post(
        "/setup/",
        {
            "name": "Bluestone Plastic Surgery",
            "slug": "",
            "kind": "plastic_surgery",
            "country": "US",
            "time_zone": "America/New_York",
        },
        follow=True,
    )
    practice = Practice.objects.across_practices().get(slug="bluestone-plastic-surgery")
    assert page.redirect_chain[-1][0] == url(practice, "emr")

    # EMR: what it asks of the practice stands there once it is chosen.
    page = staff.post(url(practice, "emr"), {"emr": "modmed"}, follow=True)
    assert "Request to ModMed Practice Solutions" in words(page)
    connection = Connection.objects.for_practice(practice).get()
    assert progress_of(practice).next_open.slug == "credentials"

    # Credentials: a wrong password is found, its boxes are marked; then the right one.
    typed = {
        "base_url": firm.base_url,
        "credential_username": "fhir_x",
        "credential_password": "wrong",
        "credential_api_key": "key-1",
        "test": "1",
    }
    page = fill(staff, practice, "credentials", **typed)
    assert "Not everything works" in words(page)
    assert "Look at this one" in words(page)
    assert stands(practice)["credentials"] == How.ATTENTION
    page = fill(staff, practice, "credentials", credential_password="pw", test="1")
    assert "Everything works" in words(page)
    assert stands(practice)["credentials"] == How.DONE

    # Locations are pulled.
    page = staff.post(url(practice, "locations"), {"pull": connection.key}, follow=True)
    assert "locations in the EMR: added" in words(page)
    assert Location.objects.for_practice(practice).count() > 1

    # Sub-account: tested, fields previewed and made.
    page = fill(staff, practice, "sub-accounts", crm_subaccount_id=CRM_ID, token=TOKEN)
    assert "the CRM answers" in words(page)
    assert "Missing" in words(page)
    page = staff.post(url(practice, "sub-accounts"), {"provision": "1", "account": "main"}, follow=True)
    assert "begins within seconds" in words(page)
    run_upkeep()
    page = staff.get(url(practice, "sub-accounts"))
    assert re.search(r"\b\d+ made\.", words(page))
    assert stands(practice)["sub-accounts"] == How.DONE

    # Stages are proposed by name, and count once confirmed.
    page = staff.get(url(practice, "stages"))
    assert "10 proposed by name" in words(page)
    assert not Stage.objects.for_practice(practice).exists()
    fill(staff, practice, "stages")
    assert Stage.objects.for_practice(practice).count() == 8
    fill(staff, practice, "workflows")
    assert stands(practice)["workflows"] == How.OPTIONAL

    # Categories: pulled, then confirmed on the types' own page.
    staff.post(url(practice, "categories"), {"pull": connection.key}, follow=True)
    types = AppointmentType.objects.for_practice(practice)
    assert types.exists()
    assert "0 of" in words(staff.get(url(practice, "categories")))
    types.update(category="Surgical Consult", confirmed_at=timezone.now(), confirmed_by=olive)
    assert stands(practice)["categories"] == How.DONE

    # Test event: a look ahead, then a booking that is polled.
    people_at(firm, 2)
    visit_at(firm, 1)
    page = staff.post(url(practice, "test-event"), {"preview": "1"})
    assert "Rhinoplasty Consult" in words(page)
    assert "counts as Surgical Consult" in words(page)
    assert not InboundEvent.objects.for_practice(practice).exists()
    poll_and_work(connection)
    visit_at(firm, 2, person=1)
    poll_and_work(connection)
    page = staff.get(url(practice, "test-event"))
    assert "held" in words(page)

    # Go live: off until the last item is ticked.
    page = staff.get(url(practice, "go-live"))
    assert "Not ready yet" in words(page)
    assert "disabled" in page.content.decode()
    for name in ("practice_solutions", "allowed_resources", "prefix_url", "fhir_user", "api_key"):
        staff.post(url(practice, "go-live"), {"tick": f"{connection.key}/{name}", "on": "1"})
    page = staff.post(
        url(practice, "go-live"), {"tick": f"{connection.key}/appointment_types", "on": "1"}, follow=True
    )
    assert f"Ticked by {olive}" in words(page)
    assert f"Tested by {olive}" in words(page)
    assert "Ready" in words(page)
    page = staff.post(url(practice, "go-live"), {"go_live": "1"}, follow=True)
    practice.refresh_from_db()
    assert (practice.state, practice.live_by, practice.live_reason) == (PracticeState.LIVE, olive, "")
    assert "is live" in words(page)

    # What was held is written now: the workers' upkeep looks at it again after a change of the set-up.
    settings_changed(practice.pk)
    work()
    assert crm.cards(crm.contact()["id"]) == {"P1": ("Consult Booked", "open")}
    assert SubAccount.objects.for_practice(practice).get().is_default


def test_a_set_up_goes_on_where_it_stands_for_somebody_else(
    staff: Client, boss: Client, practice: Practice, crm: Crm, firm: Firm
) -> None:
    def goes_on_at(who: Client) -> str:
        return str(who.get(f"/setup/{practice.slug}/")["Location"])

    assert goes_on_at(staff) == url(practice, "emr")
    staff.post(url(practice, "emr"), {"emr": "modmed"})
    assert goes_on_at(boss) == url(practice, "credentials")
    # A later step first, by somebody else on another day: the rail knows.
    boss.get("/setup/lakeview/sub-accounts/")
    fill(boss, practice, "sub-accounts", crm_subaccount_id=CRM_ID, token=TOKEN)
    assert goes_on_at(staff) == url(practice, "credentials")
    assert stands(practice)["sub-accounts"] == How.ATTENTION
    fill(
        staff,
        practice,
        "credentials",
        base_url=firm.base_url,
        credential_username="fhir_x",
        credential_password="pw",
        credential_api_key="key-1",
        test="1",
    )
    assert goes_on_at(boss) == url(practice, "locations")
    staff.post(url(practice, "locations"), {"pull": "modmed"})
    assert goes_on_at(boss) == url(practice, "sub-accounts")
    assert "Lakeview" in words(boss.get("/setup/"))
