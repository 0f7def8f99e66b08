"""`manage.py send_fixture EMR FIXTURE URL`: post one of an EMR's fixtures at a running server."""

from pathlib import Path
from typing import Any

import requests
from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.contract.errors import ConfigError
from integrations.contract.fixtures import Fixture, fixtures
from integrations.emrs import emr_for

SECRET_HEADER = "X-AX-Secret"  # noqa: S105  (a header's name)


class Command(BaseCommand):
    help = "Post a fixture of an EMR at a connection's webhook address and print the answer."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("emr", help="slug of the EMR, such as aestheticspro")
        parser.add_argument("fixture", help="<event>__<case>, or the start of it where only one fits")
        parser.add_argument("url", help="the webhook address, as the connection's page shows it")
        parser.add_argument("--secret", default="", help="the connection's webhook secret, where it has one")
        parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for the answer")

    def handle(self, *args: Any, **options: Any) -> None:
        fixture = _fixture(options["emr"], options["fixture"])
        headers = {SECRET_HEADER: options["secret"]} if options["secret"] else {}
        try:
            answer = requests.post(
                options["url"], json=fixture.body, headers=headers, timeout=options["timeout"]
            )
        except requests.RequestException as fault:
            raise CommandError(f"No answer: {fault}") from None
        self.stdout.write(f"{answer.status_code} {answer.text}")
        if not answer.ok:
            raise CommandError(f"{fixture.name} was not taken.")


def _fixture(slug: str, wanted: str) -> Fixture:
    """The fixture named by its whole name, its file name, or the start of its name where only one fits."""
    try:
        folder = Path(str(emr_for(slug).part("manifest").__file__)).parent
    except ConfigError as fault:
        raise CommandError(str(fault)) from None
    found = fixtures(folder)
    name = wanted.removesuffix(".json")
    fitting = [fixture for fixture in found if fixture.name == name] or [
        fixture for fixture in found if fixture.name.startswith(name)
    ]
    if len(fitting) == 1:
        return fitting[0]
    trouble = "fits more than one" if fitting else "is not one of its fixtures"
    names = "\n  ".join(fixture.name for fixture in fitting or found)
    raise CommandError(f'"{wanted}" {trouble}:\n  {names}')
