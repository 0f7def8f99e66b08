"""The Google Sheet, over HTTP with gspread's real client against a fake Google."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from categorization.categories import Category
from categorization.confirming import confirm
from categorization.models import AppointmentType, CategoryBatch, ConfirmedVia, PracticeSheet
from categorization.spreadsheets import google as google_module
from categorization.spreadsheets.columns import COLUMNS
from categorization.spreadsheets.google import SheetError, why_off
from categorization.spreadsheets.reading import SpreadsheetError
from categorization.spreadsheets.sheets import make_sheet, read_back
from tenants.models import Practice, Role, User
from tests.spreadsheets.conftest import Types, browser, person
from tests.spreadsheets.fake_google import EMAIL, TOKEN, Book, FakeGoogle, Tab, busy, down, forbidden

ANNA = "anna@example.com"


@pytest.fixture
def made(practice: Practice, types: Types, specialist: User, google: FakeGoogle) -> Book:
    """The practice's sheet, as Google holds it."""
    make_sheet(practice, [ANNA], specialist)
    google.calls.clear()
    return google.only_book


def kept(practice: Practice) -> PracticeSheet | None:
    return PracticeSheet.objects.for_practice(practice).first()


def type_into(book: Book, name: str, column: str, text: str) -> None:
    """Somebody writes into the row of a type (the first of that name)."""
    lines = book.tab("Types").values
    line = next(line for line in lines if line[1] == name)
    line[COLUMNS.index(column)] = text


# --- making ----------------------------------------------------------------------------------------------------


def test_a_sheet_is_made_from_the_types_and_shared_with_those_named(
    practice: Practice, types: Types, specialist: User, google: FakeGoogle
) -> None:
    result = make_sheet(practice, [ANNA, "ben@example.com", ANNA], specialist)
    book = google.only_book
    assert book.title == "Bluestone: appointment types"
    assert book.shared_with == {ANNA: "writer", "ben@example.com": "writer"}
    assert book.notified == [ANNA, "ben@example.com"]
    head, *rows = book.tab("Types").values
    assert head == [*COLUMNS, "", "Reviewed by:"]
    assert [row[1] for row in rows] == [
        '\'=HYPERLINK("http://evil.example.com")',
        "Botox",
        "Consult",
        "Surgery",
        "Botox",
    ]
    assert book.input_options == ["RAW"]
    assert [line[0] for line in book.tab("Explanations").values[1:]] == [one.value for one in Category]
    sheet = kept(practice)
    assert sheet == result.sheet
    assert (sheet.spreadsheet_id, sheet.made_by, sheet.read_at) == ("fake-book-1", specialist, None)
    assert sheet.url == "https://docs.google.com/spreadsheets/d/fake-book-1"
    assert (sheet.shared_with, result.unshared) == ([ANNA, "ben@example.com"], {})


def test_it_signs_in_with_the_service_account(made: Book, google: FakeGoogle) -> None:
    (claims, *_) = google.assertions
    assert claims["iss"] == EMAIL
    assert claims["aud"] == f"{google.url}/token" or claims["aud"].endswith("/token")
    assert "https://www.googleapis.com/auth/spreadsheets" in claims["scope"]


def test_the_head_stays_and_nobody_else_changes_it(made: Book) -> None:
    (properties,) = made.asked("updateSheetProperties")
    assert properties["properties"]["gridProperties"]["frozenRowCount"] == 1
    (protected,) = made.asked("addProtectedRange")
    assert protected["protectedRange"]["warningOnly"] is False
    assert protected["protectedRange"]["editors"] == {"users": [EMAIL]}
    where = protected["protectedRange"]["range"]
    assert (where["startRowIndex"], where["endRowIndex"], where["endColumnIndex"]) == (0, 1, len(COLUMNS))


def test_each_row_offers_the_categories_of_its_emr(made: Book) -> None:
    rules = made.asked("setDataValidation")
    offered = {
        (rule["range"]["startRowIndex"], rule["range"]["endRowIndex"]): [
            one["userEnteredValue"] for one in rule["rule"]["condition"]["values"]
        ]
        for rule in rules
    }
    assert {rule["rule"]["condition"]["type"] for rule in rules} == {"ONE_OF_LIST"}
    assert {rule["range"]["startColumnIndex"] for rule in rules} == {COLUMNS.index("Category")}
    assert offered == {
        (1, 5): [one.value for one in Category if one is not Category.ONLINE],
        (5, 6): [one.value for one in Category],
    }


def test_the_grid_has_room_for_every_type(practice: Practice, specialist: User, google: FakeGoogle) -> None:
    AppointmentType.objects.bulk_create(
        AppointmentType(
            practice=practice, connection_key="a", name=f"Type {number}", name_key=f"type {number}"
        )
        for number in range(1200)
    )
    make_sheet(practice, [ANNA], specialist)
    (properties,) = google.only_book.asked("updateSheetProperties")
    assert properties["properties"]["gridProperties"]["rowCount"] >= 1201
    assert len(google.only_book.tab("Types").values) == 1201


def test_an_address_that_google_refuses_is_named_and_the_sheet_is_kept(
    practice: Practice, types: Types, specialist: User, google: FakeGoogle
) -> None:
    google.refused_addresses.add("nobody@example.com")
    result = make_sheet(practice, ["nobody@example.com", ANNA], specialist)
    assert list(result.unshared) == ["nobody@example.com"]
    assert result.sheet.shared_with == [ANNA]


def test_a_new_sheet_takes_the_place_of_the_former(
    practice: Practice, types: Types, specialist: User, made: Book
) -> None:
    read_back(practice)
    make_sheet(practice, [ANNA], specialist)
    sheet = kept(practice)
    assert sheet is not None
    assert (sheet.spreadsheet_id, sheet.read_at) == ("fake-book-2", None)


def test_a_half_made_sheet_is_removed(
    practice: Practice, types: Types, specialist: User, google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google, "write", lambda book, body: (500, {"error": {"code": 500, "message": "no"}}))
    with pytest.raises(SheetError, match="answer 500"):
        make_sheet(practice, [ANNA], specialist)
    assert (google.books, kept(practice)) == ({}, None)


def test_an_empty_sheet_of_somebody_is_filled_where_the_account_has_no_room(
    practice: Practice, types: Types, specialist: User, google: FakeGoogle
) -> None:
    google.refusals = [forbidden("storageQuotaExceeded")]
    with pytest.raises(SheetError, match=f"Make an empty sheet yourself.*{EMAIL}"):
        make_sheet(practice, [ANNA], specialist)
    google.books["somebodys-own-sheet"] = Book("Mine", [Tab(7, "Sheet1")])
    make_sheet(
        practice, [], specialist, "https://docs.google.com/spreadsheets/d/somebodys-own-sheet/edit#gid=7"
    )
    assert google.only_book.tab("Types").id == 7
    assert len(read_back(practice).differences) == 0


def test_a_sheet_in_which_something_stands_is_left_alone(
    practice: Practice, types: Types, specialist: User, google: FakeGoogle
) -> None:
    google.books["somebodys-own-sheet"] = Book("Mine", [Tab(7, "Sheet1", [["Budget"]])])
    with pytest.raises(SheetError, match="Something stands in that sheet"):
        make_sheet(
            practice, [], specialist, "https://docs.google.com/spreadsheets/d/somebodys-own-sheet/edit"
        )
    assert google.only_book.tabs == [Tab(7, "Sheet1", [["Budget"]])]
    with pytest.raises(SheetError, match="not the address of a Google Sheet"):
        make_sheet(practice, [], specialist, "https://example.com/")


# --- reading back ------------------------------------------------------------------------------------------------


def test_what_was_not_touched_differs_in_nothing(practice: Practice, made: Book) -> None:
    found = read_back(practice)
    assert (found.mistakes, found.differences, found.rows) == ([], [], 5)
    sheet = kept(practice)
    assert sheet is not None
    assert sheet.read_at is not None


def test_what_somebody_chose_differs(practice: Practice, types: Types, made: Book) -> None:
    type_into(made, "Botox", "Category", "Non-Surgical Appointment")
    type_into(made, "Consult", "Category", "post op")
    found = read_back(practice)
    assert [(one.type, one.now, one.new, one.row) for one in found.differences] == [
        (types.botox, "", "Non-Surgical Appointment", 3),
        (types.rhino, "Surgical Consult", "Post-Op Appointment", 4),
    ]


def test_the_names_of_reviewers_are_read(practice: Practice, made: Book) -> None:
    made.tab("Types").values[0].append("Dr. Anna Berg")
    type_into(made, "Botox", "Category", "Blocked")
    type_into(made, "Botox", "Confirmed by", "Ben")
    assert read_back(practice).reviewers == ["Dr. Anna Berg", "Ben"]


def test_an_unknown_category_is_named_with_its_row(practice: Practice, made: Book) -> None:
    type_into(made, "Surgery", "Category", "Laser stuff")
    (mistake,) = read_back(practice).mistakes
    assert mistake.row == 5
    assert mistake.words.startswith('"Laser stuff" is not a category.')


def test_a_header_that_somebody_changed_is_said(practice: Practice, made: Book) -> None:
    made.tab("Types").values[0][COLUMNS.index("Category")] = "What we think"
    with pytest.raises(SpreadsheetError, match="column Category cannot be found"):
        read_back(practice)


def test_another_order_a_line_above_and_another_name_of_the_worksheet_do_no_harm(
    practice: Practice, types: Types, made: Book
) -> None:
    type_into(made, "Botox", "Category", "Blocked")
    tab = made.tab("Types")
    tab.title = "Our review"
    tab.values = [["Please fill in by Friday"], *([*reversed(line[:10])] for line in tab.values)]
    made.tabs.reverse()
    assert [(one.type, one.row) for one in read_back(practice).differences] == [(types.botox, 4)]


# --- when Google does not do as asked -----------------------------------------------------------------------------


def test_a_used_up_quota_is_waited_for_longer_each_time(
    practice: Practice, made: Book, google: FakeGoogle, waits: list[float]
) -> None:
    google.refusals = [busy(), busy()]
    assert read_back(practice).mistakes == []
    assert waits == [1.0, 2.0]


def test_a_service_that_is_down_for_a_moment_is_asked_again(
    practice: Practice, types: Types, specialist: User, google: FakeGoogle, waits: list[float]
) -> None:
    google.refusals = [down(), forbidden("userRateLimitExceeded")]
    make_sheet(practice, [ANNA], specialist)
    assert waits == [1.0, 2.0]
    assert len(google.books) == 1


def test_a_quota_that_stays_used_up_is_said(
    practice: Practice, made: Book, google: FakeGoogle, waits: list[float]
) -> None:
    google.refusals = [busy()] * 9
    with pytest.raises(SheetError, match="Try again in a few minutes"):
        read_back(practice)
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_nobody_waits_longer_than_the_deadline(
    practice: Practice,
    made: Book,
    google: FakeGoogle,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    google.refusals = [busy()] * 9
    monkeypatch.setattr(google_module, "SECONDS", 3.5)
    with pytest.raises(SheetError, match="Try again in a few minutes"):
        read_back(practice)
    assert max(waits) <= 2.0
    monkeypatch.setattr(google_module, "SECONDS", 0.0)
    with pytest.raises(SheetError, match="did not answer in time"):
        read_back(practice)


def test_a_sheet_that_is_gone_is_said(practice: Practice, made: Book, google: FakeGoogle) -> None:
    google.books.clear()
    with pytest.raises(SheetError, match="it was deleted"):
        read_back(practice)


def test_a_sheet_that_is_not_shared_any_more_is_said(
    practice: Practice, made: Book, google: FakeGoogle, waits: list[float]
) -> None:
    google.refusals = [forbidden()]
    with pytest.raises(SheetError, match=f"Share it with {EMAIL} as editor"):
        read_back(practice)
    assert waits == []


def test_apis_that_are_not_switched_on_are_said(practice: Practice, made: Book, google: FakeGoogle) -> None:
    google.refusals = [forbidden("accessNotConfigured")]
    with pytest.raises(SheetError, match="not switched on"):
        read_back(practice)


def test_a_sign_in_that_is_down_is_not_blamed_on_the_key(
    practice: Practice, made: Book, google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda seconds: None)
    monkeypatch.setattr(google, "token", lambda form: (503, {"error": "backend_error"}))
    with pytest.raises(SheetError, match="did not answer in time"):
        read_back(practice)


def test_a_key_that_google_does_not_know_is_said(practice: Practice, made: Book, google: FakeGoogle) -> None:
    google.key_is_gone = True
    with pytest.raises(SheetError, match="does not accept the service account's key"):
        read_back(practice)


def test_a_google_that_does_not_answer_is_said(practice: Practice, made: Book, settings: Any) -> None:
    settings.GOOGLE_API_BASE_URL = "http://127.0.0.1:9"
    with pytest.raises(SheetError, match="did not answer in time"):
        read_back(practice)


@pytest.mark.parametrize("answer", [["not", "a", "book"], {}, None])
def test_an_answer_that_is_not_googles_is_said(
    practice: Practice, made: Book, google: FakeGoogle, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(google, "describe", lambda book_id: answer)
    with pytest.raises(SheetError, match="could not be understood"):
        read_back(practice)


KEY_FILES = {
    "missing": (None, "is not there"),
    "not JSON": ("{", "cannot be read as one"),
    "another kind of JSON": ("[]", "cannot be read as one"),
    "another kind of key": (json.dumps({"installed": {"client_id": "1"}}), "cannot be read as one"),
    "a broken key": (
        json.dumps(
            {"client_email": EMAIL, "token_uri": "x", "private_key": "-----BEGIN PRIVATE KEY-----\nno"}
        ),
        "cannot be read as one",
    ),
}


@pytest.mark.parametrize(("text", "words"), KEY_FILES.values(), ids=KEY_FILES.keys())
def test_a_key_file_that_is_none_is_said(
    practice: Practice, specialist: User, settings: Any, tmp_path: Path, text: str | None, words: str
) -> None:
    path = tmp_path / "key.json"
    if text is not None:
        path.write_text(text)
    settings.GOOGLE_SERVICE_ACCOUNT_FILE = str(path)
    assert words in why_off()
    with pytest.raises(SheetError, match=words):
        make_sheet(practice, [ANNA], specialist)


def test_without_a_sheet_there_is_nothing_to_read(practice: Practice, google: FakeGoogle) -> None:
    with pytest.raises(SheetError, match="no Google Sheet yet"):
        read_back(practice)


def test_no_key_and_no_token_is_ever_logged(
    practice: Practice, made: Book, google: FakeGoogle, caplog: pytest.LogCaptureFixture, waits: list[float]
) -> None:
    caplog.set_level(logging.INFO)
    google.refusals = [busy(), forbidden()]
    with pytest.raises(SheetError):
        read_back(practice)
    assert TOKEN not in caplog.text
    assert "PRIVATE KEY" not in caplog.text


# --- the page ------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(specialist: User) -> Client:
    return browser(specialist)


def page(client: Client) -> str:
    return client.get(reverse("categories-sheet", args=["bluestone"])).content.decode()


def read(client: Client) -> Any:
    return client.post(reverse("categories-sheet-read", args=["bluestone"]), follow=True)


def test_without_the_setting_the_buttons_are_off_with_the_reason(
    practice: Practice, client: Client, settings: Any
) -> None:
    settings.GOOGLE_SERVICE_ACCOUNT_FILE = ""
    assert "GOOGLE_SERVICE_ACCOUNT_FILE is not set" in page(client)
    assert "disabled" in page(client)
    client.post(reverse("categories-sheet", args=["bluestone"]), {"share_with": ANNA})
    assert kept(practice) is None
    assert "no Google Sheet yet" in read(client).content.decode()


def test_the_practices_reviewers_are_suggested(
    practice: Practice, client: Client, google: FakeGoogle
) -> None:
    person("reviewer@example.com", practice, Role.REVIEWER)
    assert "reviewer@example.com" in page(client)
    assert EMAIL in page(client)


def test_a_sheet_is_made_read_and_applied_on_the_pages(
    practice: Practice, types: Types, client: Client, specialist: User, google: FakeGoogle
) -> None:
    google.refused_addresses.add("nobody@example.com")
    form = {"share_with": f"{ANNA}, nobody@example.com"}
    done = client.post(reverse("categories-sheet", args=["bluestone"]), form, follow=True).content.decode()
    assert "The sheet is made." in done
    assert "could not be shared with nobody@example.com" in done
    assert "https://docs.google.com/spreadsheets/d/fake-book-1" in done

    type_into(google.only_book, "Botox", "Category", "Block")
    google.only_book.tab("Types").values[0].append("Dr. Anna Berg")
    shown = read(client)
    assert [(one.type, one.new) for one in shown.context["differences"]] == [(types.botox, "Blocked")]
    assert not CategoryBatch.objects.for_practice(practice).exists()

    address = reverse("categories-import-confirm", args=["bluestone"])
    client.post(address, {"proposal": shown.context["proposal"]})
    batch = CategoryBatch.objects.for_practice(practice).get()
    assert (batch.via, batch.words, batch.made_by) == (
        "sheet",
        "Google Sheet, reviewed by Dr. Anna Berg",
        specialist,
    )
    assert read(client).context["differences"] == []


def test_a_type_changed_while_the_sheet_was_looked_at_is_shown_anew(
    practice: Practice, types: Types, client: Client, specialist: User, made: Book
) -> None:
    type_into(made, "Botox", "Category", "Blocked")
    shown = read(client)
    confirm(practice, {types.botox.pk: "Pre-Op Appointment"}, user=specialist, via=ConfirmedVia.PAGE)
    address = reverse("categories-import-confirm", args=["bluestone"])
    again = client.post(address, {"proposal": shown.context["proposal"]})
    assert again.context["changed_meanwhile"] == ["Botox"]
    assert again.context["is_sheet"]


def test_wrong_rows_of_the_sheet_are_listed(practice: Practice, client: Client, made: Book) -> None:
    type_into(made, "Surgery", "Category", "Laser stuff")
    shown = read(client).content.decode()
    assert "Nothing was taken over." in shown
    assert "Laser stuff" in shown


def test_what_google_refuses_is_said_on_the_page(
    practice: Practice, client: Client, made: Book, google: Any
) -> None:
    google.books.clear()
    assert "it was deleted" in read(client).content.decode()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"share_with": ""}, "Enter at least one address"),
        ({"share_with": "anna"}, "is not an e-mail address"),
        ({"share_with": ANNA, "into": "no address"}, "Enter a valid URL"),
        ({"share_with": ANNA, "into": "https://example.com/"}, "not the address of a Google Sheet"),
    ],
)
def test_what_is_entered_wrongly_is_said(
    practice: Practice, client: Client, google: FakeGoogle, form: dict[str, str], words: str
) -> None:
    answer = client.post(reverse("categories-sheet", args=["bluestone"]), form)
    assert words in answer.content.decode()
    assert google.books == {}


def test_reading_is_never_done_by_opening_an_address(practice: Practice, client: Client, made: Book) -> None:
    assert client.get(reverse("categories-sheet-read", args=["bluestone"])).status_code == 405
