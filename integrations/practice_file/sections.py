"""The document as JSON, every value with its path. Mistakes are collected and told at once."""

import json
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from integrations.practice_file.problems import PracticeFileError, Wrong, meant

T = TypeVar("T")
_KINDS = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


class JsonObject(dict[str, Any]):
    """A JSON object that remembers the names which were written more than once."""

    repeated: tuple[str, ...] = ()

    @classmethod
    def of(cls, pairs: list[tuple[str, Any]]) -> "JsonObject":
        """From the pairs in the order of the document; the last of equal names counts."""
        made, names = cls(pairs), [name for name, _ in pairs]
        made.repeated = tuple(sorted({name for name in names if names.count(name) > 1}))
        return made


def parse(raw: bytes) -> Any:
    """The document of a UTF-8 JSON text. Raises PracticeFileError that says where it stops being JSON."""
    try:
        return json.loads(raw.decode("utf-8-sig"), object_pairs_hook=JsonObject.of)
    except UnicodeDecodeError:
        raise PracticeFileError(["The file is not UTF-8 text."]) from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise PracticeFileError([f"The file is not JSON: {error.msg} at {place}."]) from None
    except RecursionError:
        raise PracticeFileError(["The file is not a practice file: it is nested too deeply."]) from None


def kind_of(value: Any) -> str:
    """The JSON kind of a value, in words."""
    return "null" if value is None else _KINDS[bool if isinstance(value, bool) else _plain_type(value)]


def _plain_type(value: Any) -> type:
    return next(kind for kind in (str, int, float, list, dict) if isinstance(value, kind))


def text(value: Any) -> str:
    """Text without surrounding blanks. Raises Wrong for another kind and for control characters."""
    if not isinstance(value, str):
        raise Wrong(f"must be text, not {kind_of(value)}")
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in value):
        raise Wrong("holds a control character")
    return value.strip()


def text_of(longest: int, *, may_be_empty: bool = False) -> Callable[[Any], str]:
    """Reads text of at most ``longest`` characters."""

    def read(value: Any) -> str:
        found = text(value)
        if not found and not may_be_empty:
            raise Wrong("must not be empty")
        if len(found) > longest:
            raise Wrong(f"is too long: {len(found)} characters, at most {longest}")
        return found

    return read


def flag(value: Any) -> bool:
    """true or false. Raises Wrong for anything else."""
    if not isinstance(value, bool):
        raise Wrong(f"must be true or false, not {kind_of(value)}")
    return value


class Section:
    """One object of the document. ``problems`` is shared by all sections of a file."""

    def __init__(self, value: Any, path: str, problems: list[str], *, quotes_names: bool = False) -> None:
        self.path, self.problems, self.quotes_names = path, problems, quotes_names
        self.is_object = isinstance(value, dict)
        if not self.is_object:
            self.wrong("", f"must be an object, not {kind_of(value)}")
        self.values: dict[str, Any] = value if self.is_object else {}
        for name in getattr(value, "repeated", ()):
            self.wrong(name, "stands here more than once")

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def at(self, name: str) -> str:
        """The path of one value: ``a.b``, or ``a."b c"`` where names are free text."""
        shown = f'"{name}"' if self.quotes_names else name
        return ".".join(part for part in (self.path, shown) if part and name) or self.path

    def wrong(self, name: str, words: str) -> None:
        """Remember what is wrong with one value ("" for the section itself)."""
        place = self.at(name)
        self.problems.append(f"{place}: {words}" if place else f"The file {words}.")

    def only(self, *known: str) -> None:
        """Refuse every key that is not known."""
        for name in self.values:
            if name not in known:
                self.wrong(name, f"unknown key{meant(name, known)}")

    def read(self, name: str, read: Callable[[Any], T], default: T, *, required: bool = False) -> T:
        """One value through ``read``; ``default`` when it is absent or wrong."""
        if name not in self.values:
            if required and self.is_object:
                self.wrong(name, "is missing")
            return default
        try:
            return read(self.values[name])
        except Wrong as error:
            self.wrong(name, str(error))
            return default

    def said(
        self, readers: dict[str, tuple[str, Callable[[Any], Any]]], required: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """What the file says of several values: {ours: value} from {key in the file: (ours, read)}."""
        absent = object()
        found = {
            ours: self.read(name, read, absent, required=name in required)
            for name, (ours, read) in readers.items()
        }
        return {ours: value for ours, value in found.items() if value is not absent}

    def section(self, name: str, *, quotes_names: bool = False) -> "Section":
        """An object inside this one; an absent one is empty."""
        return Section(self.values.get(name, {}), self.at(name), self.problems, quotes_names=quotes_names)

    def sections(self, name: str) -> Iterator["Section"]:
        """The objects of a list inside this one; none when it is absent."""
        found = self.values.get(name, [])
        if not isinstance(found, list):
            self.wrong(name, f"must be a list, not {kind_of(found)}")
            return
        for number, value in enumerate(found):
            yield Section(value, f"{self.at(name)}[{number}]", self.problems)

    def named_texts(self, read: Callable[[Any], str]) -> dict[str, str]:
        """All values of a section whose names are free, such as stages. Wrong ones are left out."""
        absent = "\0"
        found = {name: self.read(name, read, absent) for name in self.values}
        return {name: value for name, value in found.items() if value != absent}
