"""Misspelled words: the nearest word of the vocabulary, with care."""

from functools import lru_cache

from categorization.vocabulary import Vocabulary, vocabulary

SHORTEST = 5
LONG_WORD = 8
"""From this length on two slips are forgiven, below it one."""
_NEVER_INTO = frozenset({"block", "lunch", "admin", "closed", "staff", "break", "event", "class", "group"})
# ^ short everyday words: a surname is too easily one letter away


@lru_cache(maxsize=20_000)
def corrected(word: str) -> str:
    """``word`` as the vocabulary spells it, or unchanged when nothing is near enough."""
    known = vocabulary()
    if word in known.words:
        return word
    if word in known.misspelled:
        return known.misspelled[word]
    if len(word) < SHORTEST or word in known.right or not word.isalpha() or not word.isascii():
        return word
    return _nearest(word, known)


def _nearest(word: str, known: Vocabulary) -> str:
    near = [
        (slips, -known.words[candidate], candidate)
        for candidate in _by_first_letter().get(word[0], ())
        if (slips := _slips(word, candidate)) <= (2 if min(len(word), len(candidate)) >= LONG_WORD else 1)
    ]
    return min(near)[2] if near else word


@lru_cache(maxsize=1)
def _by_first_letter() -> dict[str, list[str]]:
    letters: dict[str, list[str]] = {}
    for candidate in vocabulary().words:
        if len(candidate) >= SHORTEST and candidate.isalpha() and candidate not in _NEVER_INTO:
            letters.setdefault(candidate[0], []).append(candidate)
    return letters


def _slips(a: str, b: str) -> int:
    """Letters added, left out, wrong or swapped between two words; 3 stands for "too many"."""
    if abs(len(a) - len(b)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, start=1):
        before, last, row = row, before, [i]
        for j, other in enumerate(b, start=1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (letter != other))
            if last and i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > 2:
            return 3
    return row[-1]
