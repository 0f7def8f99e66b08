"""What a practice's Google Sheet looks like, as requests of the Sheets API."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from categorization.explanations import EXPLANATIONS
from categorization.models import AppointmentType
from categorization.spreadsheets.columns import (
    CATEGORY,
    COLUMNS,
    EXPLANATIONS_SHEET,
    REVIEWED_BY,
    TYPES_SHEET,
    WIDTHS,
)
from categorization.spreadsheets.resources import dataset, offered

Request = dict[str, Any]
# Two columns beside the types: the words "Reviewed by:", and the cell to write into.
_REVIEWED_AT = len(COLUMNS) + 1
_SPARE_ROWS = 20
_EXPLANATIONS_ID = 1_000_001
_PIXELS = 7


def values(rows: list[AppointmentType]) -> list[Request]:
    """The cells of both worksheets, by range."""
    head = [*COLUMNS, "", REVIEWED_BY]
    lines = [list(line) for line in dataset(rows)]
    words = [[CATEGORY, "What it does"], *([one.value, EXPLANATIONS[one]] for one in offered(rows))]
    return [
        {"range": f"'{TYPES_SHEET}'!A1", "values": [head, *lines]},
        {"range": f"'{EXPLANATIONS_SHEET}'!A1", "values": words},
    ]


def set_up(sheet_id: int, rows: list[AppointmentType], editor: str) -> list[Request]:
    """What makes a bare worksheet ours: names, a head that stays and that only ``editor`` changes, choices."""
    return [
        _properties(sheet_id, TYPES_SHEET, len(rows) + 1 + _SPARE_ROWS, _REVIEWED_AT + 2),
        _add(EXPLANATIONS_SHEET),
        _bold(sheet_id, len(COLUMNS), locked=True),
        _bold(_EXPLANATIONS_ID, 2, locked=False),
        *(_width(sheet_id, at, width * _PIXELS) for at, width in enumerate(WIDTHS)),
        *(_width(sheet_id, _REVIEWED_AT + at, 160) for at in range(2)),
        *(_width(_EXPLANATIONS_ID, at, width) for at, width in enumerate((200, 760))),
        *_choices(sheet_id, rows),
        _protection(sheet_id, editor),
    ]


def _range(sheet_id: int, row: int, end_row: int, column: int, end_column: int) -> Request:
    return {
        "sheetId": sheet_id,
        "startRowIndex": row,
        "endRowIndex": end_row,
        "startColumnIndex": column,
        "endColumnIndex": end_column,
    }


def _properties(sheet_id: int, title: str, rows: int, columns: int) -> Request:
    grid = {"rowCount": rows, "columnCount": columns, "frozenRowCount": 1}
    fields = ",".join(["title", *(f"gridProperties.{name}" for name in grid)])
    properties = {"sheetId": sheet_id, "title": title, "gridProperties": grid}
    return {"updateSheetProperties": {"properties": properties, "fields": fields}}


def _add(title: str) -> Request:
    grid = {"rowCount": 20, "columnCount": 2, "frozenRowCount": 1}
    return {"addSheet": {"properties": {"sheetId": _EXPLANATIONS_ID, "title": title, "gridProperties": grid}}}


def _bold(sheet_id: int, columns: int, *, locked: bool) -> Request:
    shade = {"red": 0.9, "green": 0.91, "blue": 0.92}
    form = {"textFormat": {"bold": True}, **({"backgroundColor": shade} if locked else {})}
    cell = {"userEnteredFormat": form}
    fields = f"userEnteredFormat({','.join(form)})"
    return {"repeatCell": {"range": _range(sheet_id, 0, 1, 0, columns), "cell": cell, "fields": fields}}


def _width(sheet_id: int, column: int, pixels: int) -> Request:
    where = {"sheetId": sheet_id, "dimension": "COLUMNS", "startIndex": column, "endIndex": column + 1}
    properties = {"pixelSize": pixels}
    return {"updateDimensionProperties": {"range": where, "properties": properties, "fields": "pixelSize"}}


def _choices(sheet_id: int, rows: list[AppointmentType]) -> Iterator[Request]:
    """One list for each run of rows whose EMR offers the same."""
    column = COLUMNS.index(CATEGORY)
    start = 1
    for choices, run in groupby(rows, key=lambda row: row.choices):
        end = start + len(list(run))
        condition = {"type": "ONE_OF_LIST", "values": [{"userEnteredValue": one} for one in choices]}
        rule = {"condition": condition, "showCustomUi": True, "strict": False}
        yield {"setDataValidation": {"range": _range(sheet_id, start, end, column, column + 1), "rule": rule}}
        start = end


def _protection(sheet_id: int, editor: str) -> Request:
    protected = {
        "range": _range(sheet_id, 0, 1, 0, len(COLUMNS)),
        "description": "AX Connect finds the columns by these names.",
        "warningOnly": False,
        "editors": {"users": [editor]},
    }
    return {"addProtectedRange": {"protectedRange": protected}}
