"""Our words where the theme has names of tables."""

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.dataclasses import SearchResult

register = template.Library()

# What a list is called in the menu, where the table is called otherwise.
MENU = {"users": "People", "payload reveals": "Payload log", "ledger rows": "Ledger"}
KIND = {"User": "Person"}
ICONS = {
    "Practice": "local_hospital",
    "Location": "location_on",
    "Connection": "cable",
    "Sub-account": "hub",
    "Person": "person",
}


@register.filter(is_safe=True)
def menu_name(title: object) -> str:
    """The title of a list as the menu has it."""
    words = str(title)
    return MENU.get(words.lower(), f"{words[:1].upper()}{words[1:]}")


@register.filter(is_safe=True)
def at_dots(path: str) -> SafeString:
    """A path in a payload that breaks at its dots where the line ends."""
    return format_html_join(mark_safe(".<wbr>"), "{}", ((part,) for part in path.split(".")))


@register.filter
def kind_found(description: str) -> str:
    """What the search box found: ``Tenants - User`` → ``Person``."""
    kind = description.rpartition(" - ")[2]
    return KIND.get(kind, kind)


@register.simple_tag
def icon_found(found: SearchResult) -> str:
    """The icon of what the search box found, as in the menu."""
    return ICONS.get(kind_found(found.description), found.icon or "arrow_outward")
