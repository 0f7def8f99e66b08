"""How far the set-up of a practice stands, read from the practice itself: the wizard keeps no state of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.urls import reverse

from integrations.admin import polls
from integrations.models import Connection, Stage, SubAccount
from integrations.sync.golive import Check, State, checklist
from tenants.models import Location, Practice, PracticeState


class How(StrEnum):
    """How a step stands."""

    DONE = "done"
    OPEN = "open"
    ATTENTION = "attention"
    OPTIONAL = "optional"


WORDS = {
    How.DONE: "done",
    How.OPEN: "open",
    How.ATTENTION: "needs attention",
    How.OPTIONAL: "may stay open",
}
ICONS = {
    How.DONE: "check_circle",
    How.OPEN: "radio_button_unchecked",
    How.ATTENTION: "error",
    How.OPTIONAL: "remove_circle_outline",
}
# Slug, title, the kinds of checks that belong to it. In the order in which a specialist works.
STEPS: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("practice", "Practice", frozenset()),
    ("emr", "EMR", frozenset({"connections", "emr"})),
    ("credentials", "Credentials", frozenset({"credentials"})),
    ("locations", "Locations", frozenset()),
    ("sub-accounts", "CRM sub-accounts", frozenset({"token", "fields"})),
    ("mapping", "Where locations go", frozenset({"destination"})),
    ("stages", "Stages", frozenset({"stages"})),
    ("workflows", "Workflows", frozenset({"workflows"})),
    ("categories", "Categories", frozenset({"types"})),
    ("test-event", "Test event", frozenset({"test_event"})),
    ("go-live", "Go live", frozenset({"prerequisite"})),
)
TITLES = {slug: title for slug, title, _ in STEPS}
_STEP_OF = {kind: slug for slug, _, kinds in STEPS for kind in kinds}


@dataclass(frozen=True, slots=True)
class Step:
    """One step in the rail. ``note`` says in a few words what is open, "" for nothing."""

    slug: str
    title: str
    how: How
    note: str
    link: str

    @property
    def words(self) -> str:
        return WORDS[self.how]

    @property
    def icon(self) -> str:
        return ICONS[self.how]


@dataclass(frozen=True)
class Progress:
    """Where a practice stands. ``checks`` are those of the go-live list, every one of them."""

    practice: Practice
    checks: list[Check]
    steps: list[Step]

    def step(self, slug: str) -> Step | None:
        """The step of that name; None where this practice has no need of it."""
        return next((step for step in self.steps if step.slug == slug), None)

    def after(self, slug: str) -> Step | None:
        """The step that comes next in the rail."""
        order = list(TITLES)
        later = order[order.index(slug) + 1 :]
        return next((step for step in self.steps if step.slug in later), None)

    @property
    def next_open(self) -> Step:
        """Where the work goes on: the first step with something to do, else the last one."""
        waiting = (step for step in self.steps if step.how in (How.OPEN, How.ATTENTION))
        return next(waiting, self.steps[-1])

    @property
    def done(self) -> int:
        """How many steps have nothing left that must be done."""
        return sum(step.how in (How.DONE, How.OPTIONAL) for step in self.steps)


def step_of(check: Check, *, several: bool) -> str:
    """The step on which a check can be made green. ``several``: the practice has several sub-accounts."""
    found = _STEP_OF.get(check.name.partition("/")[0], "go-live")
    return "sub-accounts" if found == "mapping" and not several else found


def link_to(practice: Practice, slug: str, check: Check | None = None) -> str:
    """The page of a step, opened at the connection or sub-account that a check is about."""
    address = reverse("setup-step", args=[practice.slug, slug])
    kind, _, rest = check.name.partition("/") if check is not None else ("", "", "")
    key = rest.partition("/")[0]
    names = {"credentials": "connection", "test_event": "connection", "types": "connection"}
    names |= dict.fromkeys(("token", "fields", "stages", "workflows"), "account")
    return f"{address}?{names[kind]}={key}" if key and kind in names else address


def progress_of(practice: Practice) -> Progress:
    """Read it all. A fixed number of queries."""
    checks = checklist(practice)
    return Progress(practice, checks, list(_steps(practice, checks)))


def _steps(practice: Practice, checks: Sequence[Check]) -> Iterator[Step]:
    connections = list(Connection.objects.for_practice(practice))
    accounts = list(SubAccount.objects.for_practice(practice))
    locations = Location.objects.for_practice(practice).count()
    has_stages = Stage.objects.for_practice(practice).exists()
    begun = {
        "emr": bool(connections),
        "credentials": any(row.credentials for row in connections),
        "sub-accounts": any(row.token for row in accounts),
        "mapping": bool(accounts),
        "stages": has_stages,
    }
    for slug, title, _ in STEPS:
        if slug == "mapping" and len(accounts) < 2:
            continue
        own = [check for check in checks if step_of(check, several=len(accounts) > 1) == slug]
        how, note = _how(own, is_begun=begun.get(slug, False))
        match slug:
            case "practice":
                how, note = How.DONE, ""
            case "emr" if connections and not own:
                how, note = How.DONE, ""
            case "credentials" if not connections:
                how, note = How.OPEN, ""
            case "locations":
                how, note = _locations(connections, locations)
            case "sub-accounts" if not accounts:
                how, note = How.OPEN, ""
            case "categories" if connections and not own:
                how, note = How.DONE, "none needed"
            case "go-live":
                how, note = _live(practice, checks)
        yield Step(slug, title, how, note, reverse("setup-step", args=[practice.slug, slug]))


def _how(checks: Sequence[Check], *, is_begun: bool) -> tuple[How, str]:
    red = [check for check in checks if check.state is State.RED]
    if red:
        count = f"{len(red)} of {len(checks)} open" if len(checks) > 1 else ""
        return (How.ATTENTION if is_begun else How.OPEN), count
    if any(check.state is State.MANUAL for check in checks):
        return How.OPTIONAL, ""
    return (How.DONE if checks else How.OPEN), ""


def _locations(connections: Sequence[Connection], count: int) -> tuple[How, str]:
    """Where the EMR cannot list them they may come with the first events."""
    if count:
        return How.DONE, f"{count} location{'s' if count != 1 else ''}"
    can_pull = not connections or any(polls.lists_locations(row) for row in connections)
    return (How.OPEN if can_pull else How.OPTIONAL), ""


def _live(practice: Practice, checks: Sequence[Check]) -> tuple[How, str]:
    if practice.state == PracticeState.LIVE:
        return How.DONE, "live"
    if practice.state == PracticeState.PAUSED:
        return How.ATTENTION, "paused"
    red = sum(check.state is State.RED for check in checks)
    return How.OPEN, f"{red} open" if red else "ready"
