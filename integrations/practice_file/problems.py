"""What is wrong with a practice file, in the words of the person who must change it."""

from collections.abc import Iterable
from difflib import get_close_matches


class PracticeFileError(Exception):
    """The file cannot be used, and nothing was changed. ``problems``: one sentence each, the path first."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Wrong(Exception):
    """One value cannot be used; the text says why and never repeats a secret."""


def meant(word: str, known: Iterable[str]) -> str:
    """What the writer may have meant by ``word``: the nearest known one, else the list of them."""
    names = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), names, n=1, cutoff=0.6)
    if near:
        return f', did you mean "{names[near[0]]}"?'
    return f" (known: {', '.join(names.values()) or 'none'})"
