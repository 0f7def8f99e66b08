"""CSV files as people save them: UTF-8 with or without a mark, Windows, Excel's "Unicode text"."""

import csv
import io
from dataclasses import dataclass

_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SEPARATORS = ",;\t"


class TableError(Exception):
    """A file that is no table we can read; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Table:
    """Column names as written, and rows of exactly as many cells."""

    columns: list[str]
    rows: list[list[str]]

    def column(self, *names: str) -> int | None:
        """The position of the first of these columns that exists, case ignored; None when none does."""
        lower = [column.strip().casefold() for column in self.columns]
        return next((lower.index(name) for name in names if name in lower), None)


def read_lines(data: bytes) -> list[list[str]]:
    """Each line's cells, empty lines too (so that places are row numbers). Raises TableError as ``read_table``."""
    text = _text(data)
    first = text.lstrip("\r\n").split("\n", 1)[0]
    separator = max(_SEPARATORS, key=first.count)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as fault:
        raise TableError(f"The file is not a CSV table: {fault}.") from None


def read_table(data: bytes) -> Table:
    """Read a CSV file's bytes. Raises TableError when it is empty, not text, or not CSV."""
    lines = [line for line in read_lines(data) if line]
    if not lines:
        raise TableError("The file is empty: it needs a first line with the column names.")
    columns, *rows = lines
    return Table(columns, [_even(row, len(columns)) for row in rows])


def _text(data: bytes) -> str:
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    for attempt in [encoding] if encoding else ["utf-8", "cp1252"]:
        try:
            text = data.decode(attempt)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise TableError("The file is not text: save it as CSV (UTF-8) and try again.")


def _even(row: list[str], cells: int) -> list[str]:
    return (row + [""] * cells)[:cells]
