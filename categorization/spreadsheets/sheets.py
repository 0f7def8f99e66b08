"""A practice's Google Sheet: made and shared, and read back as differences."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import gspread
from django.utils import timezone

from categorization.models import PracticeSheet
from categorization.spreadsheets import layout
from categorization.spreadsheets.columns import EXPLANATIONS_SHEET, TYPES_SHEET
from categorization.spreadsheets.differences import Comparison, compare
from categorization.spreadsheets.google import SheetError, account_email, connected, in_words
from categorization.spreadsheets.reading import SpreadsheetError, header_place, read_sheet
from categorization.spreadsheets.resources import types_of
from tenants.models import Practice

_ID = re.compile(r"/spreadsheets/d/([A-Za-z0-9_-]{10,})")


@dataclass(frozen=True, slots=True)
class MadeSheet:
    """The new sheet, and the addresses with which it could not be shared, each with the reason."""

    sheet: PracticeSheet
    unshared: dict[str, str]


def make_sheet(practice: Practice, share_with: Sequence[str], user: Any, into: str = "") -> MadeSheet:
    """Make the practice's sheet from its types and share it with these e-mail addresses, as writers.

    ``into`` is the address of an empty spreadsheet that somebody shared with the service account; without it a new
    one is created. It takes the place of the practice's former sheet, which stays as it is at Google. Raises
    SheetError, and then nothing is stored.
    """
    client = connected()
    with in_words():
        book = (
            client.open_by_key(_id_in(into)) if into else client.create(f"{practice.name}: appointment types")
        )
        try:
            _fill(book, practice, is_new=not into)
        except BaseException:
            if not into:
                _remove(client, book)
            raise
    unshared = {email: words for email in dict.fromkeys(share_with) if (words := _share(book, email))}
    sheet, _ = PracticeSheet.objects.update_or_create(
        practice=practice,
        defaults={
            "spreadsheet_id": book.id,
            "url": book.url,
            "shared_with": [email for email in dict.fromkeys(share_with) if email not in unshared],
            "made_by": user,
            "made_at": timezone.now(),
            "read_at": None,
        },
    )
    return MadeSheet(sheet, unshared)


def read_back(practice: Practice) -> Comparison:
    """What people changed in the practice's sheet. Changes nothing but when it was read.

    Raises SheetError where Google does not give it, and SpreadsheetError where its columns are not ours any more.
    """
    sheet = PracticeSheet.objects.for_practice(practice).first()
    if sheet is None:
        raise SheetError("This practice has no Google Sheet yet. Create one first.")
    client = connected()
    with in_words():
        lines = _lines(client.open_by_key(sheet.spreadsheet_id))
    found = compare(practice, read_sheet(lines))
    sheet.read_at = timezone.now()
    sheet.save(update_fields=["read_at"])
    return found


def _id_in(url: str) -> str:
    found = _ID.search(url)
    if found is None:
        raise SheetError(
            "That is not the address of a Google Sheet. Copy it from the browser while it is open."
        )
    return found[1]


def _fill(book: gspread.Spreadsheet, practice: Practice, *, is_new: bool) -> None:
    """Raises SheetError where something stands there already."""
    first = book.sheet1
    if not is_new and any(any(cell.strip() for cell in line) for line in first.get_values("A1:Z50")):
        raise SheetError("Something stands in that sheet already. Make an empty one.")
    rows = types_of(practice)
    book.batch_update({"requests": layout.set_up(first.id, rows, account_email())})
    # RAW: what begins like a formula stays text.
    book.values_batch_update({"valueInputOption": "RAW", "data": layout.values(rows)})


def _remove(client: gspread.Client, book: gspread.Spreadsheet) -> None:
    """Nobody knows of a half-made sheet; where it cannot be removed it is of no harm either."""
    with suppress(Exception):
        client.del_spreadsheet(book.id)


def _share(book: gspread.Spreadsheet, email: str) -> str:
    """Share with one address. Returns why that did not work, "" where it did."""
    try:
        with in_words():
            book.share(email, perm_type="user", role="writer", notify=True)
    except SheetError as error:
        return str(error)
    return ""


def _lines(book: gspread.Spreadsheet) -> list[list[str]]:
    """The worksheet with our columns, by whatever name; the first one where none has them."""
    found = [sheet for sheet in book.worksheets() if sheet.title != EXPLANATIONS_SHEET][:5]
    found.sort(key=lambda sheet: sheet.title != TYPES_SHEET)
    first: list[list[str]] = []
    for sheet in found:
        lines = sheet.get_all_values()
        if header_place(lines) is not None:
            return lines
        first = first or lines
    return first


__all__ = ["MadeSheet", "SheetError", "SpreadsheetError", "make_sheet", "read_back"]
