"""`manage.py check_practice SLUG`: the go-live checklist; exit code 1 while something is red."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integrations.management.practices import practice_or_stop
from integrations.sync.golive import checklist, is_ready


class Command(BaseCommand):
    help = "Says what a practice still needs before it can go live. Exit code 1 while something is red."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, slug: str, **options: Any) -> None:
        practice = practice_or_stop(slug, self.stderr)
        checks = checklist(practice)
        ready = is_ready(checks)
        if options["json"]:
            answer = {"practice": slug, "ready": ready, "checks": [check.as_json() for check in checks]}
            self.stdout.write(json.dumps(answer))
        else:
            for check in checks:
                self.stdout.write(
                    f"{check.state:<7} {check.label}" + (f": {check.reason}" if check.reason else "")
                )
        if not ready:
            raise SystemExit(1)
