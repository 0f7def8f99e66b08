"""`manage.py seed_demo`: four sandbox practices, ready to look at. A second time changes nothing."""

import json
import secrets
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from integrations.demo_sender import desk, door, send_opening, web_server_answers
from integrations.practice_file.importing import import_practice
from integrations.practice_file.problems import PracticeFileError
from integrations.practice_file.provisioning import Provisioning
from integrations.sandbox.demo.door import DoorError
from integrations.sandbox.demo.practices import DemoPractice, demo_practices, rehearsals
from tenants.models import Membership, Practice, Role, User

SIGN_IN = "demo@example.com"
SUPPORT, REVIEWER = "support@example.com", "reviewer@example.com"


class Command(BaseCommand):
    help = (
        "Makes the four sandbox practices of the demo, in the sandbox CRM and here, and the demo's sign-ins."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO or not settings.SANDBOX_URL:
            raise CommandError("This makes demo data. Start it with: python manage.py up --demo")
        practices = demo_practices().values()
        try:
            for practice in (*practices, *rehearsals().values()):
                set_up_in_crm(practice)
                desk(practice).set_up()
            for practice in practices:
                self._import(practice)
            make_sign_ins(settings.DATA_DIR / "demo.json")
            # `up` seeds before its web server runs: then the quiet day sends the first events.
            sent = sum(map(send_opening, practices)) if web_server_answers() else 0
        except DoorError as error:
            raise CommandError(str(error)) from None
        except requests.RequestException as error:
            raise CommandError(f"The sandbox failed: {type(error).__name__}.") from None
        self.stdout.write(f"{len(practices)} practices are set up; {sent} first events were sent.")

    def _import(self, practice: DemoPractice) -> None:
        raw = json.dumps(practice.file_with(dict(desk(practice).connection()))).encode()
        try:
            import_practice(raw, prepare=Provisioning(False))
        except PracticeFileError as error:
            raise CommandError(f"{practice.slug}: {' '.join(error.problems)}") from None


def set_up_in_crm(practice: DemoPractice) -> None:
    """Give the sandbox CRM the practice's sub-accounts, unless it has them. Raises DoorError."""
    for account in practice.sub_accounts:
        try:
            door().sub_account(account["crm_location_id"])
        except DoorError as error:
            if error.status != requests.codes.not_found:
                raise
            door().set_up(practice.crm_setup(account))


def make_sign_ins(path: Path) -> None:
    """An administrator, a support agent and a reviewer, all with the password that ``path`` keeps."""
    password = _kept_password(path) or secrets.token_urlsafe(9)
    with transaction.atomic():
        _person(SIGN_IN, password, name="Demo", is_staff=True, is_superuser=True)
        _person(SUPPORT, password, name="Sam Support", is_staff=True, company_role=Role.SUPPORT)
        reviewer = _person(REVIEWER, password, name="Robin Reviewer")
        first = Practice.objects.across_practices().get(slug=next(iter(demo_practices())))
        Membership.objects.across_practices().get_or_create(
            practice=first, user=reviewer, defaults={"role": Role.REVIEWER}
        )
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps({"email": SIGN_IN, "password": password}))


def _kept_password(path: Path) -> str:
    try:
        return str(json.loads(path.read_text())["password"])
    except (OSError, ValueError, KeyError):
        return ""


def _person(email: str, password: str, **values: Any) -> User:
    user = User.objects.filter(email=email).first()
    if user is None:
        return User.objects.create_user(email, password, **values)
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    return user
