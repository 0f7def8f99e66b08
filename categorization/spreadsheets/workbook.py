"""One practice's types as an Excel workbook: choices in the cells, and a second sheet that explains them."""

import io
from collections.abc import Iterable
from itertools import groupby

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from categorization.explanations import EXPLANATIONS
from categorization.models import AppointmentType
from categorization.spreadsheets.columns import (
    CATEGORY,
    COLUMNS,
    EXPLANATIONS_SHEET,
    TYPES_SHEET,
    WIDTHS,
)
from categorization.spreadsheets.resources import dataset, offered, types_of
from tenants.models import Practice

_HEAD = PatternFill("solid", fgColor="E5E7EB")


def xlsx_file(practice: Practice) -> bytes:
    """The practice's types as XLSX."""
    rows = types_of(practice)
    book = Workbook()
    sheet = book.active
    sheet.title = TYPES_SHEET
    _fill(sheet, COLUMNS, dataset(rows), WIDTHS)
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(COLUMNS))}{len(rows) + 1}"
    _offer_choices(sheet, rows)
    lines = [(one.value, EXPLANATIONS[one]) for one in offered(rows)]
    _fill(book.create_sheet(EXPLANATIONS_SHEET), [CATEGORY, "What it does"], lines, [28, 110])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _fill(sheet: Worksheet, head: list[str], lines: Iterable[Iterable[object]], widths: list[int]) -> None:
    sheet.append(head)
    for line in lines:
        sheet.append(list(line))
    for place, width in enumerate(widths, start=1):
        cell = sheet.cell(1, place)
        cell.font, cell.fill = Font(bold=True), _HEAD
        cell.alignment = Alignment(vertical="center")
        sheet.column_dimensions[get_column_letter(place)].width = width
    sheet.freeze_panes = "A2"


def _offer_choices(sheet: Worksheet, rows: list[AppointmentType]) -> None:
    """In each row the categories that its EMR offers, and no other."""
    lists: dict[str, DataValidation] = {}
    column = get_column_letter(COLUMNS.index(CATEGORY) + 1)
    start = 2
    for choices, run in groupby(rows, key=lambda row: ",".join(row.choices)):
        end = start + len(list(run))
        if choices not in lists:
            lists[choices] = _validation(choices)
            sheet.add_data_validation(lists[choices])
        lists[choices].add(f"{column}{start}:{column}{end - 1}")
        start = end


def _validation(words: str) -> DataValidation:
    found = DataValidation(type="list", formula1=f'"{words}"', allow_blank=True, showErrorMessage=True)
    found.errorTitle, found.error = CATEGORY, "Choose one of the list. The second sheet says what each does."
    return found
