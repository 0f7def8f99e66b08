"""What needs a person: each row with the one action that solves it. A fixed number of queries.

No row names a patient: practice, what happened, how many events wait for it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max, Min, Model, Q
from django.urls import reverse

from categorization.models import AppointmentType
from integrations.contract.manifest import Way
from integrations.emrs import registry
from integrations.models import (
    Connection,
    CreateRequest,
    CreateState,
    DefaultUse,
    Effect,
    EffectKind,
    EffectState,
    EventState,
    HeldFor,
    IdentityQuestion,
    InboundEvent,
    Incident,
    IncidentKind,
    LedgerRow,
    ParkedAs,
    SubAccount,
)
from integrations.models.creates import FAILED
from integrations.models.narrowing import doubtful_payments, open_effects, open_events
from integrations.sync.incidents import CAN_STAY
from integrations.views.links import list_of, page_of
from tenants.models import Location, Practice, PracticeKind
from tenants.roles import Right, may
from tenants.scoped_admin import rows_with

SHOWN_PER_KIND = 5
# What has to change first is nothing here: corrected at the other side, or down when it was tried.
RETRIED = frozenset({ParkedAs.CONFIG, ParkedAs.EXHAUSTED})
# A longer list is nobody's to-do list any more.
MOST_GROUPS = 500
Row = dict[str, Any]
Key = tuple[int, str, str, str]  # practice id, connection, name and purpose of a type
CONFIRMING = (Right.CATEGORIZE, Right.CONFIGURE)
Maker = Callable[[Practice | None, Row], "Item"]


@dataclass(frozen=True, slots=True)
class Press:
    """A button that solves a row where it stands: its word, where it posts to, and what it posts."""

    word: str
    address: str
    values: tuple[tuple[str, str], ...] = ()
    is_primary: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do. ``at``: since when it stands there; ``link`` "" where no page solves it; ``presses`` where
    a press on a button is all it takes. ``why``: the reason of a suggestion."""

    title: str
    practice: Practice | None
    words: str
    at: datetime | None
    link: str
    action: str
    presses: tuple[Press, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Things of one kind: the first few, how many there are, how many of them are new, where all stand."""

    key: str
    title: str
    icon: str
    tone: str
    items: tuple[Item, ...]
    total: int
    new: int
    all_link: str = ""

    @property
    def more(self) -> int:
        return self.total - len(self.items)


@dataclass(frozen=True, slots=True)
class Attention:
    """All groups that are not empty, the most urgent first."""

    groups: tuple[Group, ...]

    @property
    def total(self) -> int:
        return sum(group.total for group in self.groups)

    @property
    def new(self) -> int:
        """How many came since the time that was asked for."""
        return sum(group.new for group in self.groups)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose view it is: the person, the practices they may see by id, and from when things are new."""

    user: Any
    practices: dict[int, Practice]
    since: datetime

    def rows(self, model: type[Model]) -> Any:
        return rows_with(self.user, model, Right.SEE)

    def press(self, right: Right, row: Row, name: str, word: str, **values: str) -> tuple[Press, ...]:
        """A button that posts to the view ``name`` about ``row["pk"]``; none where the person may not press it."""
        if not may(self.user, right, row["practice_id"]):
            return ()
        address = reverse(f"attention-{name}", args=[row["pk"]])
        return (Press(word, address, tuple(values.items()), is_primary=True),)

    def group(
        self, key: str, title: str, icon: str, tone: str, rows: list[Row], make: Maker, link: str = ""
    ) -> Group:
        """A group of rows that each know since when they stand there (``at``) and their practice."""
        items = tuple(make(self.practices.get(row["practice_id"]), row) for row in rows[:SHOWN_PER_KIND])
        new = sum(bool(row["at"]) and row["at"] >= self.since for row in rows)
        return Group(key, title, icon, tone, items, len(rows), new, link)


def attention(user: Any, practices: dict[int, Practice], since: datetime) -> Attention:
    """What waits for a person in ``practices`` (by id), which ``user`` may see. New: after ``since``."""
    scope = Scope(user, practices, since)
    held = _held(scope)
    groups = (
        _incidents(scope),
        _parked(scope),
        _uncertain(scope),
        _identities(scope),
        _failed_creates(scope),
        _uncategorized(scope, held),
        _unmapped(scope, held),
        _not_live(scope, held),
    )
    return Attention(tuple(group for group in groups if group.total))


# --- what is open with the other side ----------------------------------------------------------------------


def _incidents(scope: Scope) -> Group:
    rows = (
        scope.rows(Incident)
        .filter(closed_at=None)
        .values(
            "practice_id",
            "connection_id",
            "connection__emr",
            "sub_account_id",
            "kind",
            "words",
            incident=F("pk"),
            at=F("opened_at"),
            pk=F("connection_id"),
        )
    )
    link = list_of(Incident, open="yes")
    found = list(rows[:MOST_GROUPS])
    return scope.group("incidents", "Connections", "cable", "danger", found, _incident(scope), link)


def _incident(scope: Scope) -> Maker:
    def make(practice: Practice | None, row: Row) -> Item:
        side: tuple[type[Model], int | None] = (Practice, row["practice_id"])
        presses: tuple[Press, ...] = ()
        if row["connection_id"]:
            side = (Connection, row["connection_id"])
            if can_be_tested(row["connection__emr"]):
                presses = scope.press(Right.CONFIGURE, row, "test", "Test")
        elif row["sub_account_id"]:
            side = (SubAccount, row["sub_account_id"])
        if row["kind"] in CAN_STAY:  # only its own page ends it
            side = (Incident, row["incident"])
        title = IncidentKind(row["kind"]).label
        action = "Enter credentials" if row["kind"] == IncidentKind.NEEDS_REAUTH else "Open"
        return Item(title, practice, row["words"], row["at"], page_of(*side), action, presses)

    return make


def can_be_tested(slug: str) -> bool:
    """Whether an EMR offers anything that can be tried from here: an API, or a door for a test event."""
    emr = registry().get(slug)
    return emr is not None and (emr.has_part("client") or emr.manifest.way == Way.WEBHOOK)


# --- events and writes that stopped ------------------------------------------------------------------------


def _parked(scope: Scope) -> Group:
    """Parked events by practice and reason: one row for a hundred events that one setting stops."""
    rows = list(
        open_events(scope.rows(InboundEvent))
        .filter(state=EventState.PARKED)
        .order_by()
        .values("practice_id", "parked_as", "reason")
        .annotate(count=Count("pk"), newest=Max("pk"), at=Max("received_at"))
        .order_by("-newest")[:MOST_GROUPS]
    )
    for row in rows:
        row["pk"] = row["newest"]
    link = list_of(InboundEvent, state=EventState.PARKED)
    return scope.group("parked", "Parked events", "report", "danger", rows, _parked_item(scope), link)


def _parked_item(scope: Scope) -> Maker:
    def make(practice: Practice | None, row: Row) -> Item:
        title = str(ParkedAs(row["parked_as"]).label) if row["parked_as"] else "Parked"
        words = row["reason"] or "No reason was kept."
        if row["count"] == 1:
            presses: tuple[Press, ...] = ()
            if row["parked_as"] in RETRIED:
                presses = scope.press(Right.OPERATE, row, "retry-event", "Retry")
            page = page_of(InboundEvent, row["pk"])
            return Item(title, practice, words, row["at"], page, "Open", presses)
        every = list_of(InboundEvent, practice=row["practice_id"], state=EventState.PARKED)
        return Item(title, practice, words, row["at"], every, f"Open {row['count']}")

    return make


def _uncertain(scope: Scope) -> Group:
    """Writes that may or may not have happened, whose event is not listed as parked for it anyway."""
    effects = (
        open_effects(scope.rows(Effect))
        .exclude(event__state__in=[EventState.WAITING, EventState.PARKED])
        .order_by("-id")
        .values("practice_id", "kind", "state", "reason", "event_id", at=F("planned_at"))
    )
    ledger = (
        doubtful_payments(scope.rows(LedgerRow))
        .exclude(event__state=EventState.PARKED)
        .order_by("-id")
        .values("practice_id", "before", "after", "event_id", at=F("created_at"))
    )
    rows = [*ledger[:MOST_GROUPS], *effects[:MOST_GROUPS]]
    return scope.group("uncertain", "Uncertain writes", "help", "warning", rows, _uncertain_item)


def _uncertain_item(practice: Practice | None, row: Row) -> Item:
    link = page_of(InboundEvent, row["event_id"])
    if "kind" not in row:
        words = "Nobody can tell whether it was written."
        if row["after"] is not None:
            words = f"It was {row['before']} before our write and should be {row['after']}."
        return Item("Lifetime value: not certain", practice, words, row["at"], link, "Open")
    state = "not certain" if row["state"] == EffectState.IN_DOUBT else "failed"
    words = row["reason"] or "The other side did not say whether it happened."
    return Item(f"{EffectKind(row['kind']).label}: {state}", practice, words, row["at"], link, "Open")


# --- decisions that only a person can make -----------------------------------------------------------------


def _identities(scope: Scope) -> Group:
    rows = (
        scope.rows(IdentityQuestion)
        .filter(answer="")
        .values(
            "pk",
            "clashes",
            "is_held",
            "candidate_crm_ids",
            practice_id=F("patient__practice_id"),
            at=F("asked_at"),
        )
    )
    link = list_of(IdentityQuestion, open="yes")
    found = list(rows[:MOST_GROUPS])
    return scope.group("identities", "Identity conflicts", "group", "warning", found, _identity(scope), link)


def _identity(scope: Scope) -> Maker:
    def make(practice: Practice | None, row: Row) -> Item:
        shared = " and ".join(str(clash) for clash in row["clashes"]) or "a value"
        consequence = (
            "the patient's events wait for the answer" if row["is_held"] else "it was left out, nothing waits"
        )
        words = f"{shared.capitalize()} of a patient belongs to somebody else in the CRM: {consequence}."
        link = page_of(IdentityQuestion, row["pk"])
        presses = _answers(scope, row)
        action = "Compare" if presses else "Decide"
        return Item("Who is this contact?", practice, words, row["at"], link, action, presses)

    return make


def _answers(scope: Scope, row: Row) -> tuple[Press, ...]:
    """The three answers where only one contact is in question; among several a person has to compare first."""
    if len(row["candidate_crm_ids"]) != 1:
        return ()
    answer, contact = IdentityQuestion.Answer, str(row["candidate_crm_ids"][0])
    given = ((answer.LINK, "Link"), (answer.CREATE, "Create without"), (answer.IGNORE, "Leave out"))
    presses = [
        scope.press(Right.OPERATE, row, "answer", word, choice=str(choice), contact=contact)
        for choice, word in given
    ]
    return tuple(replace(press, is_primary=False) for found in presses for press in found)


def _failed_creates(scope: Scope) -> Group:
    rows = (
        scope.rows(CreateRequest)
        .filter(state__in=FAILED)
        .order_by("-tried_at")
        .values("pk", "practice_id", "state", "problems", "why", "connection__emr", at=F("tried_at"))
    )
    link = list_of(CreateRequest) or ""
    return scope.group(
        "creates",
        "Failed creates",
        "person_alert",
        "warning",
        list(rows[:MOST_GROUPS]),
        _failed_create(scope),
        link,
    )


def _failed_create(scope: Scope) -> Maker:
    def make(practice: Practice | None, row: Row) -> Item:
        emr = registry().get(row["connection__emr"])
        name = emr.manifest.name if emr else row["connection__emr"]
        words = " ".join(str(problem.get("words", "")) for problem in row["problems"]) or row["why"]
        link = page_of(CreateRequest, row["pk"])
        if row["state"] == CreateState.NEEDS_DECISION:
            return Item(f"Who is this at {name}?", practice, words, row["at"], link, "Decide")
        presses = scope.press(Right.OPERATE, row, "retry-create", "Retry")
        return Item(f"Not created in {name}", practice, words, row["at"], link, "Open", presses)

    return make


def _held(scope: Scope) -> list[Row]:
    """Held events by practice and what they wait for. Those that wait for an identity stand under it."""
    return list(
        open_events(scope.rows(InboundEvent))
        .filter(state=EventState.HELD)
        .exclude(held_for=HeldFor.IDENTITY)
        .order_by()
        .values("practice_id", "held_for", "held_key")
        .annotate(count=Count("*"), at=Min("received_at"))
        .order_by("-count")[:MOST_GROUPS]
    )


def _uncategorized(scope: Scope, held: list[Row]) -> Group:
    """Types that hold events, then the other types that nobody confirmed and that two pipelines need."""
    waiting = [row for row in held if row["held_for"] == HeldFor.CATEGORY]
    types = _types(scope, {name for row in waiting for name in _parts(row)[1:2]})
    waited_for: dict[Key, Row] = {}
    for row in waiting:
        for key in types.waited_for(row):
            known = waited_for.setdefault(
                key, {"name": key[2]} | types.open.get(key, {}) | row | {"count": 0}
            )
            known["count"] += row["count"]
    rows = sorted(waited_for.values(), key=lambda row: -row["count"])
    rows += [row for key, row in types.open.items() if key not in waited_for]
    link = list_of(AppointmentType, confirmed="no")
    return scope.group("types", "Uncategorized types", "category", "warning", rows, _type_item(scope), link)


@dataclass(frozen=True, slots=True)
class Types:
    """Types that nobody confirmed, and those that somebody did while events wait for them."""

    open: dict[Key, Row]
    confirmed: set[Key]

    def waited_for(self, held: Row) -> list[Key]:
        """The types that a held event waits for: those of its purposes, else the one for any purpose. None where
        they are confirmed by now: the event is on its way."""
        connection, name, *purposes = _parts(held)
        any_purpose: Key = (held["practice_id"], connection, name, "")
        keys = [(held["practice_id"], connection, name, purpose) for purpose in purposes] + [any_purpose]
        if found := [key for key in keys[:-1] if key in self.open]:
            return found
        return [] if any(key in self.confirmed for key in keys) else [any_purpose]


def _parts(held: Row) -> list[str]:
    """Connection, name and purposes of what a held event waits for."""
    parts: list[str] = held["held_key"].split("|")
    return parts if len(parts) > 1 else [*parts, ""]


def _types(scope: Scope, names: set[str]) -> Types:
    """The types that a person has to look at, and the confirmed ones among those with ``names``."""
    found = Types({}, set())
    for row in _type_rows(scope, names):
        key = (row["practice_id"], row["connection_key"], row["name_key"], row["purpose_key"])
        if row["category"] and row["confirmed_at"]:
            found.confirmed.add(key)
        else:
            found.open[key] = row
    return found


def _type_rows(scope: Scope, names: set[str]) -> Iterator[Row]:
    two_pipelines = [slug for slug, emr in registry().items() if emr.manifest.has_surgical_pipeline]
    needing = (
        scope.rows(Connection).filter(emr__in=two_pipelines).exclude(practice__kind=PracticeKind.MED_SPA)
    )
    pairs = set(needing.values_list("practice_id", "key"))
    rows = (
        scope.rows(AppointmentType)
        .filter(
            Q(category="") | Q(confirmed_at=None) | Q(name_key__in=names),
            practice_id__in={practice_id for practice_id, _ in pairs},
        )
        .order_by("-id")
        .values(
            "pk",
            "practice_id",
            "connection_key",
            "name",
            "purpose",
            "name_key",
            "purpose_key",
            "category",
            "confirmed_at",
            "suggested",
            "confidence",
            "reason",
            at=F("first_seen_at"),
        )
    )
    for row in rows[:MOST_GROUPS]:
        if (row["practice_id"], row["connection_key"]) in pairs:
            yield row


def _type_item(scope: Scope) -> Maker:
    def make(practice: Practice | None, row: Row) -> Item:
        title = (
            " / ".join(part for part in (row["name"], row.get("purpose")) if part) or "A type without a name"
        )
        words = "No event waits for it yet."
        if count := row.get("count", 0):
            words = f"{_events(count)} for a category; the pipeline step is held until then."
        every = list_of(AppointmentType, practice=row["practice_id"], confirmed="no")
        presses, why = _suggestion(scope, row)
        return Item(f"“{title}”", practice, words, row["at"], every, "Choose", presses, why)

    return make


def _suggestion(scope: Scope, row: Row) -> tuple[tuple[Press, ...], str]:
    """The button that agrees with a sure suggestion, and the suggestion with its reason."""
    suggested = row.get("suggested", "")
    if not suggested:
        return (), ""
    is_sure = AppointmentType(suggested=suggested, confidence=row["confidence"]).may_be_agreed_with
    why = f"Suggestion{'' if is_sure else ', not sure'}: {suggested}{': ' if row['reason'] else ''}{row['reason']}"
    right = next((one for one in CONFIRMING if may(scope.user, one, row["practice_id"])), None)
    if not is_sure or right is None:
        return (), why
    return scope.press(right, row, "confirm-type", f"Confirm as {suggested}", category=suggested), why


def _unmapped(scope: Scope, held: list[Row]) -> Group:
    """Locations that events wait for, then those whose events went to the default sub-account meanwhile."""
    rows = [row for row in held if row["held_for"] == HeldFor.LOCATION]
    uses = (
        scope.rows(DefaultUse)
        .filter(location__route=None)
        .order_by()
        .values("location_id", "location__name", practice_id=F("location__practice_id"))
        .annotate(count=Count("pk"), at=Max("used_at"))
        .order_by("-count")
    )
    rows += uses[:MOST_GROUPS]
    return scope.group("locations", "Locations", "location_on", "warning", rows, _location)


def _location(practice: Practice | None, row: Row) -> Item:
    if "location_id" in row:
        went = "1 event went" if row["count"] == 1 else f"{row['count']} events went"
        words = f"{went} to the default sub-account: nobody has said where this location goes."
        link = page_of(Location, row["location_id"])
        return Item(f"“{row['location__name']}”", practice, words, row["at"], link, "Map")
    words = f"{_events(row['count'])} until the location is mapped to a sub-account."
    link = list_of(Location, practice=row["practice_id"]) or page_of(Practice, row["practice_id"])
    return Item("A location goes nowhere", practice, words, row["at"], link, "Map")


def _not_live(scope: Scope, held: list[Row]) -> Group:
    rows = [row for row in held if row["held_for"] == HeldFor.LIVE]
    return scope.group("not_live", "Practices not live", "rocket_launch", "info", rows, _practice)


def _practice(practice: Practice | None, row: Row) -> Item:
    words = f"{_events(row['count'])} until the practice goes live."
    return Item(
        "Not live yet", practice, words, row["at"], page_of(Practice, row["practice_id"]), "Open practice"
    )


def _events(count: int) -> str:
    return "1 event waits" if count == 1 else f"{count} events wait"
