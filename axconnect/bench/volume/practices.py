"""The practices: connections, sub-accounts, locations, types. Few rows, so that the ORM makes them."""

import random
from dataclasses import dataclass, field
from datetime import timedelta

from django.utils import timezone

from axconnect.bench.volume.words import PURPOSES, SURGERIES, TREATMENTS, VISITS
from categorization.categories import name_key
from categorization.models import AppointmentType, ConfirmedVia
from integrations.contract.manifest import Way
from integrations.emrs import registry
from integrations.models import Connection, LocationRoute, Pipeline, Stage, SubAccount
from integrations.models.subaccounts import PipelineKind
from integrations.sync.routing import STAGE_NAMES
from tenants.models import Location, Practice, PracticeKind, PracticeState

PREFIX = "volume-"
ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
LOCATIONS = 3


@dataclass(slots=True)
class Side:
    """A connection: what its events are called, and how they come."""

    id: int
    key: str
    source: str
    visit_kinds: tuple[str, ...]
    money_kinds: tuple[str, ...]
    person_kinds: tuple[str, ...]


@dataclass(slots=True)
class Made:
    """A practice. ``share``: how much of everything is its own; ``types``: (name, purposes)."""

    id: int
    share: float
    side: Side
    accounts: list[int]
    locations: list[int]
    location_names: list[str]
    types: list[tuple[str, list[str]]]
    open_types: list[tuple[str, list[str]]]
    people: list["Someone"] = field(default_factory=list)


@dataclass(slots=True)
class Someone:
    """A patient with the contact that it is linked to (0: none), and the lane of its events."""

    id: int
    external_id: str
    contact_id: int
    crm_id: str
    account_id: int
    lane_id: int
    lane_key: str


def make_practices(count: int, rng: random.Random) -> list[Made]:
    """``count`` practices; the first ones are the largest."""
    emrs = sorted(registry())
    there = Practice.objects.across_practices().filter(slug__startswith=PREFIX).count()
    sizes = [1 / (number + 3) for number in range(count)]
    return [
        _make(there + number + 1, sizes[number] / sum(sizes), emrs[number % len(emrs)], rng)
        for number in range(count)
    ]


def _make(number: int, share: float, emr: str, rng: random.Random) -> Made:
    practice = Practice.objects.bulk_create(
        [
            Practice(
                slug=f"{PREFIX}{number}",
                name=f"Volume Practice {number:02}",
                kind=PracticeKind.BOTH,
                time_zone=ZONES[number % len(ZONES)],
                state=PracticeState.LIVE,
            )
        ]
    )[0]
    connection = Connection.objects.bulk_create([Connection(practice=practice, key="emr", emr=emr)])[0]
    accounts = _accounts(practice, number)
    locations = _locations(practice, accounts)
    types = _types(practice, connection, rng)
    return Made(
        id=practice.pk,
        share=share,
        side=_side(connection),
        accounts=[row.pk for row in accounts],
        locations=[row.pk for row in locations],
        location_names=[row.name for row in locations],
        types=[(row.name, [row.purpose] if row.purpose else []) for row in types],
        open_types=[
            (row.name, [row.purpose] if row.purpose else []) for row in types if not row.confirmed_at
        ],
    )


def _side(connection: Connection) -> Side:
    manifest = registry()[connection.emr].manifest
    names = [kind.name for kind in manifest.events if kind.used]
    money = [name for name in names if name.startswith(("invoice", "bill", "payment", "charge"))]
    people = [name for name in names if name.startswith(("patient", "client"))]
    visits = [name for name in names if name.startswith("appointment")]
    source = "webhook" if manifest.way == Way.WEBHOOK else "poll"
    return Side(connection.pk, connection.key, source, tuple(visits), tuple(money), tuple(people))


def _accounts(practice: Practice, number: int) -> list[SubAccount]:
    rows = [
        SubAccount(
            practice=practice,
            key=key,
            is_default=key == "main",
            crm_subaccount_id=f"VOLUME{number}{key.upper()}",
        )
        for key in ("main", "spa")[: 1 + number % 2]
    ]
    made = SubAccount.objects.bulk_create(rows)
    pipelines = Pipeline.objects.bulk_create(
        [
            Pipeline(sub_account=account, kind=kind, crm_id=f"pipe{kind}", crm_name=kind.label)
            for account in made
            for kind in PipelineKind
        ]
    )
    Stage.objects.bulk_create(
        [
            Stage(pipeline=row, name=name, crm_id=name_key(name), crm_name=name)
            for row in pipelines
            for name in STAGE_NAMES[PipelineKind(row.kind)]
        ]
    )
    return made


def _locations(practice: Practice, accounts: list[SubAccount]) -> list[Location]:
    """The last one goes nowhere yet."""
    made = Location.objects.bulk_create(
        [
            Location(practice=practice, external_id=f"L{at}", name=f"Clinic {at}")
            for at in range(1, LOCATIONS + 1)
        ]
    )
    LocationRoute.objects.bulk_create(
        [
            LocationRoute(location=row, sub_account=accounts[at % len(accounts)])
            for at, row in enumerate(made[:-1])
        ]
    )
    return made


def _types(practice: Practice, connection: Connection, rng: random.Random) -> list[AppointmentType]:
    rows = [
        _type(practice, connection, at, visit, purpose, rng)
        for at in range(len(TREATMENTS))
        for visit in VISITS
        for purpose in (PURPOSES if visit[0] == "Consult" else ("",))
    ]
    return AppointmentType.objects.bulk_create(rows)


def _type(
    practice: Practice,
    connection: Connection,
    at: int,
    visit: tuple[str, str, str],
    purpose: str,
    rng: random.Random,
) -> AppointmentType:
    name = f"{TREATMENTS[at]} {visit[0]}"
    category = visit[1] if at < SURGERIES else visit[2]
    is_confirmed = rng.random() < 0.8
    return AppointmentType(
        practice=practice,
        connection_key=connection.key,
        name=name,
        purpose=purpose,
        name_key=name_key(name),
        purpose_key=name_key(purpose),
        category=category if is_confirmed else "",
        confirmed_at=timezone.now() - timedelta(days=60) if is_confirmed else None,
        confirmed_via=ConfirmedVia.REVIEW if is_confirmed else "",
        suggested=category,
        confidence=round(rng.uniform(0.6, 0.99), 2),
        reason=f"“{TREATMENTS[at]}” and “{visit[0]}” stand in the name.",
        times_seen=rng.randrange(5000),
    )
