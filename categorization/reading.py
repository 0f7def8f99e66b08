"""What the words of one appointment type mean, before anything is decided."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from categorization.spelling import corrected
from categorization.vocabulary import Term, Vocabulary, key, vocabulary
from categorization.words import JOINT, SPACE, WALL, Word, fold, split

SURGICAL = ("surgery", "operation", "minor", "concern")
NON_SURGICAL = ("injectable", "device", "skin", "wellness", "hair", "nonsurgical")
PHASES = ("consult", "follow_up", "touch_up", "post_op", "pre_op", "after", "before")
UNDECIDED = ("unclear", "area")

_PERSON = "\0"
_DOCTOR = frozenset({"dr", "dra", "doctor"})
_TITLES = _DOCTOR | {"drs", "with", "by", "nurse"}
_SURNAMES_TOO = frozenset((*SURGICAL, *NON_SURGICAL, *UNDECIDED)) - {"operation"}
_CREDENTIALS = frozenset(
    {"md", "rn", "np", "pa", "pac", "fnp", "aprn", "crnp", "dnp", "lpn", "ma", "le", "bsn", "arnp"}
)
_UNITS = frozenset(
    {"d", "day", "wk", "week", "w", "mo", "mth", "month", "yr", "year", "y", "m", "semana", "mes"}
)
_NUMBERS = frozenset({"one", "two", "three", "four", "five", "six", "first", "second", "third"})
_MINUTES = re.compile(r"(\d{1,3}(?:\.5)?)\s*-?\s*(min|mins|minutes?|m|hrs?|hours?|h)\b", re.IGNORECASE)
_OPERATING_ROOM = Term("or", "operation", 0.85)


@dataclass(frozen=True, slots=True)
class Found:
    """A term found in a name: the words as typed, whether they were misspelled, where they stood."""

    term: Term
    text: str
    misspelled: bool
    start: int
    before: int
    part: int
    """0 is the name; purposes follow from 1."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All terms found in a name and its purposes, in order."""

    found: tuple[Found, ...]
    has_timing: bool
    """Whether it says "1 week" or "6 mo"."""
    is_empty: bool
    joints: tuple[int, ...]
    """Positions of words that are joined to what stands before ("&", "/", "and", "-")."""

    def of(self, *kinds: str) -> tuple[Found, ...]:
        """The terms of these kinds, in order."""
        return tuple(found for found in self.found if found.term.kind in kinds)

    def has(self, *kinds: str) -> bool:
        """Whether any term is of these kinds."""
        return any(found.term.kind in kinds for found in self.found)

    def joined(self, one: Found, other: Found) -> bool:
        """Whether a sign or word such as "&" or "with" stands between two terms."""
        low, high = sorted((one.start, other.start))
        return any(low < joint <= high for joint in self.joints)


def read(name: str, purposes: Sequence[str] = ()) -> Reading:
    """Find the vocabulary's terms in a name and its purposes. Any string is fine."""
    known = vocabulary()
    words: list[Word] = []
    parts: list[int] = []
    for part, text in enumerate((name, *purposes)):
        spelt = split(text, known.signs)
        words += spelt
        parts += [part] * len(spelt)
    right = _spelt(words, known)
    found = _terms(words, right, parts, known)
    taken = {at for term in found if term.term.kind != "neutral" for at in _span(term)}
    return Reading(
        tuple(found),
        _says_when(right, taken),
        not words,
        tuple(at for at, word in enumerate(words) if word.before >= JOINT),
    )


def minutes_in(name: str) -> int | None:
    """The length that a name states ("30 min", "1.5 hrs"), in minutes; None when it states none."""
    found = _MINUTES.search(name[:400])
    if not found:
        return None
    amount = float(found[1])
    return round(amount * 60 if found[2].lower().startswith("h") else amount)


def _spelt(words: list[Word], known: Vocabulary) -> list[str]:
    """Each word as the vocabulary spells it; a person's name is no word of it, whatever it looks like."""
    people = _people(words, known)
    return [_PERSON if at in people else corrected(word.text) for at, word in enumerate(words)]


def _people(words: list[Word], known: Vocabulary) -> set[int]:
    """Positions of words that follow a title or stand before a credential, and mean nothing of their own."""
    people: set[int] = set()
    for at, word in enumerate(words):
        previous = words[at - 1].text if at and word.before < WALL else ""
        if previous in _DOCTOR and _may_be_a_surname(word.text, known):
            people.add(at)
        elif word.text in _CREDENTIALS:
            if word.before == SPACE and (at - 1 in people or previous in _TITLES):
                people.add(at)
        elif word.text.isalpha() and word.text not in known.words and word.text not in known.misspelled:
            follows = previous in _TITLES or (at - 1 in people and word.before == SPACE)
            before_credential = at + 1 < len(words) and words[at + 1].text in _CREDENTIALS
            if follows or (before_credential and word.before >= JOINT):
                people.add(at)
    return people


def _may_be_a_surname(word: str, known: Vocabulary) -> bool:
    """After "Dr" also a word that means something elsewhere ("Dr Burns"), but not "Dr out" or "Dr consult"."""
    term = known.terms.get(word)
    return word.isalpha() and term is not None and term.kind in _SURNAMES_TOO


def _terms(words: list[Word], right: list[str], parts: list[int], known: Vocabulary) -> list[Found]:
    """The longest term at each place, from left to right; then endings of words that nobody listed."""
    found: list[Found] = []
    at = 0
    while at < len(words):
        term, length = _longest(words, right, at, known)
        if term is None and _is_operating_room(words, parts, at):
            term = _OPERATING_ROOM
        if term is None:
            term = _by_ending(right[at], known)
        if term is not None:
            window = range(at, at + length)
            typed = " ".join(words[i].typed for i in window)
            slip = any(words[i].text != right[i] for i in window)
            found.append(Found(term, typed, slip, at, words[at].before, parts[at]))
        at += length
    return found


def _longest(words: list[Word], right: list[str], at: int, known: Vocabulary) -> tuple[Term | None, int]:
    end = at + 1
    while end < min(len(words), at + known.longest) and words[end].before < WALL:
        end += 1
    for stop in range(end, at, -1):
        term = known.terms.get(key(right[at:stop]))
        if term is not None:
            return term, stop - at
    return None, 1


def _is_operating_room(words: list[Word], parts: list[int], at: int) -> bool:
    """ "or" is the operating room where the English word cannot stand: first or last, or set off by a sign."""
    if words[at].text != "or":
        return False
    first = words[at].before >= JOINT
    last = at + 1 == len(words) or parts[at + 1] != parts[at] or words[at + 1].before == WALL
    return first or last


def _by_ending(word: str, known: Vocabulary) -> Term | None:
    for ending, term in known.endings.items():
        if len(word) >= len(ending) + 3 and word.endswith(fold(ending)):
            return term
    return None


def _span(found: Found) -> range:
    return range(found.start, found.start + found.text.count(" ") + 1)


def _says_when(right: list[str], taken: set[int]) -> bool:
    """Whether a number and a unit of days or longer stand side by side, outside of any term."""
    free = ["" if at in taken else word for at, word in enumerate(right)]
    for one, other in pairwise(free):
        for number, unit in ((one, other), (other, one)):
            if (number.isdigit() or number in _NUMBERS) and unit in _UNITS:
                return not (unit == "m" and number.isdigit() and int(number) > 12)
    return False
