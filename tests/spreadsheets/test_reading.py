"""What people upload: any order, any separator, any program; and what cannot be read, in words."""

import io
import zipfile
from datetime import date
from typing import Any

import pytest
from openpyxl import Workbook

from categorization.spreadsheets import reading
from categorization.spreadsheets.reading import MOST_BYTES, Sheet, SpreadsheetError, read_upload


def xlsx(*lines: list[Any], title: str = "Types") -> bytes:
    book = Workbook()
    sheet = book.active
    sheet.title = title
    for line in lines:
        sheet.append(line)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def cells(sheet: Sheet) -> list[tuple[int, str, str]]:
    return [(row.number, row.cells.get("Type", ""), row.cells.get("Category", "")) for row in sheet.rows]


CSVS = {
    "plain": b"Type,Category\nBotox,Blocked\n",
    "with a mark": b"\xef\xbb\xbfType,Category\r\nBotox,Blocked\r\n",
    "semicolons": b"\xef\xbb\xbfConnection;Type;Category\r\n;Botox;Blocked\r\n",
    "Excel's Unicode text": "Type\tCategory\nBotox\tBlocked\n".encode("utf-16"),
    "another order, other case, spaces": b" CATEGORY ,Times  Seen, type \nBlocked,3,Botox\n",
    "quoted": b'"Type","Category"\n"Botox","Blocked"\n',
}


@pytest.mark.parametrize("data", CSVS.values(), ids=CSVS.keys())
def test_csv_is_read_however_a_program_saved_it(data: bytes) -> None:
    assert cells(read_upload("types.csv", data)) == [(2, "Botox", "Blocked")]


def test_row_numbers_are_those_that_the_program_shows() -> None:
    data = b"Exported for Bluestone\n\nType,Category\nBotox,Blocked\n\n,\nPeel,Blocked\n"
    assert [row.number for row in read_upload("types.csv", data).rows] == [4, 7]
    lines = [["For Bluestone"], [], ["Type", "Category"], ["Botox", "Blocked"], [], [None, ""], ["Peel", "x"]]
    assert [row.number for row in read_upload("types.XLSX", xlsx(*lines)).rows] == [4, 7]


def test_a_workbook_is_read_by_its_names_and_not_its_order() -> None:
    data = xlsx(["category", "Purpose ", "TYPE"], ["Blocked", "", "Botox"])
    assert cells(read_upload("types.xlsx", data)) == [(2, "Botox", "Blocked")]


def test_numbers_and_days_in_a_workbook_read_as_they_look() -> None:
    data = xlsx(["Type", "Category", "Next booking"], [90837, "Blocked", date(2026, 12, 1)], [2.0, "x", 1.5])
    found = read_upload("types.xlsx", data).rows
    assert [row.cells["Type"] for row in found] == ["90837", "2"]
    assert [row.cells["Next booking"] for row in found] == ["2026-12-01", "1.5"]


def test_the_sheet_with_our_columns_is_found_among_others() -> None:
    book = Workbook()
    book.active.append(["Notes"])
    sheet = book.create_sheet("Anything")
    sheet.append(["Type", "Category"])
    sheet.append(["Botox", "Blocked"])
    file = io.BytesIO()
    book.save(file)
    assert cells(read_upload("types.xlsx", file.getvalue())) == [(2, "Botox", "Blocked")]


def test_a_reviewer_is_found_in_the_head_or_below_the_rows() -> None:
    beside = b"Type,Category,,Reviewed by:,Dr. Anna Berg\nBotox,Blocked\n"
    assert read_upload("a.csv", beside).reviewed_by == "Dr. Anna Berg"
    below = read_upload("a.csv", b"Type,Category\nBotox,Blocked\nReviewed by: Anna,\n")
    assert (below.reviewed_by, len(below.rows)) == ("Anna", 1)
    assert read_upload("a.csv", b"Type,Category,,Reviewed by:\nBotox,Blocked\n").reviewed_by == ""


def many(count: int) -> bytes:
    return b"Type,Category\n" + b"Botox,Blocked\n" * count


def test_five_thousand_rows_are_read_and_no_more() -> None:
    assert len(read_upload("types.csv", many(5000)).rows) == 5000
    with pytest.raises(SpreadsheetError, match="more than 5,000 rows"):
        read_upload("types.csv", many(5001))


def test_rows_that_only_look_formatted_do_not_count() -> None:
    lines: list[list[Any]] = [
        ["Type", "Category"],
        ["Botox", "Blocked"],
        *([None, None] for _ in range(6000)),
    ]
    assert len(read_upload("types.xlsx", xlsx(*lines)).rows) == 1


def test_a_row_far_below_is_not_lost_without_a_word() -> None:
    book = Workbook()
    book.active.append(["Type", "Category"])
    book.active.cell(20_002, 1, "Botox")
    file = io.BytesIO()
    book.save(file)
    with pytest.raises(SpreadsheetError, match="more than 5,000 rows"):
        read_upload("types.xlsx", file.getvalue())


def zipped(size: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet1.xml", b"0" * size)
    return file.getvalue()


UNREADABLE = {
    "larger than 5 MB": ("types.csv", b"x" * (MOST_BYTES + 1), "larger than 5 MB"),
    "empty": ("types.csv", b"", "file is empty"),
    "only lines": ("types.csv", b"\n\n", "Type and Category cannot be found"),
    "old Excel": ("types.xls", b"\xd0\xcf\x11\xe0", r"Only \.xlsx and \.csv"),
    "a picture": ("types.png", b"\x89PNG", r"Only \.xlsx and \.csv"),
    "no ending": ("types", b"Type,Category", r"Only \.xlsx and \.csv"),
    "a picture called CSV": ("types.csv", b"\x89PNG\x00\x00\x81", "not text"),
    "text called XLSX": ("types.xlsx", b"Type,Category\n", "cannot be opened as a workbook"),
    "a zip of something else": ("types.xlsx", zipped(10), "cannot be opened as a workbook"),
    "no column of types": ("types.csv", b"Name,Category\nBotox,Blocked\n", "column Type cannot be found"),
    "no columns of ours": ("types.xlsx", xlsx(["a", "b"]), "columns Type and Category cannot be found"),
    "a column twice": ("types.csv", b"Type,Category,category\n", "column Category is there twice"),
}


@pytest.mark.parametrize(("name", "data", "words"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_said_in_words(name: str, data: bytes, words: str) -> None:
    with pytest.raises(SpreadsheetError, match=words):
        read_upload(name, data)


def test_a_file_that_unpacks_without_end_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "MOST_UNPACKED_BYTES", 1000)
    monkeypatch.delattr(reading, "load_workbook")
    with pytest.raises(SpreadsheetError, match="unpacks to far more"):
        read_upload("types.xlsx", zipped(1001))
