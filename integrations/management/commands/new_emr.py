"""`manage.py new_emr SLUG`: a new EMR folder whose contract tests pass, ready to be changed."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations import emrs
from integrations.management.scaffold import ScaffoldError, make_emr_folder

EMRS = Path(emrs.__file__).parent


class Command(BaseCommand):
    help = "Make the folder of a new EMR, with a manifest, a mapping, a fixture and tests that pass at once."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="lower-case letters, digits and underscores, such as nextech_cloud")
        parser.add_argument("--name", default="", help="what people call the EMR (else made from the slug)")
        parser.add_argument("--prefix", default="", help="how its CRM fields' names begin (else the name)")
        parser.add_argument("--directory", type=Path, default=EMRS, help="where to (else integrations/emrs)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            folder = make_emr_folder(
                Path(options["directory"]), options["slug"], options["name"], options["prefix"]
            )
        except (ScaffoldError, OSError) as fault:
            raise CommandError(str(fault)) from None
        self.stdout.write(f"Made {folder}.")
        self.stdout.write(
            "Next: integrations/emrs/README.md, from step 2. Its tests pass now; keep them passing:"
        )
        self.stdout.write(f"  python -m pytest {folder}")
