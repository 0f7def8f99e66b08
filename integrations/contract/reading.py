"""Reading bodies whose exact shape nobody publishes: key style does not matter, numbers may be strings,
amounts come in several forms, and a connection may say where a field really stands. Dates: ``dates.py``."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from integrations.contract.errors import MalformedPayload

LONGEST_TEXT = 500
LONGEST_ID = 100
LONGEST_NAME_LIST = 255
LARGEST_AMOUNT = Decimal(100_000_000)

_STYLE = str.maketrans("", "", "_-. ")
_AMOUNT = re.compile(
    r"(?P<open>\()?(?P<sign>[+-]?)\s*[$€£]?\s*(?P<inner>-?)"
    r"(?P<digits>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)"
    r"\s*(?:[A-Z]{3})?\s*(?(open)\))",
    re.ASCII,
)
# Control characters and separators become a space; halves of characters and invisible marks go.
_AS_SPACE = frozenset({"Cc", "Zs", "Zl", "Zp"})
_DROPPED = frozenset({"Cs", "Cn", "Co", "Cf"})


def plain_key(key: str) -> str:
    """``client_id``, ``clientId`` and ``ClientID`` are one key."""
    return key.translate(_STYLE).lower()


def get(node: Any, key: str) -> Any:
    """The value under ``key`` whatever its style, or at that index of a list; None when there is none."""
    if isinstance(node, Mapping):
        if key in node:
            return node[key]
        wanted = plain_key(key)
        return next((value for name, value in node.items() if plain_key(str(name)) == wanted), None)
    return _item(node, key)


def _item(node: Any, key: str) -> Any:
    if isinstance(node, list) and len(key) < 6 and key.isascii() and key.isdecimal() and int(key) < len(node):
        return node[int(key)]
    return None


def text(value: Any) -> str:
    """One trimmed line of at most 500 characters; numbers become their digits; None, booleans, objects and
    lists become ""."""
    if isinstance(value, str):
        found = value
    elif isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return ""
    else:
        found = _digits(value)
    found = found[:LONGEST_TEXT] if found.isprintable() else _one_line(found[: 2 * LONGEST_TEXT])
    return found.strip()


def _digits(number: float | Decimal) -> str:
    if isinstance(number, Decimal) and not number.is_finite():
        return ""
    if -(10**15) < number < 10**15 and number == int(number):
        return str(int(number))
    # Longer ones are no id and no amount, and turning a giant into digits takes seconds.
    return str(number) if isinstance(number, float) or -(10**40) < number < 10**40 else ""


def _one_line(raw: str) -> str:
    kept = []
    for character in raw:
        kind = unicodedata.category(character)
        if kind not in _DROPPED:
            kept.append(" " if kind in _AS_SPACE else character)
    return " ".join("".join(kept).split())[:LONGEST_TEXT]


def money(value: Any, field: str) -> Decimal | None:
    """``"$1,250.00"``, ``"1250"``, ``"(12.50)"`` and ``1250`` as a Decimal with two places; None when empty.

    Raises MalformedPayload naming ``field`` when it is no amount, or one that no invoice reaches.
    """
    raw = text(value)
    if not raw:
        return None
    found = _AMOUNT.fullmatch(raw)
    if not found:
        raise MalformedPayload(f'"{field}" is not an amount of money.', field=field)
    amount = Decimal(found["digits"].replace(",", ""))
    if amount >= LARGEST_AMOUNT:
        raise MalformedPayload(f'"{field}" is too large to be an amount of money.', field=field)
    is_negative = bool(found["open"]) or "-" in (found["sign"], found["inner"])
    amount = amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    return -amount if is_negative and amount else amount


def dollars(amount: Decimal) -> str:
    """An amount as it stands in a note: ``$1,250.00``."""
    return f"-${-amount:,.2f}" if amount < 0 else f"${amount:,.2f}"


def names_in(value: Any, *keys: str) -> list[str]:
    """The names in a list of objects (under the first of ``keys`` that holds one), in a list of texts, in one
    object or in one text; empty ones left out, in the order given."""
    rows = value if isinstance(value, list) else [value]
    found = (_name_of(row, keys) for row in rows[:100])
    return [name for name in found if name]


def _name_of(row: Any, keys: Sequence[str]) -> str:
    if not isinstance(row, Mapping):
        return text(row)
    return next((name for key in keys if (name := text(get(row, key)))), "")


def joined(names: Iterable[str]) -> str:
    """Names joined by ", ", whole ones only, within what a name column holds (255 characters)."""
    line = ""
    for name in names:
        longer = f"{line}, {name}" if line else name
        if len(longer) > LONGEST_NAME_LIST:
            return line or name[:LONGEST_NAME_LIST]
        line = longer
    return line


def distinct(names: Iterable[str]) -> list[str]:
    """Each name once, in the order of first sight."""
    return list(dict.fromkeys(names))


class Body:
    """A payload with the connection's field-path overrides: an override, where one is set, is read first."""

    def __init__(self, payload: Any, overrides: Mapping[str, Sequence[str]]) -> None:
        self.payload = payload
        self._overrides = overrides
        self._by_plain_key: dict[int, dict[str, Any]] = {}

    def value(self, field: str, *paths: str) -> Any:
        """The first non-empty value among the overrides of ``field`` and the usual ``paths``; else None."""
        for path in (*self.overrides(field), *paths):
            found = self.at(path)
            if found is not None and found != "" and found != [] and found != {}:
                return found
        return None

    def text(self, field: str, *paths: str) -> str:
        """The first of those values that is a text or a number, as one trimmed line; else ""."""
        return self.located(field, *paths)[1]

    def located(self, field: str, *paths: str) -> tuple[str, str]:
        """That text with the path where it stands, for messages; ("", "") when there is none."""
        for path in (*self.overrides(field), *paths):
            found = text(self.at(path))
            if found:
                return path, found
        return "", ""

    def identifier(self, field: str, words: str, *paths: str) -> str:
        """Like ``text``, for an id that must be there; ``words`` is what a person calls it.

        Raises MalformedPayload naming the path where it was expected.
        """
        path, found = self.located(field, *paths)
        if not found:
            path = self.expected(field, *paths)
            raise MalformedPayload(f'The {words} is missing: it is expected at "{path}".', field=path)
        if len(found) > LONGEST_ID:
            raise MalformedPayload(f'"{path}" is too long to be the {words}.', field=path)
        return found

    def expected(self, field: str, *paths: str) -> str:
        """The path where ``field`` should stand: its first override, else the first usual one."""
        return next(iter((*self.overrides(field), *paths)), field)

    def overrides(self, field: str) -> tuple[str, ...]:
        """The paths that the connection sets for ``field``. Anything but texts is left out."""
        paths = self._overrides.get(field, ()) if self._overrides else ()
        if isinstance(paths, str):
            return (paths,)
        listed = paths if isinstance(paths, list | tuple) else ()
        return tuple(path for path in listed if isinstance(path, str))

    def at(self, path: str) -> Any:
        """The value at a dotted path such as ``data.client.email`` or ``items.0.name``; None when missing."""
        node = self.payload
        for key in path.split("."):
            if isinstance(node, Mapping):
                node = node[key] if key in node else self._styled(node).get(plain_key(key))
            else:
                node = _item(node, key)
            if node is None:
                return None
        return node

    def _styled(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """One object by plain keys, made once however many fields are read from it."""
        index = self._by_plain_key.get(id(node))
        if index is None:
            index = {}
            for name, value in node.items():
                index.setdefault(plain_key(str(name)), value)
            self._by_plain_key[id(node)] = index
        return index
