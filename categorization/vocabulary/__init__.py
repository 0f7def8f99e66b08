"""The words of appointment types, in files that a person can read and extend.

Each ``*.toml`` file holds groups. A group's ``kind`` is the meaning its terms share (``surgery``, ``consult``,
``block`` …; rules.py says what follows from each), ``what`` tells a reader what is in it, ``certainty`` (0–1) caps
how sure a suggestion may be that rests on it, ``says`` is the reason shown for an ``unclear`` word, and
``med_spa = true`` marks an unclear word that is no question in a med spa, where nobody operates.

A term is written as people type it. Case, accents, spaces, hyphens and a plural "s" do not matter: "tummy tuck" also
finds "Tummy-Tucks" and "TUMMYTUCK". The longest term wins, so "post op" beats "op". ``spellings.toml`` holds what is
not a term: signs, misspellings, endings, and right words that look like a misspelling.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from categorization.words import Signs, fold, split

FOLDER = Path(__file__).parent
SPELLINGS = "spellings.toml"
KINDS = {
    "surgery": "a named operation",
    "minor": "a small procedure with a knife",
    "operation": "a word for surgery, without saying which",
    "concern": "what is operated on: breast, nose, skin cancer",
    "injectable": "toxins, fillers, threads, platelets",
    "device": "lasers, light, radio-frequency, cold",
    "skin": "facials, peels, needling, brows, skin visits",
    "wellness": "weight, hormones, drips",
    "hair": "hair without a transplant",
    "nonsurgical": "a word for non-surgical care",
    "consult": "a consultation",
    "follow_up": "a follow-up of something",
    "touch_up": "a small correction of something",
    "post_op": "after an operation",
    "after": "after something",
    "pre_op": "before an operation",
    "before": "before something",
    "block": "time without a patient, whatever else is said",
    "block_alone": "time without a patient, if nothing else is said",
    "negation": '"no", in front of something',
    "training": "teaching the staff",
    "occasion": "an event",
    "test": "a trial row",
    "retired": "a type no longer booked",
    "online": "booked on the web",
    "unclear": "two meanings; `says` names them",
    "area": "a part of the body",
    "new_patient": "a new patient, for whatever",
    "office_visit": "seen or spoken to, for whatever",
    "visit": "any visit",
    "treatment": "something is done",
    "procedure": "surgery or treatment",
    "neutral": "says nothing",
}
"""Every kind of term, and what it stands for."""


class VocabularyError(Exception):
    """A vocabulary file that contradicts itself; says the file and the term."""


@dataclass(frozen=True)
class Term:
    """One entry: its text as listed, its meaning, and how far it can be relied on (0–1)."""

    text: str
    kind: str
    certainty: float = 1.0
    says: str = ""
    clear_in_med_spa: bool = False


@dataclass(frozen=True)
class Vocabulary:
    """All terms by their key (see ``key``), and what spelling correction needs."""

    terms: dict[str, Term]
    longest: int
    """How many words the longest term has."""
    words: dict[str, int]
    """Every word that occurs in a term, folded → in how many terms."""
    signs: Signs
    misspelled: dict[str, str]
    endings: dict[str, Term]
    right: frozenset[str]


def key(words: list[str]) -> str:
    """The form in which terms compare: words folded and run together."""
    return "".join(words)


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary of this folder, read once."""
    return load(FOLDER)


def load(folder: Path) -> Vocabulary:
    """Read a vocabulary folder. Raises VocabularyError when a term has two meanings or an unknown kind."""
    spellings = _toml(folder / SPELLINGS)
    signs = Signs(spellings["signs"])
    terms: dict[str, Term] = {}
    counts: dict[str, int] = {}
    longest = 1
    for path in sorted(folder.glob("*.toml")):
        for group in _toml(path).get("group", []):
            for text in group["terms"]:
                words = [word.text for word in split(text, signs)]
                _add(terms, key(words), _term(text, group, path), path)
                longest = max(longest, len(words))
                for word in words:
                    counts[word] = counts.get(word, 0) + 1
    return Vocabulary(
        terms,
        longest,
        counts,
        signs,
        {fold(wrong): fold(right) for wrong, right in spellings["misspelled"].items()},
        {
            ending: Term(f"…{ending}", kind, 0.8)
            for kind, endings in spellings["endings"].items()
            for ending in endings
        },
        frozenset(fold(word) for word in spellings["right"]["words"]),
    )


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as fault:
        raise VocabularyError(f"{path.name}: {fault}") from None


def _term(text: str, group: dict[str, Any], path: Path) -> Term:
    if group["kind"] not in KINDS:
        raise VocabularyError(f"{path.name}: {group['kind']} is not a kind of term.")
    return Term(
        text, group["kind"], group.get("certainty", 1.0), group.get("says", ""), group.get("med_spa", False)
    )


def _add(terms: dict[str, Term], at: str, term: Term, path: Path) -> None:
    other = terms.get(at)
    if other and (other.kind, other.certainty, other.says) != (term.kind, term.certainty, term.says):
        raise VocabularyError(
            f'{path.name}: "{term.text}" is already listed as {other.kind} ("{other.text}").'
        )
    terms.setdefault(at, term)
