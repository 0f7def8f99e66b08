"""`manage.py suggest_categories FILE.csv`: what each appointment type of a file most likely counts as."""

import csv
import io
import re
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from categorization.reading import minutes_in
from categorization.suggest import Suggestion, suggest
from categorization.tables import Table, TableError, read_table

ADDED = ["category", "confidence", "reason"]
KINDS = ["plastic_surgery", "med_spa", "plastic_surgery_med_spa"]


class Command(BaseCommand):
    help = (
        "Suggests a category for each appointment type of a CSV file with a column name and, where known, purpose, "
        "class and minutes. Prints the same rows with category, confidence (below 0.6: a person must look) and "
        "reason. An empty category means that any choice would be a guess."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the CSV file, or - for standard input")
        parser.add_argument("--out", default="", help="write to this file instead of printing")
        parser.add_argument(
            "--kind", default="", choices=KINDS, help="the practice's kind, where it is known"
        )

    def handle(self, *args: Any, file: str, out: str, kind: str, **options: Any) -> None:
        try:
            table = read_table(_bytes(file))
        except OSError as fault:
            raise CommandError(f"{file} cannot be read: {fault.strerror}.") from None
        except TableError as fault:
            raise CommandError(f"{file}: {fault}") from None
        text = _csv(table, _suggestions(table, file, kind))
        if not out:
            self.stdout.write(text, ending="")
            return
        try:
            Path(out).write_text(text, encoding="utf-8", newline="")
        except OSError as fault:
            raise CommandError(f"{out} cannot be written: {fault.strerror}.") from None
        self.stderr.write(f"{len(table.rows)} suggestions written to {out}.")


def _bytes(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def _suggestions(table: Table, file: str, kind: str) -> list[Suggestion]:
    name = table.column("name")
    if name is None:
        found = ", ".join(column.strip() for column in table.columns)
        raise CommandError(f'{file} has no column "name"; its first line has: {found}.')
    purpose, type_class = (
        table.column("purpose", "purposes"),
        table.column("class", "type_class", "typeclass"),
    )
    minutes = table.column("minutes", "duration")
    return [
        suggest(
            row[name],
            purposes=() if purpose is None else (row[purpose],),
            type_class="" if type_class is None else row[type_class],
            minutes=None if minutes is None else _minutes(row[minutes]),
            kind=kind,
        )
        for row in table.rows
    ]


def _minutes(cell: str) -> int | None:
    """Minutes of a cell: "45", "45 min" or "1.5 hrs"; None when it says no length."""
    bare = re.fullmatch(r"\s*(\d{1,4})\s*", cell)
    return int(bare[1]) if bare else minutes_in(cell)


def _csv(table: Table, suggestions: list[Suggestion]) -> str:
    """The file's own columns and ours; a column of the file that is named like one of ours gives way to it."""
    kept = [at for at, column in enumerate(table.columns) if column.strip().casefold() not in ADDED]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*(table.columns[at] for at in kept), *ADDED])
    for row, suggestion in zip(table.rows, suggestions, strict=True):
        answer = [suggestion.category or "", f"{suggestion.confidence:.2f}", suggestion.reason]
        writer.writerow([*(row[at] for at in kept), *answer])
    return out.getvalue()
