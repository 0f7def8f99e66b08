"""What a spreadsheet says of a practice's types, compared with what is confirmed. File and sheet share it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from categorization.categories import category_named, name_key
from categorization.engine import Preview, engine
from categorization.models import AppointmentType
from categorization.spreadsheets.columns import CATEGORY, CONFIRMED_BY, CONNECTION, PURPOSE, TYPE
from categorization.spreadsheets.reading import Row, Sheet
from categorization.spreadsheets.resources import types_of, who_confirmed
from tenants.models import Practice


@dataclass(frozen=True, slots=True)
class Mistake:
    """A row that cannot be taken, and why, in words."""

    row: int
    words: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A type that would count as ``new``. ``row``: its number in the spreadsheet, 0 where none is known."""

    type: AppointmentType
    new: str
    row: int = 0

    @property
    def now(self) -> str:
        return self.type.category if self.type.is_confirmed else ""

    @property
    def who(self) -> str:
        return who_confirmed(self.type)

    @property
    def changes_confirmed(self) -> bool:
        """Whether somebody had confirmed another category."""
        return bool(self.now) and self.now != self.new


@dataclass(slots=True)
class Comparison:
    """The outcome: what differs, what is wrong, and how many rows are neither."""

    differences: list[Difference] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    rows: int = 0
    same: int = 0
    left_empty: int = 0
    reviewers: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Effect:
    """What the differences would do: how many are new, how many change what was confirmed, who would move."""

    confirmed: int
    changed: int
    waiting: int
    preview: Preview | None


def compare(practice: Practice, sheet: Sheet) -> Comparison:
    """Compare a spreadsheet's rows with the practice's types. Changes nothing."""
    rows = types_of(practice)
    names = _Names(rows)
    found = Comparison(rows=len(sheet.rows))
    chosen: dict[int, Difference] = {}
    for row in sheet.rows:
        try:
            _take(row, names, found, chosen)
        except _Wrong as wrong:
            found.mistakes.append(Mistake(row.number, str(wrong)))
    found.differences = [one for one in chosen.values() if one.now != one.new]
    found.same = len(chosen) - len(found.differences)
    found.reviewers = _reviewers(sheet, found.differences)
    return found


def differences_of(practice: Practice, choices: Mapping[int, str]) -> list[Difference]:
    """The same for choices (type id → category); types that are gone, or count so already, are left out."""
    found = [Difference(row, choices[row.pk]) for row in types_of(practice) if row.pk in choices]
    return [one for one in found if one.now != one.new]


def effect_of(practice: Practice, differences: Iterable[Difference]) -> Effect:
    """What would come of the differences. Changes nothing."""
    differences = list(differences)
    changed = {one.type.pk: one.new for one in differences if one.changes_confirmed}
    held = engine().held([one.type for one in differences])
    return Effect(
        confirmed=len(differences) - len(changed),
        changed=len(changed),
        waiting=sum(held.get(one.type.pk, 0) for one in differences),
        preview=engine().preview(practice.pk, changed) if changed else None,
    )


class _Wrong(Exception):
    """Why a row cannot be taken."""


class _Names:
    """The practice's types by the names that people write: with the connection or without, now or formerly."""

    def __init__(self, rows: list[AppointmentType]) -> None:
        self.connections = {name_key(row.connection_key): row.connection_key for row in rows}
        self.now: dict[tuple[str, str], list[AppointmentType]] = defaultdict(list)
        self.formerly: dict[tuple[str, str], list[AppointmentType]] = defaultdict(list)
        for row in rows:
            self.now[row.name_key, row.purpose_key].append(row)
            for former in {(name, purpose) for name, purpose in row.former_keys}:
                self.formerly[former].append(row)

    def find(self, connection: str, name: str, purpose: str) -> AppointmentType:
        """The type of these names. Raises _Wrong."""
        if connection and name_key(connection) not in self.connections:
            known = ", ".join(sorted(self.connections.values()))
            raise _Wrong(f'there is no connection "{connection}" with types. Known: {known or "none"}.')
        key = name_key(name), name_key(purpose)
        found = self._among(self.now[key], connection) or self._among(self.formerly[key], connection)
        label = f'"{name} / {purpose}"' if purpose else f'"{name}"'
        if not found:
            raise _Wrong(
                f"there is no type {label}. Names must stay as exported; new types come from the EMR."
            )
        if len(found) > 1:
            keys = " or ".join(sorted({row.connection_key for row in found}))
            raise _Wrong(f"several types are called {label}. Say in the column Connection which: {keys}.")
        return found[0]

    def _among(self, rows: list[AppointmentType], connection: str) -> list[AppointmentType]:
        wanted = name_key(connection)
        return [row for row in rows if not wanted or name_key(row.connection_key) == wanted]


def _take(row: Row, names: _Names, found: Comparison, chosen: dict[int, Difference]) -> None:
    """Take one row into ``chosen``. Raises _Wrong."""
    name, purpose = row.cells.get(TYPE, ""), row.cells.get(PURPOSE, "")
    if not name:
        raise _Wrong("the name of the type is missing.")
    kind = names.find(row.cells.get(CONNECTION, ""), name, purpose)
    text = row.cells.get(CATEGORY, "")
    if not text:
        found.left_empty += 1
        return
    new = _category(kind, text)
    before = chosen.get(kind.pk)
    if before is not None and before.new != new:
        raise _Wrong(f'"{kind}" is {new} here and {before.new} in row {before.row}. Keep one of the two.')
    chosen.setdefault(kind.pk, Difference(kind, new, row.number))


def _category(kind: AppointmentType, text: str) -> str:
    named = category_named(text)
    offered = ", ".join(kind.choices)
    if named is None:
        raise _Wrong(f'"{text[:60]}" is not a category. Write one of: {offered}.')
    if named.value not in kind.choices:
        raise _Wrong(f'the EMR of "{kind}" does not offer {named.value}. Write one of: {offered}.')
    return named.value


def _reviewers(sheet: Sheet, differences: list[Difference]) -> list[str]:
    """The names that people wrote beside what they changed, each once."""
    written = {row.number: row.cells.get(CONFIRMED_BY, "") for row in sheet.rows}
    beside = [written[one.row] for one in differences if name_key(written[one.row]) != name_key(one.who)]
    return list(dict.fromkeys(name for name in (sheet.reviewed_by, *beside) if name))
