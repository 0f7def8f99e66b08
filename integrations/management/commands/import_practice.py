"""`manage.py import_practice FILE`: makes or updates a practice from its practice file."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integrations.practice_file.importing import Imported, import_practice
from integrations.practice_file.problems import PracticeFileError
from integrations.practice_file.provisioning import Provisioning


class Command(BaseCommand):
    help = (
        "Makes or updates a practice from a practice file. Prints one JSON object: the webhook addresses. "
        "What changed, or what is wrong with the file, goes to standard error. A second time changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the practice file, or - for standard input")
        parser.add_argument(
            "--provision", action="store_true", help="make the custom fields that the CRM lacks"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would change")

    def handle(self, *args: Any, file: str, provision: bool, dry_run: bool, **options: Any) -> None:
        prepare = Provisioning(dry_run) if provision else None
        try:
            imported = import_practice(self._read(file), dry_run=dry_run, prepare=prepare)
        except PracticeFileError as error:
            self._stop(error.problems)
        self._summary(imported, prepare.notes if prepare else [], dry_run)
        answer = {
            "practice": imported.slug,
            "webhooks": imported.webhooks,
            "crm_webhooks": imported.crm_webhooks,
        }
        self.stdout.write(json.dumps(answer))

    def _read(self, file: str) -> bytes:
        if file == "-":
            return sys.stdin.buffer.read()
        try:
            return Path(file).read_bytes()
        except OSError as error:
            raise PracticeFileError([f"{file} cannot be read: {error.strerror}."]) from None

    def _stop(self, problems: list[str]) -> None:
        for problem in problems:
            self.stderr.write(problem)
        raise SystemExit(1)

    def _summary(self, imported: Imported, notes: list[str], dry_run: bool) -> None:
        heading = "Nothing was changed; an import would change:" if dry_run else "Changed:"
        self.stderr.write(heading if imported.changes else "Nothing to change.")
        for line in imported.changes:
            self.stderr.write(f"  {line}")
        for note in [*notes, *imported.notes]:
            self.stderr.write(f"Note: {note}")
