"""What needs a person, and the one action of each."""

from datetime import timedelta

import pytest
from django.utils import timezone

from categorization.models import AppointmentType
from integrations.models import (
    Connection,
    Effect,
    IdentityQuestion,
    Incident,
    LedgerRow,
    Patient,
    SubAccount,
)
from integrations.views import attention as module
from integrations.views.attention import SHOWN_PER_KIND, attention


def look(user, *practices, since=None):
    """Group key → group."""
    found = attention(user, {one.pk: one for one in practices}, since or timezone.now() - timedelta(hours=1))
    return {group.key: group for group in found.groups}


@pytest.fixture
def connection(bluestone):
    return Connection.objects.create(practice=bluestone, key="main", emr="aestheticspro")


@pytest.fixture
def two_pipelines(monkeypatch):
    """Lets AestheticsPro be an EMR whose types need a category."""
    from dataclasses import replace

    from integrations.emrs import emr_for

    emr = emr_for("aestheticspro")
    dual = type("Emr", (), {"manifest": replace(emr.manifest, has_surgical_pipeline=True)})()
    monkeypatch.setattr(module, "registry", lambda: {"aestheticspro": dual})


@pytest.fixture
def sub_account(bluestone):
    return SubAccount.objects.create(practice=bluestone, key="main", crm_subaccount_id="LOC1")


def test_nothing_wrong_means_no_group(bluestone, admin_user, make_event):
    make_event(bluestone)
    assert look(admin_user, bluestone) == {}


def test_an_open_incident_leads_to_its_connection(bluestone, admin_user, connection):
    Incident.objects.create(
        practice=bluestone, kind="needs_reauth", subject="a", words="Refused.", connection=connection
    )
    Incident.objects.create(
        practice=bluestone, kind="unreachable", subject="b", words="Silent.", closed_at=timezone.now()
    )
    group = look(admin_user, bluestone)["incidents"]
    assert group.total == 1
    item = group.items[0]
    assert (item.title, item.action, item.words) == ("Credentials refused", "Enter credentials", "Refused.")
    assert item.link.endswith(f"/connection/{connection.pk}/change/")


def test_an_incident_of_a_sub_account_leads_there(bluestone, admin_user, sub_account):
    Incident.objects.create(
        practice=bluestone, kind="unreachable", subject="b", words="Silent.", sub_account=sub_account
    )
    item = look(admin_user, bluestone)["incidents"].items[0]
    assert item.title == "Unreachable"
    assert item.link.endswith(f"/subaccount/{sub_account.pk}/change/")


def test_an_incident_that_a_person_may_end_leads_to_its_own_page(bluestone, admin_user, sub_account):
    row = Incident.objects.create(
        practice=bluestone, kind="birth_date_refused", subject="b", words="Refused.", sub_account=sub_account
    )
    item = look(admin_user, bluestone)["incidents"].items[0]
    assert (item.title, item.action) == ("Date of birth refused", "Open")
    assert item.link.endswith(f"/incident/{row.pk}/change/")


def test_events_parked_for_one_reason_are_one_row(bluestone, admin_user, make_event):
    for _ in range(3):
        make_event(bluestone, state="parked", parked_as="config", reason="Map the stage.")
    alone = make_event(bluestone, state="parked", parked_as="malformed", reason="No date.")
    group = look(admin_user, bluestone)["parked"]
    assert [(item.words, item.action) for item in group.items] == [
        ("No date.", "Open"),
        ("Map the stage.", "Open 3"),
    ]
    assert group.items[0].link.endswith(f"/inboundevent/{alone.pk}/change/")
    assert f"practice={bluestone.pk}" in group.items[1].link


def test_a_write_in_doubt_is_listed_unless_its_event_is(bluestone, admin_user, make_event):
    def effect(event, **values):
        Effect.objects.create(
            practice=bluestone, event=event, target="x", position=0, planned_at=timezone.now(), **values
        )

    effect(make_event(bluestone), kind="enrol", state="in_doubt", reason="No answer came.")
    effect(make_event(bluestone, state="parked"), kind="note", state="failed")
    effect(make_event(bluestone, state="waiting"), kind="note", state="in_doubt")
    effect(make_event(bluestone), kind="note", state="done")
    group = look(admin_user, bluestone)["uncertain"]
    assert [(item.title, item.words) for item in group.items] == [
        ("Workflow enrolment: not certain", "No answer came.")
    ]


def test_an_uncertain_lifetime_value_shows_both_numbers(bluestone, admin_user, connection, make_event):
    patient = Patient.objects.create(practice=bluestone, connection=connection, external_id="1")
    LedgerRow.objects.create(
        practice=bluestone,
        connection=connection,
        external_id="I1",
        patient=patient,
        event=make_event(bluestone),
        amount="50.00",
        before="100.00",
        after="150.00",
        state="needs_attention",
    )
    item = look(admin_user, bluestone)["uncertain"].items[0]
    assert item.title == "Lifetime value: not certain"
    assert "100.00" in item.words
    assert "150.00" in item.words


def test_an_identity_question_is_to_be_decided_until_it_is_answered(
    bluestone, admin_user, connection, sub_account
):
    for number, answer in enumerate(("", "link")):
        patient = Patient.objects.create(practice=bluestone, connection=connection, external_id=str(number))
        IdentityQuestion.objects.create(
            patient=patient, sub_account=sub_account, clashes=["email", "phone"], answer=answer
        )
    group = look(admin_user, bluestone)["identities"]
    assert group.total == 1
    assert group.items[0].action == "Decide"
    assert group.items[0].words.startswith("Email and phone of a patient belongs to somebody else")


def test_types_that_hold_events_come_first_and_say_how_many(bluestone, admin_user, make_event, two_pipelines):
    for _ in range(2):
        make_event(
            bluestone, state="held", held_for="category", held_key="aestheticspro|breast aug consult|left"
        )
    known = {"practice": bluestone, "connection_key": "aestheticspro"}
    AppointmentType.objects.create(**known, name="Breast Aug Consult")
    AppointmentType.objects.create(**known, name="Facial")
    AppointmentType.objects.create(**known, name="Botox", category="Blocked", confirmed_at=timezone.now())
    items = look(admin_user, bluestone)["types"].items
    assert [item.title for item in items] == ["“Breast Aug Consult”", "“Facial”"]
    assert [item.words[:20] for item in items] == ["2 events wait for a ", "No event waits for i"]


def test_types_that_need_no_category_are_not_listed(bluestone, harbor, admin_user, make_event):
    make_event(bluestone)
    AppointmentType.objects.create(practice=bluestone, connection_key="aestheticspro", name="Facial")
    AppointmentType.objects.create(practice=harbor, connection_key="aestheticspro", name="Facial")
    assert look(admin_user, bluestone, harbor) == {}


def test_a_med_spa_needs_no_categories(harbor, admin_user, make_event, two_pipelines):
    make_event(harbor)
    AppointmentType.objects.create(practice=harbor, connection_key="aestheticspro", name="Facial")
    assert look(admin_user, harbor) == {}


def test_a_held_type_that_nobody_knows_is_named_as_the_event_named_it(bluestone, admin_user, make_event):
    make_event(bluestone, state="held", held_for="category", held_key="main|laser peel")
    assert look(admin_user, bluestone)["types"].items[0].title == "“laser peel”"


def test_unmapped_locations_and_practices_that_are_not_live_say_how_many_events_wait(
    bluestone, harbor, admin_user, make_event
):
    make_event(bluestone, state="held", held_for="location", held_key="14")
    for _ in range(2):
        make_event(harbor, state="held", held_for="live")
    groups = look(admin_user, bluestone, harbor)
    assert groups["locations"].items[0].words.startswith("1 event waits until the location is mapped")
    assert groups["not_live"].items[0].words.startswith("2 events wait until the practice goes live")
    assert groups["not_live"].items[0].practice == harbor


def test_only_the_first_of_a_long_list_are_shown_and_the_rest_counted(bluestone, admin_user, make_event):
    for number in range(SHOWN_PER_KIND + 3):
        make_event(bluestone, state="parked", parked_as="rejected", reason=f"Reason {number}")
    group = look(admin_user, bluestone)["parked"]
    assert (len(group.items), group.total, group.more) == (SHOWN_PER_KIND, SHOWN_PER_KIND + 3, 3)
    assert group.all_link.endswith("?state=parked")


def test_what_came_since_is_counted_as_new(bluestone, admin_user, make_event):
    now = timezone.now()
    make_event(bluestone, now - timedelta(hours=3), state="parked", reason="old")
    make_event(bluestone, now, state="parked", reason="new")
    assert look(admin_user, bluestone)["parked"].new == 1


def test_a_person_sees_nothing_of_other_practices(bluestone, harbor, agent, make_event):
    make_event(harbor, state="parked", reason="Not yours.")
    make_event(harbor, state="held", held_for="live")
    Incident.objects.create(practice=harbor, kind="unreachable", subject="x", words="Not yours.")
    assert look(agent, bluestone) == {}
