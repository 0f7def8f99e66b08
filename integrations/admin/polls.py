"""A polled connection's page: its last day of polls, what it waits for, back-fills, tests and locations."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from categorization.learning import Taken
from integrations.contract.errors import ContractError
from integrations.contract.manifest import CredentialField, Manifest, Way
from integrations.contract.protocols import Capability, Resource
from integrations.emrs import registry
from integrations.models import (
    Backfill,
    BackfillState,
    Connection,
    ConnectionState,
    KnownRow,
    PollCursor,
    PollRun,
    Visit,
)
from integrations.sync import bell, circuit, lanes
from integrations.sync.categories import pulling
from integrations.sync.emr_access import client_for
from integrations.sync.golive import TESTED
from integrations.sync.polling import backfill, cursors
from integrations.sync.profile import load_profile, profiles
from integrations.sync.watch import GRACE
from integrations.views.long_work import RESULT_STAYS, of_backfill
from tenants.models import Location

SHOWN = timedelta(hours=24)
SLOTS = 48
LATEST_RUNS = 12
MOST_MISSING = 50
BACKFILLS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Slot:
    """Half an hour of polls: how many, what they brought, whether one failed."""

    starts_at: datetime
    polls: int
    rows: int
    events: int
    failed: int

    @property
    def tone(self) -> str:
        """How the slot is drawn."""
        if self.failed:
            return "is-bad" if self.failed == self.polls else "is-mixed"
        if not self.polls:
            return "is-empty"
        return "is-news" if self.events else "is-quiet"


@dataclass(frozen=True, slots=True)
class ResourcePanel:
    """One resource of a connection as its page shows it. ``words`` and ``colour``: how it is."""

    cursor: PollCursor
    label: str
    words: str
    colour: str
    slots: tuple[Slot, ...]
    polls: int
    rows: int
    events: int
    failed: int
    seconds: float


def is_polled(connection: Connection | None) -> bool:
    """Whether its EMR is asked on a schedule."""
    emr = registry().get(connection.emr) if connection is not None else None
    return emr is not None and emr.manifest.way is Way.POLL


def capabilities(connection: Connection) -> Sequence[Capability]:
    """What the connection must be able to do; empty where its EMR offers no API."""
    emr = registry().get(connection.emr)
    if emr is None or not emr.has_part("client"):
        return ()
    on = emr.manifest.switch_defaults(connection.practice.kind) | (connection.switches or {})
    wanted: Sequence[Capability] = emr.part("client").CAPABILITIES
    return [one for one in wanted if not one.needs_switch or on.get(one.needs_switch)]


def panel(connection: Connection, user: Any) -> dict[str, Any]:
    """What the page shows of a polled connection's polls to somebody; {} for another. A fixed number of queries."""
    if not is_polled(connection):
        return {}
    now = timezone.now()
    resources = cursors.resources_of(registry()[connection.emr])
    rows = list(PollCursor.objects.for_practice(connection.practice_id).filter(connection=connection))
    runs = list(
        PollRun.objects.for_practice(connection.practice_id)
        .filter(cursor__connection=connection, started_at__gt=now - SHOWN)
        .order_by("-started_at")
    )
    labels = {name: resource.label for name, resource in resources.items()}
    return {
        "polls": [
            _resource(connection, row, labels.get(row.resource, row.resource), runs, now) for row in rows
        ],
        "runs": [(labels.get(run.cursor.resource, ""), run) for run in _with_cursors(runs, rows)],
        **_backfills(connection, labels, user),
        "missing": list(_missing(connection)),
        "polls_every": cursors.interval_of(next(iter(resources.values()))),
    }


def _with_cursors(runs: Sequence[PollRun], rows: Sequence[PollCursor]) -> Iterator[PollRun]:
    by_id = {row.pk: row for row in rows}
    for run in runs[:LATEST_RUNS]:
        run.cursor = by_id[run.cursor_id]
        yield run


def _resource(
    connection: Connection, row: PollCursor, label: str, runs: Sequence[PollRun], now: datetime
) -> ResourcePanel:
    own = [run for run in runs if run.cursor_id == row.pk]
    words, colour = state_of(connection, row, now)
    return ResourcePanel(
        cursor=row,
        label=label,
        words=words,
        colour=colour,
        slots=tuple(_slots(own, now)),
        polls=len(own),
        rows=sum(run.rows_seen for run in own),
        events=sum(run.events for run in own),
        failed=sum(bool(run.error) for run in own),
        seconds=sum(run.seconds for run in own) / len(own) if own else 0.0,
    )


def _slots(runs: Sequence[PollRun], now: datetime) -> Iterator[Slot]:
    width = SHOWN / SLOTS
    first = now - SHOWN
    for number in range(SLOTS):
        starts = first + number * width
        inside = [run for run in runs if starts <= run.started_at < starts + width]
        yield Slot(
            starts,
            len(inside),
            sum(run.rows_seen for run in inside),
            sum(run.events for run in inside),
            sum(bool(run.error) for run in inside),
        )


def state_of(connection: Connection, row: PollCursor, now: datetime) -> tuple[str, str]:
    """(words, colour): how the polls of one resource are doing."""
    if connection.needs_reauth_since:
        return "Needs new credentials", "danger"
    if row.refused_since:
        return "The EMR does not allow it", "danger"
    if connection.circuit_open_until and connection.circuit_open_until > now:
        return "The EMR does not answer", "danger"
    if row.failures:
        return "Fails, tries again", "warning"
    if row.lease_until and row.lease_until > now:
        return "Polling now", "info"
    if row.primed_at is None:
        return "Waits for its first poll", "warning"
    if row.next_at and now - row.next_at > GRACE:
        return "Late", "warning"
    if connection.state == ConnectionState.PAUSED:
        return "Read, and kept until resumed", "warning"
    return "Up to date", "success"


def _backfills(connection: Connection, labels: dict[str, str], user: Any) -> dict[str, Any]:
    """Those that go on or were over a short while ago with a bar, the ones before in a table."""
    rows = Backfill.objects.for_practice(connection.practice_id).filter(cursor__connection=connection)
    found = list(rows.select_related("practice", "cursor__connection", "asked_by")[:BACKFILLS_SHOWN])
    since = timezone.now() - RESULT_STAYS
    fresh = [row for row in found if row.finished_at is None or row.finished_at > since]
    return {
        "fills": [of_backfill(row, user) for row in fresh],
        "backfills": [
            (labels.get(row.cursor.resource, row.cursor.resource), row) for row in found if row not in fresh
        ],
    }


def _missing(connection: Connection) -> Iterator[Visit]:
    """Visits that the EMR showed once and does not any more."""
    rows = KnownRow.objects.for_practice(connection.practice_id).filter(
        cursor__connection=connection, missing_since__isnull=False
    )
    ids = list(rows.values_list("external_id", flat=True)[:MOST_MISSING])
    if ids:
        visits = Visit.objects.for_practice(connection.practice_id).filter(connection=connection)
        yield from visits.filter(external_id__in=ids).order_by(F("visit_on"), "pk")


# --- buttons ----------------------------------------------------------------------------------------------------


def poll_now(connection: Connection) -> int:
    """Make every resource due at once. How many; they are read within seconds."""
    cursors.set_up_cursors(connection.practice_id)
    rows = PollCursor.objects.for_practice(connection.practice_id).filter(connection=connection)
    count = cursors.poll_now(rows.values_list("pk", flat=True))
    bell.ring(bell.POLLS, waiting_jobs=1)
    return count


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of trying one capability."""

    capability: Capability
    words: str
    is_fine: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of trying a connection. ``is_lifted``: its credentials were refused before, and count again now."""

    tried: list[Tried]
    is_lifted: bool = False

    @property
    def is_fine(self) -> bool:
        """Whether everything works."""
        return bool(self.tried) and all(one.is_fine for one in self.tried)

    @property
    def lifted_words(self) -> str:
        """What a lifted refusal means, "" without one."""
        words = "The credentials were refused before and count again: what waited goes on."
        return words if self.is_lifted else ""


def try_all(connection: Connection, user: Any) -> Trial:
    """Try every capability that the connection needs, and keep who did it when all are fine. Signing in comes
    first: without it nothing else is tried. Credentials that work are refused no longer: what waited goes on."""
    began = timezone.now()
    profile = load_profile(connection.practice_id).connections[connection.pk]
    client = client_for(profile, patience=30.0)
    tried: list[Tried] = []
    for number, capability in enumerate(capabilities(connection)):
        tried.append(_try(client, capability))
        if number == 0 and not tried[0].is_fine:
            break
    trial = Trial(tried)
    if trial.is_fine:
        trial = Trial(tried, is_lifted=_lift(connection, began))
    fresh = {TESTED: {"by": str(user), "at": timezone.now().isoformat()}} if trial.is_fine else {}
    _keep_tested(connection, profile.credentials, fresh)
    return trial


def _keep_tested(connection: Connection, used: dict[str, Any], fresh: dict[str, Any]) -> None:
    """Keep what came of a test of these credentials. It may have taken half a minute: what others ticked meanwhile
    stays, and it says nothing of credentials that were entered meanwhile."""
    rows = Connection.objects.for_practice(connection.practice_id).filter(pk=connection.pk)
    with transaction.atomic():
        stored = rows.select_for_update().first()
        if stored is None or stored.credentials != used:
            return
        before = stored.ticks or {}
        connection.ticks = {name: value for name, value in before.items() if name != TESTED} | fresh
        if connection.ticks != before:
            connection.save(update_fields=["ticks"])


def _lift(connection: Connection, began: datetime) -> bool:
    """Let a connection go on whose credentials were refused before the test began; whether they were. Every
    EMR's first capability signs in, so a fine test has asked the EMR itself."""
    rows = Connection.objects.for_practice(connection.practice_id).filter(pk=connection.pk)
    if not rows.filter(needs_reauth_since__lt=began).exists():
        return False
    circuit.reauthenticated(Connection, connection.pk, connection.practice_id)
    cursors.read_everything(connection.pk)
    lanes.wake(connection.practice_id)
    bell.ring()
    connection.refresh_from_db(
        fields=["needs_reauth_since", "failures_in_a_row", "circuit_open_until", "last_error"]
    )
    return True


def _try(client: Any, capability: Capability) -> Tried:
    try:
        return Tried(capability, str(client.test(capability.name)), True)
    except ContractError as error:
        words = f"{error} {error.vendor_words}".strip() if error.vendor_words else str(error)
        return Tried(capability, words, False)


def wrong_fields(manifest: Manifest, tried: Sequence[Tried]) -> list[str]:
    """Labels of the credentials to look at (see ``wrong_credentials``)."""
    return [field.label for field in wrong_credentials(manifest, tried)]


def wrong_credentials(manifest: Manifest, tried: Sequence[Tried]) -> list[CredentialField]:
    """The credentials to look at, where what failed names them or it was the sign-in that failed."""
    failed = [one for one in tried if not one.is_fine]
    words = " ".join(one.words for one in failed).casefold()
    named = [field for field in manifest.credentials if _is_named(field.label.casefold(), words)]
    if not named and failed and failed[0] is tried[0]:
        named = list(manifest.credentials)
    return named


def _is_named(label: str, words: str) -> bool:
    """Whether a refusal speaks of a credential: "user name and password" names the "FHIR password" too."""
    return label in words or re.search(rf"\b{re.escape(label.split()[-1])}\b", words) is not None


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull of locations changed, by name."""

    made: tuple[str, ...]
    renamed: tuple[str, ...]
    found: int


def pulled_words(pulled: Pulled) -> str:
    """A pull in a sentence."""
    changes = [
        f"added {', '.join(pulled.made)}" if pulled.made else "",
        f"renamed {', '.join(pulled.renamed)}" if pulled.renamed else "",
    ]
    words = "; ".join(change for change in changes if change) or "nothing is new"
    return f"{pulled.found} location{'s' if pulled.found != 1 else ''} in the EMR: {words}."


def pull_locations(connection: Connection) -> Pulled:
    """Make the practice's locations that are missing here, and take over changed names. Raises the contract's
    errors. None is deleted: what is mapped stays mapped."""
    profile = profiles([connection.practice_id])[connection.practice_id].connections[connection.pk]
    listed = client_for(profile, patience=30.0).locations()
    known = {row.external_id: row for row in Location.objects.for_practice(connection.practice_id)}
    made, renamed = [], []
    for ref in listed:
        row = known.get(ref.external_id)
        name = (ref.name or ref.external_id)[:200]
        if row is None:
            Location.objects.create(practice=connection.practice, external_id=ref.external_id, name=name)
            made.append(name)
        elif ref.name and row.name != name:
            row.name = name
            row.save(update_fields=["name"])
            renamed.append(name)
    return Pulled(tuple(made), tuple(renamed), len(listed))


def lists_locations(connection: Connection) -> bool:
    """Whether its EMR can be asked for the practice's locations and appointment types."""
    emr = registry().get(connection.emr)
    return emr is not None and emr.has_part("client")


def pull_types(connection: Connection) -> tuple[Taken, int]:
    """Bring the EMR's list of appointment types into ours: what is new, and how many it names. Raises the
    contract's errors."""
    profile = profiles([connection.practice_id])[connection.practice_id].connections[connection.pk]
    return pulling.pull_now(profile, connection.practice_id)


# --- back-fills -------------------------------------------------------------------------------------------------


class BackfillForm(forms.Form):
    """Which resource, and from which day on."""

    resource = forms.ChoiceField(label="What", widget=UnfoldAdminSelectWidget)
    # The browser's own calendar: by keyboard, by finger, in the person's language.
    since = forms.DateField(label="From", widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))

    def __init__(self, connection: Connection, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection = connection
        rows = PollCursor.objects.for_practice(connection.practice_id).filter(
            connection=connection, primed_at__isnull=False
        )
        self.cursors = {row.resource: row for row in rows}
        self.resources: dict[str, Resource] = cursors.resources_of(registry()[connection.emr])
        choices = [(name, self.resources[name].label) for name in self.cursors if name in self.resources]
        self.fields["resource"].choices = choices  # type: ignore[attr-defined]

    def clean_since(self) -> date:
        since: date = self.cleaned_data["since"]
        if since > timezone.now().date():
            raise forms.ValidationError("Choose a day that is over.")
        if since < timezone.now().date() - timedelta(days=3650):
            raise forms.ValidationError("Choose a day within the last ten years.")
        return since

    @property
    def cursor(self) -> PollCursor:
        """The cursor that was chosen."""
        return self.cursors[self.cleaned_data["resource"]]

    def estimate(self) -> backfill.Estimate:
        """About what it will cost."""
        speed = registry()[self.connection.emr].part("client").CALLS_PER_SECOND
        resource = self.resources[self.cleaned_data["resource"]]
        return backfill.estimate(self.cursor, resource, speed, self.cleaned_data["since"])

    def start(self, user: Any) -> bool:
        """Ask for it. False while another one goes on."""
        try:
            backfill.ask(self.cursor, self.cleaned_data["since"], user)
        except IntegrityError:
            return False
        return True


class StopForm(BaseDialogForm):
    """Nothing to fill in."""


def stop_backfills(connection: Connection) -> int:
    """Stop what goes on. How many."""
    rows = Backfill.objects.for_practice(connection.practice_id).filter(
        cursor__connection=connection, state__in=(BackfillState.WAITING, BackfillState.READING)
    )
    return sum(backfill.stop(row) for row in rows)


def has_open_backfill(connection: Connection) -> bool:
    """Whether one waits or reads."""
    rows = Backfill.objects.for_practice(connection.practice_id).filter(cursor__connection=connection)
    return bool(rows.filter(state__in=(BackfillState.WAITING, BackfillState.READING)).exists())
