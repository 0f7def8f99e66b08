"""`manage.py export_practice SLUG`: the practice file of a practice."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integrations.management.practices import practice_or_stop
from integrations.practice_file.exporting import export_practice


class Command(BaseCommand):
    help = "Prints the practice file of a practice. Without --with-secrets, *** stands for each secret."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument(
            "--with-secrets", action="store_true", help="print tokens and credentials in clear"
        )

    def handle(self, *args: Any, slug: str, with_secrets: bool, **options: Any) -> None:
        practice = practice_or_stop(slug, self.stderr)
        document = export_practice(practice.slug, with_secrets=with_secrets)
        self.stdout.write(json.dumps(document, indent=1, ensure_ascii=False))
