"""Pretend practices to practise a set-up with: what is handed out works, whatever the practice is called here."""

import json

import pytest
from django.test import Client

from integrations.admin import polls
from integrations.admin.crm_test import try_sub_account
from integrations.demo_sender import demo_connection, desk
from integrations.models import Connection, SubAccount
from integrations.practice_file.importing import import_practice
from integrations.sandbox.demo.practices import rehearsals
from tenants.models import Practice
from tests.demo.test_sandbox_pages import agent as agent
from tests.demo.test_sandbox_pages import press, staff

__all__ = ["agent", "staff"]
PAGE = "/sandbox/rehearsals/"


def set_up(slug: str, called: str) -> Practice:
    """The practice as somebody made it here, under a name of their own and not live."""
    own = rehearsals()[slug]
    found = own.file_with(dict(desk(own).connection()))
    found["practice"] = found["practice"] | {"slug": called, "live": False}
    found["practice"].pop("live_reason")
    import_practice(json.dumps(found).encode())
    return Practice.objects.across_practices().get(slug=called)


def test_each_is_handed_out_with_what_the_steps_ask_for(seeded, staff):
    text = staff.get(PAGE).content.decode()
    for one in rehearsals().values():
        assert one.name in text
        for account in one.sub_accounts:
            assert account["crm_location_id"] in text
            assert account["token"] in text
        for value in desk(one).connection().get("credentials", {}).values():
            assert value in text
    assert "Taken" not in text


def test_nobody_has_set_them_up_yet(seeded):
    slugs = set(Practice.objects.across_practices().values_list("slug", flat=True))
    assert len(slugs) == 4
    assert not slugs & set(rehearsals())


@pytest.mark.parametrize("slug", sorted(rehearsals()))
def test_what_is_handed_out_is_accepted_by_emr_and_crm(seeded, staff, slug):
    practice = set_up(slug, f"my-{slug}")
    for account in SubAccount.objects.for_practice(practice):
        assert all(one.is_fine for one in try_sub_account(account))
    connection = Connection.objects.for_practice(practice).get()
    if polls.capabilities(connection):
        assert polls.try_all(connection, "somebody").is_fine
    assert demo_connection(rehearsals()[slug]) == connection


def test_one_that_is_set_up_says_as_what_and_has_a_desk_on_the_board(seeded, staff):
    practice = set_up("lakeview", "my-own-name")
    assert f"/setup/{practice.slug}/" in staff.get(PAGE).content.decode()
    answer = press(staff, "book", account="SandboxLakeview0001")
    assert answer.status_code == 200
    assert "in the book, polled now" in answer.content.decode()
    board = staff.get("/sandbox/?account=SandboxLakeview0001").content.decode()
    assert "ModMed at Lakeview Plastic Surgery" in board


def test_before_its_emr_is_connected_a_press_says_so(seeded, staff):
    practice = Practice.objects.create(slug="mine", name="Mine", kind="med_spa")
    SubAccount.objects.create(practice=practice, key="main", crm_subaccount_id="SandboxSeaside0000002")
    words = press(staff, "book_visit", account="SandboxSeaside0000002").content.decode()
    assert "stands in AestheticsPro, which is not connected yet" in words


def test_who_may_not_see_the_practice_is_not_told_who_took_it(seeded, staff, agent):
    set_up("lakeview", "my-own-name")
    text = agent.get(PAGE).content.decode()
    assert "Lakeview Plastic Surgery" in text
    assert "my-own-name" not in text


def test_outside_the_demo_nothing_is_handed_out(staff, settings):
    settings.DEMO = False
    assert staff.get(PAGE).status_code == 404
    start = staff.get("/setup/").content.decode()
    assert PAGE not in start


def test_strangers_are_asked_to_sign_in(seeded, client: Client):
    assert "/login/" in client.get(PAGE)["Location"]


def test_the_first_page_of_a_set_up_leads_there(seeded, staff):
    assert PAGE in staff.get("/setup/").content.decode()
