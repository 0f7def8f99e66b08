"""Readers for values that must be one of ours: slugs, zones, countries, addresses, switches."""

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from categorization.categories import Category, category_named
from integrations.contract.manifest import Switch
from integrations.practice_file.problems import Wrong, meant
from integrations.practice_file.sections import flag, kind_of, text, text_of
from tenants.models import validate_slug, validate_time_zone

_SLUG = re.compile(r"[A-Za-z0-9_-]{1,50}")


def slug(value: Any) -> str:
    """A short name for addresses and references."""
    found = text(value)
    if not _SLUG.fullmatch(found):
        raise Wrong("must be 1 to 50 letters, digits, - or _")
    return found


def practice_slug(value: Any) -> str:
    """A practice's slug: none of the words that are addresses of ours."""
    found = slug(value)
    try:
        validate_slug(found)
    except ValidationError as error:
        raise Wrong(error.messages[0].rstrip(".")) from None
    return found


def one_of(known: Iterable[str]) -> Callable[[Any], str]:
    """Reads one of a few words."""
    words = list(known)

    def read(value: Any) -> str:
        found = text(value)
        if found not in words:
            raise Wrong(f'"{found}" is not one of {", ".join(words)}')
        return found

    return read


def time_zone(value: Any) -> str:
    """An IANA time zone."""
    found = text(value)
    try:
        validate_time_zone(found)
    except ValidationError as error:
        raise Wrong(error.messages[0].rstrip(".")) from None
    return found


def time_zone_or_none(value: Any) -> str:
    """An IANA time zone; null is "", the practice's own."""
    return "" if value is None else time_zone(value)


def address(value: Any) -> str:
    """An http(s) base address; null is "", the EMR's own."""
    if value is None:
        return ""
    found = text_of(200)(value)
    try:
        parts = urlsplit(found)
        fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        fits = False
    if not fits or re.search(r"\s", found):
        raise Wrong('must be an address that starts with "https://" or "http://"')
    if parts.username or parts.password:
        raise Wrong("must hold no user name or password: they belong under credentials")
    return found


def category(value: Any) -> str:
    """A category by its name or a synonym; null is "", none yet."""
    if value is None or not text(value):
        return ""
    found = category_named(text(value))
    if found is None:
        raise Wrong(f'unknown category "{text(value)}"{meant(text(value), [c.value for c in Category])}')
    return found.value


def switch_value(switch: Switch) -> Callable[[Any], Any]:
    """Reads a value of the switch's own type, within its choices."""

    def read(value: Any) -> Any:
        found = _of_type(switch.default, value)
        for word in found if isinstance(found, list) else [found]:
            if switch.choices and word not in switch.choices and word != switch.default:
                raise Wrong(f'"{word}" is not one of {", ".join(switch.choices)}')
        return found

    return read


def _of_type(default: Any, value: Any) -> Any:
    if isinstance(default, bool):
        return flag(value)
    if isinstance(default, int):
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong(f"must be a whole number, not {kind_of(value)}")
        return value
    if isinstance(default, list | tuple):
        if not isinstance(value, list):
            raise Wrong(f"must be a list of texts, not {kind_of(value)}")
        return [text(word) for word in value]
    return text(value)
