"""What a person uploads or typed into a sheet, as rows of text with their numbers."""

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import PurePath
from typing import Any

from openpyxl import load_workbook

from categorization.spreadsheets.columns import (
    CATEGORY,
    COLUMNS,
    MOST_ROWS,
    REVIEWED_BY,
    TYPE,
    column_key,
    unguarded,
)
from categorization.tables import TableError, read_lines

MOST_BYTES = 5 * 1024 * 1024
MOST_UNPACKED_BYTES = 80 * 1024 * 1024
_HEADER_WITHIN = 10
_MOST_COLUMNS = 40
_MOST_LINES = 4 * MOST_ROWS
_TOO_MANY = f"There are more than {MOST_ROWS:,} rows. Split them into several files."
_KEYS = {column_key(name): name for name in COLUMNS}
Lines = list[list[str]]


class SpreadsheetError(Exception):
    """A table that cannot be read at all. ``str`` says what to do, in the words of who uploaded it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of types: its number as the spreadsheet program shows it, and its cells by column."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows below the header, and who is named as reviewer in a cell "Reviewed by:"."""

    rows: list[Row]
    reviewed_by: str = ""


def read_upload(name: str, data: bytes) -> Sheet:
    """Read an uploaded file. Raises SpreadsheetError: too big, of another kind, damaged, without our columns."""
    if len(data) > MOST_BYTES:
        raise SpreadsheetError(
            "The file is larger than 5 MB. Upload the exported spreadsheet, without pictures."
        )
    if not data:
        raise SpreadsheetError("The file is empty.")
    kind = PurePath(name).suffix.casefold()
    if kind == ".xlsx":
        return _best_of(_workbook(data))
    if kind == ".csv":
        return read_sheet(_csv(data))
    raise SpreadsheetError("Only .xlsx and .csv files can be read. Save the spreadsheet as one of these.")


def read_sheet(lines: Lines) -> Sheet:
    """Find the header, then the rows. Raises SpreadsheetError where columns are missing or rows are too many."""
    place = header_place(lines)
    if place is None:
        raise SpreadsheetError(_header_words(lines))
    columns = _columns(lines[place])
    rows = [
        Row(number, {name: _cell(line, at) for name, at in columns.items()})
        for number, line in enumerate(lines[place + 1 :], start=place + 2)
        if any(cell.strip() for cell in line) and not _names_reviewer(line)
    ]
    rows = [row for row in rows if any(row.cells.values())]
    if len(rows) > MOST_ROWS:
        raise SpreadsheetError(_TOO_MANY)
    return Sheet(rows, _reviewer(lines))


def header_place(lines: Lines) -> int | None:
    """Which of the first lines names our columns; None when none does."""
    for place, line in enumerate(lines[:_HEADER_WITHIN]):
        if {TYPE, CATEGORY} <= {_KEYS.get(column_key(cell), "") for cell in line}:
            return place
    return None


def _header_words(lines: Lines) -> str:
    first = next((line for line in lines[:_HEADER_WITHIN] if any(cell.strip() for cell in line)), [])
    known = {_KEYS.get(column_key(cell), "") for cell in first}
    missing = [name for name in (TYPE, CATEGORY) if name not in known]
    return (
        f"The column{'s' if len(missing) > 1 else ''} {' and '.join(missing)} cannot be found. "
        f"The first row must name the columns as exported: {', '.join(COLUMNS)}."
    )


def _columns(head: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for at, cell in enumerate(head):
        name = _KEYS.get(column_key(cell))
        if name in found:
            raise SpreadsheetError(f"The column {name} is there twice. Remove one of them.")
        if name:
            found[name] = at
    return found


def _cell(line: list[str], at: int) -> str:
    return unguarded(line[at].strip()).strip() if at < len(line) else ""


def _is_reviewer_label(cell: str) -> bool:
    return column_key(cell).startswith(column_key(REVIEWED_BY))


def _names_reviewer(line: list[str]) -> bool:
    first = next((cell for cell in line if cell.strip()), "")
    return _is_reviewer_label(first)


def _reviewer(lines: Lines) -> str:
    """The name behind "Reviewed by:" in its cell, or in the cell to the right of it."""
    for line in lines:
        for at, cell in enumerate(line):
            if _is_reviewer_label(cell):
                behind = cell.partition(":")[2].strip()
                return unguarded(behind or (line[at + 1].strip() if at + 1 < len(line) else ""))
    return ""


def _csv(data: bytes) -> Lines:
    try:
        return read_lines(data)
    except TableError as error:
        raise SpreadsheetError(str(error)) from None


def _workbook(data: bytes) -> list[Lines]:
    """The sheets of an XLSX file. Unpacked no further than it needs."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > MOST_UNPACKED_BYTES:
            raise SpreadsheetError(
                "The file unpacks to far more than a list of types. Upload the exported one."
            )
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        return [_lines(sheet.iter_rows(values_only=True)) for sheet in book.worksheets[:5]]
    except SpreadsheetError:
        raise
    except Exception:  # A damaged workbook makes the reader raise anything at all.
        raise SpreadsheetError(
            "The file cannot be opened as a workbook. Open it in your spreadsheet program and save it as .xlsx."
        ) from None


def _lines(rows: Iterable[Iterable[Any]]) -> Lines:
    """Rows as text. Empty ones count only between others: a program may have formatted a million below."""
    lines: Lines = []
    empty = 0
    for row in rows:
        cells = [_text(value) for value in islice(row, _MOST_COLUMNS)]
        if not any(cells):
            empty += 1
            if empty > _MOST_LINES:
                break
            continue
        if len(lines) + empty > _MOST_LINES:
            raise SpreadsheetError(_TOO_MANY)
        lines += [[] for _ in range(empty)]
        lines.append(cells)
        empty = 0
    return lines


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime | date):
        return value.isoformat()[:10]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _best_of(sheets: list[Lines]) -> Sheet:
    """The first sheet with our columns; the first one says what is missing when none has."""
    named = next((lines for lines in sheets if header_place(lines) is not None), None)
    return read_sheet(named if named is not None else (sheets[0] if sheets else []))
