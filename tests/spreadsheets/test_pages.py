"""The pages: who may open them, the two steps of an import, and what happens in between."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from categorization.confirming import confirm
from categorization.models import CategoryBatch, ConfirmedVia
from categorization.spreadsheets import proposals
from tenants.models import Practice, Role, User
from tests.spreadsheets.conftest import FakeEngine, Types, browser, person

HEAD = "Connection,Type,Purpose,Category,Confirmed by\n"
BOTOX = "aestheticspro,Botox,,Blocked,\n"
SURGERY = "aestheticspro,Surgery,,Blocked,\n"
PAGES = ["categories-export", "categories-export-csv", "categories-import", "categories-sheet"]


def upload(client: Client, text: str | bytes, name: str = "edited.csv", slug: str = "bluestone") -> Any:
    data = text if isinstance(text, bytes) else (HEAD + text).encode()
    return client.post(reverse("categories-import", args=[slug]), {"file": SimpleUploadedFile(name, data)})


def apply(client: Client, shown: Any, slug: str = "bluestone", **more: str) -> Any:
    data = {"proposal": shown.context["proposal"], **more}
    return client.post(reverse("categories-import-confirm", args=[slug]), data, follow=True)


def batches(practice: Practice) -> list[CategoryBatch]:
    return list(CategoryBatch.objects.for_practice(practice))


@pytest.fixture
def client(specialist: User) -> Client:
    return browser(specialist)


# --- who -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_strangers_are_asked_to_sign_in(practice: Practice, name: str) -> None:
    answer = Client().get(reverse(name, args=["bluestone"]))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.ADMINISTRATOR, 200), (Role.ONBOARDING, 200), (Role.SUPPORT, 403), (Role.REVIEWER, 403)],
)
def test_a_practices_people_open_them_by_role(practice: Practice, name: str, role: str, status: int) -> None:
    client = browser(person("somebody@example.com", practice, role))
    assert client.get(reverse(name, args=["bluestone"])).status_code == status


@pytest.mark.parametrize("name", PAGES)
def test_for_another_practices_people_there_is_no_such_practice(client: Client, name: str) -> None:
    Practice.objects.create(slug="harbor", name="Harbor", kind="med_spa")
    assert client.get(reverse(name, args=["harbor"])).status_code == 404
    assert client.get(reverse(name, args=["nowhere"])).status_code == 404


def test_what_changes_something_is_guarded_too(practice: Practice, types: Types, client: Client) -> None:
    shown = upload(client, BOTOX)
    agent = browser(person("agent@example.com", practice, Role.SUPPORT))
    assert upload(agent, BOTOX).status_code == 403
    assert apply(agent, shown).status_code == 403
    for name in ("categories-sheet", "categories-sheet-read"):
        assert agent.post(reverse(name, args=["bluestone"])).status_code == 403
    assert batches(practice) == []


# --- out -------------------------------------------------------------------------------------------------------


def test_the_files_are_called_after_the_practice(practice: Practice, types: Types, client: Client) -> None:
    answer = client.get("/categories/bluestone/export.xlsx")
    assert 'filename="bluestone-appointment-types-2' in answer["Content-Disposition"]
    assert answer.content.startswith(b"PK")
    answer = client.get("/categories/bluestone/export.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith("\ufeffConnection,Type".encode())


# --- in --------------------------------------------------------------------------------------------------------


def test_an_edited_export_is_shown_and_then_applied_as_one_change(
    practice: Practice, types: Types, client: Client, specialist: User, tmp_path: Any
) -> None:
    path = tmp_path / "Bluestone types.xlsx"
    path.write_bytes(client.get("/categories/bluestone/export.xlsx").content)
    book = load_workbook(path)
    for row in book["Types"].iter_rows(min_row=2):
        row[7].value = {"Botox": "Non-Surgical Appointment", "Consult": "Blocked"}.get(
            row[1].value, row[7].value
        )
    book.save(path)

    shown = upload(client, path.read_bytes(), path.name)
    assert batches(practice) == []
    done = apply(client, shown)

    (batch,) = batches(practice)
    assert (batch.via, batch.words, batch.made_by, batch.moves_contacts) == (
        "import",
        "Bluestone types.xlsx",
        specialist,
        True,
    )
    assert {(change.type, change.before, change.after) for change in batch.changes.all()} == {
        (types.botox, "", "Non-Surgical Appointment"),
        (types.online, "", "Non-Surgical Appointment"),
        (types.rhino, "Surgical Consult", "Blocked"),
    }
    assert "3 types confirmed." in done.content.decode()
    assert upload(client, path.read_bytes(), path.name).context["differences"] == []


def test_the_page_says_what_differs_and_who_had_confirmed_it(
    practice: Practice, types: Types, client: Client, fake_engine: FakeEngine
) -> None:
    fake_engine.waiting = {types.botox.pk: 12}
    page = upload(client, BOTOX + "aestheticspro,Consult,Rhinoplasty,Blocked,\n").content.decode()
    assert "Consult / Rhinoplasty" in page
    assert "Sam" in page
    assert "12 events wait for these types" in page
    assert "Contacts that would move" in page
    assert "Only from now on" in page
    assert "4 from Consult Booked" in page


def test_nobody_is_asked_about_contacts_where_nothing_confirmed_changes(types: Types, client: Client) -> None:
    assert "Only from now on" not in upload(client, BOTOX).content.decode()


@pytest.mark.parametrize(("moves", "expected"), [("yes", True), ("no", False)])
def test_contacts_move_or_stay_as_chosen(
    practice: Practice, types: Types, client: Client, moves: str, expected: bool
) -> None:
    apply(client, upload(client, SURGERY), moves=moves)
    assert [batch.moves_contacts for batch in batches(practice)] == [expected]


def test_one_wrong_row_stops_the_whole_file(practice: Practice, types: Types, client: Client) -> None:
    shown = upload(client, BOTOX + "aestheticspro,Surgery,,Funny,\n")
    page = shown.content.decode()
    assert "Nothing was taken over." in page
    assert "is not a category" in page
    assert "proposal" not in shown.context
    assert batches(practice) == []


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.pdf", b"%PDF", "Only .xlsx and .csv"),
        ("a.csv", b"x" * (5 * 1024 * 1024 + 1), "larger than 5 MB"),
        ("a.csv", b"", "The file is empty"),
        ("a.csv", b"Name\nBotox", "cannot be found"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_on_the_page(
    types: Types, client: Client, name: str, data: bytes, words: str
) -> None:
    shown = upload(client, data, name)
    assert shown.status_code == 200
    assert words in shown.content.decode()


def test_no_file_is_said_too(types: Types, client: Client) -> None:
    answer = client.post(reverse("categories-import", args=["bluestone"]))
    assert "Choose the file first." in answer.content.decode()


def test_names_of_reviewers_are_kept_with_the_change(
    practice: Practice, types: Types, client: Client
) -> None:
    apply(client, upload(client, "aestheticspro,Botox,,Blocked,Dr. Berg\n"))
    assert batches(practice)[0].words == "edited.csv, reviewed by Dr. Berg"


def test_a_name_of_a_type_is_never_markup(practice: Practice, types: Types, client: Client) -> None:
    types.botox.name = "<script>alert(1)</script>"
    types.botox.save()
    page = upload(client, "aestheticspro,<script>alert(1)</script>,,Blocked,\n").content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


# --- in between --------------------------------------------------------------------------------------------------


def test_a_type_changed_meanwhile_is_said_and_shown_anew(
    practice: Practice, types: Types, client: Client, specialist: User
) -> None:
    shown = upload(client, BOTOX + SURGERY)
    confirm(practice, {types.botox.pk: "Pre-Op Appointment"}, user=specialist, via=ConfirmedVia.PAGE)

    again = apply(client, shown)
    assert "changed meanwhile" in again.content.decode()
    assert again.context["changed_meanwhile"] == ["Botox"]
    assert {(one.now, one.new) for one in again.context["differences"]} == {
        ("Pre-Op Appointment", "Blocked"),
        ("Surgical Appointment", "Blocked"),
    }
    assert len(batches(practice)) == 1

    apply(client, again)
    assert [batch.via for batch in batches(practice)] == ["import", "page"]


def test_a_type_that_went_away_meanwhile_is_left_out(
    practice: Practice, types: Types, client: Client
) -> None:
    shown = upload(client, BOTOX + SURGERY)
    types.botox.delete()
    again = apply(client, shown)
    assert [one.type for one in again.context["differences"]] == [types.surgery]
    assert batches(practice) == []


def test_applying_twice_changes_once(practice: Practice, types: Types, client: Client) -> None:
    shown = upload(client, BOTOX)
    apply(client, shown)
    apply(client, shown)
    assert len(batches(practice)) == 1


def test_a_proposal_is_good_for_one_person_and_one_practice(
    practice: Practice, types: Types, client: Client
) -> None:
    harbor = Practice.objects.create(slug="harbor", name="Harbor", kind="med_spa")
    shown = upload(client, BOTOX)
    other = browser(person("other@example.com", practice, Role.ADMINISTRATOR))
    assert "are of somebody else" in apply(other, shown).content.decode()
    both = User.objects.get(email="sam@example.com")
    both.company_role = Role.ONBOARDING
    both.save()
    assert "are of somebody else" in apply(browser(both), shown, slug=harbor.slug).content.decode()
    assert batches(practice) == []


def test_a_proposal_cannot_be_changed_on_the_way(practice: Practice, types: Types, client: Client) -> None:
    shown = upload(client, BOTOX)
    address = reverse("categories-import-confirm", args=["bluestone"])
    for data in ({"proposal": shown.context["proposal"] + "x"}, {}):
        answer = client.post(address, data, follow=True)
        assert "did not arrive whole" in answer.content.decode()
    assert batches(practice) == []


def test_a_proposal_does_not_last(
    practice: Practice, types: Types, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = upload(client, BOTOX)
    monkeypatch.setattr(proposals, "VALID_SECONDS", -1)
    assert "half a day old" in apply(client, shown).content.decode()
    assert batches(practice) == []


def test_the_confirm_address_opened_by_hand_leads_back(practice: Practice, client: Client) -> None:
    answer = client.get(reverse("categories-import-confirm", args=["bluestone"]))
    assert answer["Location"] == reverse("categories-import", args=["bluestone"])
