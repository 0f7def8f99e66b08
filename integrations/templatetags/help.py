"""The line "What is this?" of a staff page."""

from typing import Any

from django import template

from integrations.views.help_lines import help_line

register = template.Library()


@register.inclusion_tag("axconnect/_what.html", takes_context=True)
def what_is_this(context: dict[str, Any]) -> dict[str, Any]:
    """The line of the page that is being shown; nothing where it has none."""
    match = getattr(context.get("request"), "resolver_match", None)
    return {"line": help_line(match.view_name) if match else None}
