"""How long the staff's pages take in a database of a million events: in one process, with every middleware."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import Count
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import reverse

from axconnect.bench.end_to_end import OURS
from axconnect.bench.load import percentile
from axconnect.bench.processes import manage, postgres
from axconnect.bench.volume.practices import PREFIX
from integrations.models import Contact, EventState, InboundEvent, Patient
from integrations.sync.people import person_of
from tenants.models import Membership, Practice, Role, User

TARGET_MS = 300
REQUESTS = 15
DEEP_PAGE = 50
# The second database: this part of the events and contacts, and this many practices at most.
FRACTION = 50
FEW_PRACTICES = 4
ADMINISTRATOR, AGENT = "bench-administrator@example.com", "bench-agent@example.com"
HOST = "127.0.0.1"
OK = 200


@dataclass(frozen=True)
class Timing:
    """One page for one person: milliseconds of the server (half of the requests, 95 %), queries of a request, and
    queries of the same request in a database with a fraction of the rows (None: not measured there)."""

    page: str
    person: str
    median_ms: float
    p95_ms: float
    queries: int
    queries_of_few: int | None = None

    @property
    def is_met(self) -> bool:
        return self.median_ms <= TARGET_MS

    @property
    def is_fixed(self) -> bool:
        """Whether it asks no more questions because there are more rows."""
        return self.queries_of_few is None or self.queries <= self.queries_of_few


@dataclass(frozen=True)
class Page:
    """An address that is asked, or with ``typed`` a form that is sent."""

    name: str
    address: str
    typed: str = ""


def measure(database: str, *, events: int, contacts: int, practices: int) -> tuple[str, list[Timing]]:
    """Fill a database of its own and ask for every page, then again in one with a fraction of the rows: what the
    seeding said, and the timings. Raises RuntimeError with what a part of it wrote when that part fails."""
    said, many = _measured(database, events, contacts, practices)
    fewer = (max(events // FRACTION, 1), max(contacts // FRACTION, 1), min(practices, FEW_PRACTICES))
    _, few = _measured(database, *fewer)
    queries = {(one.page, one.person): one.queries for one in few}
    return said, [replace(one, queries_of_few=queries[one.page, one.person]) for one in many]


def _measured(database: str, events: int, contacts: int, practices: int) -> tuple[str, list[Timing]]:
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="axbench-")))
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        environment |= {"DATA_DIR": str(folder / "data"), "AX_ENV_FILE": ""}
        if database == "postgres":
            environment["DATABASE_URL"], _ = parts.enter_context(postgres(folder))
        _manage(environment, "migrate", "--verbosity", "0")
        size = ("--events", str(events), "--contacts", str(contacts), "--practices", str(practices))
        said = _manage(environment, "seed_volume", *size)
        found = json.loads(_manage(environment, "bench", "--time-pages"))
    return said.strip(), [Timing(**one) for one in found]


def _manage(environment: dict[str, str], *words: str) -> str:
    ran = subprocess.run(manage(*words), env=environment, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(ran.stderr[-3000:])
    return ran.stdout


def table(timings: Sequence[Timing]) -> Iterator[str]:
    """The timings as lines of a table that can be pasted into a document."""
    yield f"| page | person | median ms | p95 ms | {TARGET_MS} ms | queries | with few rows |"
    yield "| --- | --- | ---: | ---: | --- | ---: | ---: |"
    for one in timings:
        met = "met" if one.is_met else "not met"
        yield (
            f"| {one.page} | {one.person} | {one.median_ms:.0f} | {one.p95_ms:.0f} | {met} "
            f"| {one.queries} | {one.queries_of_few} |"
        )


# --- run inside the filled database, as `manage.py bench --time-pages` ------------------------------------------


def time_pages(requests: int = REQUESTS) -> list[dict[str, Any]]:
    """Ask for every page as both people, ``requests`` times each, and say how long each took (fields of Timing)."""
    largest = _largest_practice()
    people = {"administrator": _administrator(), "support agent": _agent(largest)}
    with override_settings(ALLOWED_HOSTS=[HOST]):
        return [
            asdict(_timed(page, name, user, requests))
            for name, user in people.items()
            for page in _pages(largest, is_agent=name != "administrator")
        ]


def _timed(page: Page, person: str, user: User, requests: int) -> Timing:
    client = Client(SERVER_NAME=HOST)
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[-1])
    ask = _asking(client, page)
    ask()
    cache.clear()
    with CaptureQueriesContext(connection) as captured:
        ask()
    # Counted at once: the next request empties the log.
    queries = len(captured)
    taken = sorted(_milliseconds(ask) for _ in range(requests))
    return Timing(page.name, person, median(taken), percentile(taken, 0.95), queries)


def _asking(client: Client, page: Page) -> Callable[[], None]:
    def ask() -> None:
        answer = client.post(page.address, {"words": page.typed}) if page.typed else client.get(page.address)
        if answer.status_code != OK:
            raise RuntimeError(f"{page.name}: answered {answer.status_code}")

    return ask


def _milliseconds(ask: Callable[[], None]) -> float:
    """One request that finds nothing counted beforehand, as the first person of the minute does."""
    cache.clear()
    began = time.perf_counter()
    ask()
    return 1000 * (time.perf_counter() - began)


def _largest_practice() -> Practice:
    counted = (
        InboundEvent.objects.across_practices()
        .order_by()
        .values("practice_id")
        .annotate(count=Count("pk"))
        .order_by("-count")
    )
    return Practice.objects.across_practices().get(pk=counted[0]["practice_id"], slug__startswith=PREFIX)


def _administrator() -> User:
    return User.objects.filter(email=ADMINISTRATOR).first() or User.objects.create_superuser(ADMINISTRATOR)


def _agent(practice: Practice) -> User:
    """Somebody of this practice alone."""
    user = User.objects.filter(email=AGENT).first() or User.objects.create_user(AGENT, is_staff=True)
    Membership.objects.across_practices().get_or_create(
        practice=practice, user=user, defaults={"role": Role.SUPPORT}
    )
    return user


def _pages(practice: Practice, *, is_agent: bool) -> list[Page]:
    events = reverse("admin:integrations_inboundevent_changelist")
    types = reverse("admin:categorization_appointmenttype_changelist")
    contact, patient = _busiest_contact(practice)
    review = [] if is_agent else [Page("review page", reverse("review:types", args=[practice.slug]))]
    return [
        Page("dashboard", reverse("admin:index")),
        Page("dashboard, live part", reverse("dashboard-live")),
        Page("events", events),
        Page("events of a practice", f"{events}?practice={practice.pk}"),
        *(Page(f"events, {state.label.lower()}", f"{events}?state={state.value}") for state in EventState),
        Page("events, waiting, of a practice", f"{events}?practice={practice.pk}&state=waiting"),
        Page(f"events, page {DEEP_PAGE}", f"{events}?before={_deep_cursor(practice if is_agent else None)}"),
        *_kinds_of_events(events, practice),
        *_searches(contact, patient),
        Page("contacts", reverse("admin:integrations_contact_changelist")),
        Page("contact", reverse("admin:integrations_contact_change", args=[contact.pk])),
        Page("patient", reverse("admin:integrations_patient_change", args=[patient.pk])),
        Page("event", reverse("admin:integrations_inboundevent_change", args=[_done_event(practice)])),
        Page("ledger", reverse("admin:integrations_ledgerrow_changelist")),
        Page(
            "ledger, needs attention",
            f"{reverse('admin:integrations_ledgerrow_changelist')}?state=needs_attention",
        ),
        Page("types", types),
        Page("types of a practice", f"{types}?practice={practice.pk}"),
        Page("types that events wait for", f"{types}?confirmed=held"),
        *review,
    ]


def _kinds_of_events(events: str, practice: Practice) -> Iterator[Page]:
    """Filters that few events pass."""
    rare = (
        InboundEvent.objects.for_practice(practice)
        .order_by()
        .values("kind")
        .annotate(count=Count("pk"))
        .order_by("count")
    )
    yield Page("events of a rare kind", f"{events}?kind={rare[0]['kind']}")
    yield Page("events held for a location", f"{events}?held_for=location")
    yield Page("events parked, not certain", f"{events}?parked_as=unsure")
    yield Page("events of another EMR", f"{events}?emr=nextech_cloud")
    oldest = InboundEvent.objects.for_practice(practice).order_by("id").values_list("received_at", flat=True)
    day = f"{oldest[0]:%m/%d/%Y}"
    yield Page("events of a day long ago", f"{events}?received_at_from={day}&received_at_to={day}")


def _busiest_contact(practice: Practice) -> tuple[Contact, Patient]:
    """The contact with the most events, and its patient."""
    counted = (
        InboundEvent.objects.for_practice(practice)
        .filter(contact__isnull=False)
        .order_by()
        .values("contact_id", "patient_id")
        .annotate(count=Count("pk"))
        .order_by("-count")
    )
    rows = Contact.objects.for_practice(practice).select_related("sub_account")
    patient = Patient.objects.for_practice(practice).get(pk=counted[0]["patient_id"])
    return rows.get(pk=counted[0]["contact_id"]), patient


def _deep_cursor(practice: Practice | None) -> int:
    """Where the fiftieth page of the list begins."""
    if practice is None:
        rows = InboundEvent.objects.across_practices()
    else:
        rows = InboundEvent.objects.for_practice(practice)
    ids = rows.order_by("-id").values_list("pk", flat=True)
    return int(ids[min(50 * (DEEP_PAGE - 1), rows.count() - 1)])


def _done_event(practice: Practice) -> int:
    rows = InboundEvent.objects.for_practice(practice).filter(state=EventState.DONE, contact__isnull=False)
    return int(rows.order_by("-id").values_list("pk", flat=True)[0])


def _searches(contact: Contact, patient: Patient) -> Iterator[Page]:
    find, person = reverse("admin:find-patient"), person_of(patient)
    link = f"https://app.gohighlevel.com/v2/location/{contact.sub_account.crm_subaccount_id}"
    yield Page("search by name", find, f"{person.first_name} {person.last_name}")
    yield Page("search by first name", find, person.first_name)
    yield Page("search by e-mail", find, person.email)
    yield Page("search by end of phone", find, person.phone[-4:])
    yield Page("search by link", find, f"{link}/contacts/detail/{contact.crm_id}")
