"""Why is this contact here? And finding a patient without leaving a trace of what was typed."""

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from integrations.models import Contact, ContactLink, Effect, Visit
from integrations.views.crm_links import contact_id_in, crm_contact_url
from integrations.views.search import alternatives, patients_for
from tenants.models import Role, User
from tests.admin.conftest import EMAIL, FIRST_NAME, LAST_NAME, World, make_event, person, signed_in

FIND = "admin:find-patient"


def contact_page(world: World) -> str:
    return reverse("admin:integrations_contact_change", args=[world.contact.pk])


def test_the_contact_page_says_why_it_stands_where_it_stands(world: World, agent: User) -> None:
    page = signed_in(agent).get(contact_page(world)).content.decode()
    for words in (
        f"{FIRST_NAME} {LAST_NAME}",
        "Non-surgical pipeline: Patient",
        "A completed visit.",
        "Botox",
        "Mar 12, 2026",
        "INV-1",
        "$450.00",
        "AestheticsPro: appointment booked",
        "Open in the CRM",
    ):
        assert words in page, words


def test_notes_stand_newest_first(world: World, agent: User) -> None:
    Effect.objects.create(
        practice=world.practice,
        event=make_event(world.practice, world.connection),
        contact=world.contact,
        kind="note",
        target="newer",
        position=0,
        state="done",
        planned_at=timezone.now(),
        body={"text": "the newer note"},
    )
    page = signed_in(agent).get(contact_page(world)).content.decode()
    assert page.index("the newer note") < page.index("AestheticsPro: appointment booked")


def test_a_type_that_nobody_confirmed_is_said_so(
    world: World, agent: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from integrations.admin import contacts
    from integrations.sync.decide import Verdict

    monkeypatch.setattr(contacts, "verdict", lambda *args: Verdict(None, "nobody has confirmed it yet."))
    page = signed_in(agent).get(contact_page(world)).content.decode()
    assert "Not confirmed" in page
    assert "nobody has confirmed it yet." in page


def test_a_contact_that_is_gone_has_no_link_into_the_crm(world: World, agent: User) -> None:
    Contact.objects.for_practice(world.practice).update(is_gone=True)
    page = signed_in(agent).get(contact_page(world)).content.decode()
    assert "Deleted or merged in the CRM" in page
    assert "Open in the CRM" not in page


def test_the_patient_page_shows_what_the_emr_knows(world: World, agent: User) -> None:
    page = (
        signed_in(agent)
        .get(reverse("admin:integrations_patient_change", args=[world.patient.pk]))
        .content.decode()
    )
    for words in (
        f"{FIRST_NAME} {LAST_NAME}",
        EMAIL,
        "Mar 2, 1980",
        "EMR-5001",
        "It is not certain which contact",
    ):
        assert words in page, words


def test_a_contact_with_a_long_past_takes_no_more_queries(world: World, agent: User) -> None:
    client = signed_in(agent)

    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            assert client.get(contact_page(world)).status_code == 200
        return len(captured)

    client.get(contact_page(world))
    few = queries()
    for number in range(20):
        event = make_event(world.practice, world.connection, patient=world.patient, contact=world.contact)
        Visit.objects.create(
            practice=world.practice,
            connection=world.connection,
            patient=world.patient,
            sub_account=world.sub_account,
            external_id=f"B{number}",
            version=timezone.now() - timedelta(days=number),
            outcome="booked",
            type="Botox",
        )
        Effect.objects.create(
            practice=world.practice,
            event=event,
            contact=world.contact,
            kind="note",
            target="n",
            position=0,
            planned_at=timezone.now(),
            body={"text": "x"},
        )
    assert queries() == few


# --- find a patient -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        FIRST_NAME,
        LAST_NAME.upper(),
        f"  {LAST_NAME}  {FIRST_NAME} ",
        EMAIL,
        EMAIL.upper(),
        "+12125550177",
        "(212) 555-0177",
        "212.555.0177",
        "0177",
        "EMR-5001",
        "emr-5001",
        "crmContactbluestone",
        "https://app.example.com/v2/location/LOC-bluestone/contacts/detail/crmContactbluestone",
        "https://app.example.com/v2/location/LOC-bluestone/contacts/detail/crmContactbluestone?tab=notes",
    ],
)
def test_a_patient_is_found_by_what_somebody_has_in_hand(
    world: World, other: World, agent: User, words: str
) -> None:
    answer = signed_in(agent).post(reverse(FIND), {"words": words})
    assert [row.patient for row in answer.context["found"]] == [world.patient]
    page = answer.content.decode()
    assert f"{FIRST_NAME} {LAST_NAME}" in page
    assert reverse("admin:integrations_contact_change", args=[world.contact.pk]) in page


@pytest.mark.parametrize(
    "words", ["Zul", "Otto", f"{FIRST_NAME} Elsewhere", "0199", "9999", "otto@example.com", "%", "_"]
)
def test_parts_of_words_and_people_of_other_practices_are_not_found(
    world: World, other: World, agent: User, words: str
) -> None:
    answer = signed_in(agent).post(reverse(FIND), {"words": words})
    assert answer.context["found"] == []
    assert "Nobody found" in answer.content.decode()


def test_nothing_is_searched_for_in_the_address(world: World, agent: User) -> None:
    answer = signed_in(agent).get(reverse(FIND), {"words": FIRST_NAME})
    assert answer.context["found"] == []
    assert "Who are you looking for?" in answer.content.decode()


def test_the_answer_is_not_kept_by_the_browser(world: World, agent: User) -> None:
    assert "no-store" in signed_in(agent).post(reverse(FIND), {"words": FIRST_NAME})["Cache-Control"]


def test_a_patient_is_found_while_keys_are_being_rotated(world: World, agent: User, settings: object) -> None:
    from cryptography.fernet import Fernet

    settings.FIELD_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_KEYS]  # type: ignore[attr-defined]
    assert list(patients_for(agent, EMAIL)) == [world.patient]


def test_a_pasted_link_finds_a_contact_that_no_patient_is_linked_to(world: World, agent: User) -> None:
    ContactLink.objects.for_practice(world.practice).delete()
    link = crm_contact_url(world.sub_account, world.contact.crm_id)
    answer = signed_in(agent).post(reverse(FIND), {"words": link})
    assert answer.context["unlinked"] == [world.contact]


def test_company_staff_find_patients_of_every_practice(world: World, other: World) -> None:
    sam = person("sam@example.com", company_role=Role.SUPPORT)
    found = patients_for(sam, "EMR-5001")
    assert set(found) == {world.patient, other.patient}


def test_words_mean_what_they_look_like() -> None:
    assert alternatives("a@example.com") == [[("email", "a@example.com")]]
    assert alternatives("4711") == [[("id", "4711")], [("phone_end", "4711")]]
    assert alternatives("Anna Maria") == [[("name", "anna"), ("name", "maria")]]
    assert [("phone", "+442079460123")] in alternatives("020 7946 0123", "GB")
    assert alternatives("   ") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://app.example.com/v2/location/L1/contacts/detail/abcDEF123", "abcDEF123"),
        ("https://crm.example.com/contacts/abcDEF123/", "abcDEF123"),
        ("abcDEF123", ""),
        ("https://example.com/contacts/", ""),
    ],
)
def test_a_contact_id_is_read_out_of_a_link(text: str, found: str) -> None:
    assert contact_id_in(text) == found


def test_the_link_names_the_sub_account_and_the_contact(world: World) -> None:
    address = crm_contact_url(world.sub_account, "c1")
    assert address.endswith("/v2/location/LOC-bluestone/contacts/detail/c1")
    assert contact_id_in(address) == ""
    assert contact_id_in(crm_contact_url(world.sub_account, world.contact.crm_id)) == world.contact.crm_id
