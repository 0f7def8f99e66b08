"""From a type's name as somebody typed it to plain words, with the signs between them that matter."""

import re
import unicodedata
from dataclasses import dataclass

LONGEST_NAME = 400
"""Characters of a name that are looked at: EMRs allow 255."""

SPACE, JOINT, WALL = 0, 1, 2
"""What stands before a word: a space or hyphen; a sign that joins two things; the end of a thought."""

_NOISE = re.compile(
    r"[$€£]\s?\d[\d.,]*(?:\s?/\s?\w+)?(?:\s+off\b)?"  # prices, also per unit
    r"|\d+\s?%(?:\s*off\b)?"
    r"|['’`´]"  # "doctor's" is one word
    r"|\bx{2,}(?=[a-wyz]{3})|(?<=[a-wyz]{3})x{2,}\b"  # "xxLUNCHxx"
    r"|[\u0300-\u036f™®©]"
)
_WORD = re.compile(r"[^\W\d_]+|\d+")
_WALLS = re.compile(r"[|:;,()\[\]{}<>\n\r]")
_JOINTS = re.compile(r"[/&+*•→]|\s[-–—~]+\s?|[–—~]")
_AND = frozenset({"and", "with", "plus", "y", "e", "or"})
_SINGULAR_IN_S = frozenset(
    {
        "cons",
        "mohs",
        "plus",
        "has",
        "was",
        "sms",
        "pts",
        "yes",
        "us",
        "is",
        "dys",
        "ins",
        "misc",
        "gas",
        "lens",
        "venus",
        "opus",
        "genesis",
        "abs",
        "drs",
    }
)


@dataclass(frozen=True, slots=True)
class Word:
    """One folded word or number, what stood before it, and the word before folding."""

    text: str
    before: int = SPACE
    typed: str = ""


class Signs:
    """Signs that are read as words ("f/u" as "follow up"), replaced before signs are dropped."""

    def __init__(self, replacements: dict[str, str]) -> None:
        self._replacements = replacements
        longest_first = sorted(replacements, key=len, reverse=True)
        self._pattern = re.compile("|".join(self._bounded(sign) for sign in longest_first) or r"(?!)")

    @staticmethod
    def _bounded(sign: str) -> str:
        before = r"(?<![^\W_])" if sign[0].isalnum() else ""
        after = r"(?![^\W_])" if sign[-1].isalnum() else ""
        return f"{before}{re.escape(sign)}{after}"

    def read(self, text: str) -> str:
        """``text`` (already case-folded) with each sign replaced by its words."""
        return self._pattern.sub(lambda found: self._replacements[found[0]], text)


def split(text: str, signs: Signs) -> list[Word]:
    """The words of a text: lower case, without accents, prices and plurals. Any string is fine."""
    clean = signs.read(_clean(text[:LONGEST_NAME]))
    words: list[Word] = []
    end, joined = 0, False
    for found in _WORD.finditer(clean):
        before = _before(clean[end : found.start()]) if words else WALL
        end = found.end()
        if joined:
            before = max(before, JOINT)
        joined = found[0] in _AND
        if found[0] == "and":
            continue
        words.append(Word(fold(found[0]), before, found[0]))
    return words


def fold(word: str) -> str:
    """A case-folded word without its plural "s"."""
    if len(word) < 4 or not word.endswith("s") or word in _SINGULAR_IN_S or word.endswith(("ss", "us", "is")):
        return word
    return word[:-1]


def _clean(text: str) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return _NOISE.sub("", plain)


def _before(gap: str) -> int:
    if _WALLS.search(gap):
        return WALL
    return JOINT if _JOINTS.search(gap) else SPACE
