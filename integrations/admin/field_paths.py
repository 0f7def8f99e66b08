"""Where a practice's payloads hold each value, for those that differ from the usual: a table, not a file."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django import forms

from integrations.contract.manifest import Manifest
from integrations.models import Connection, InboundEvent, PayloadReveal

_PATH = re.compile(r"^[^.\s]+(\.[^.\s]+)*$")
MOST_PATHS = 10


def path_field(name: str) -> str:
    return f"path_{name}"


class FieldPathsForm(forms.Form):
    """One box per value. Several paths are separated by commas and read in that order."""

    def __init__(self, connection: Connection, manifest: Manifest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection, self.manifest = connection, manifest
        for declared in manifest.payload_fields:
            self.fields[path_field(declared.name)] = forms.CharField(
                label=declared.label,
                required=False,
                max_length=400,
                initial=", ".join((connection.field_paths or {}).get(declared.name, ())),
                widget=forms.TextInput(
                    attrs={
                        "class": "ax-input ax-mono",
                        "autocomplete": "off",
                        "spellcheck": "false",
                        "placeholder": "as usual",
                    }
                ),
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name, value in list(cleaned.items()):
            problem = _problem(paths_in(value))
            if problem:
                self.add_error(name, problem)
        return cleaned

    def rows(self) -> list[tuple[Any, forms.BoundField]]:
        """(declared value, its box) in the manifest's order."""
        return [(declared, self[path_field(declared.name)]) for declared in self.manifest.payload_fields]

    def overrides(self) -> dict[str, list[str]]:
        """Field → dotted paths, only where something was entered."""
        found = {
            declared.name: paths_in(self.cleaned_data[path_field(declared.name)])
            for declared in self.manifest.payload_fields
        }
        return {name: paths for name, paths in found.items() if paths}


def paths_in(text: str) -> list[str]:
    """``data.client.id, client_id`` as two paths."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _problem(paths: list[str]) -> str:
    if len(paths) > MOST_PATHS:
        return f"{MOST_PATHS} paths are the most."
    wrong = next((path for path in paths if not _PATH.match(path)), "")
    return f"“{wrong}” is not a path. Write names joined by dots, such as data.client.email." if wrong else ""


def last_event(connection: Connection) -> InboundEvent | None:
    """The newest event of a connection whose payload is still kept."""
    rows = InboundEvent.objects.for_practice(connection.practice_id).filter(connection=connection)
    return rows.exclude(payload="").order_by("-pk").first()


def reveal_last(connection: Connection, user: Any, reason: str) -> InboundEvent | None:
    """The newest event with its payload; who looked and why is kept."""
    event = last_event(connection)
    if event is not None:
        PayloadReveal.objects.create(event=event, user=user, reason=reason)
    return event


def leaves(payload: str) -> list[tuple[str, str]]:
    """(dotted path, value) of everything in a stored body, to copy paths from; empty when it is no object."""
    try:
        body = json.loads(payload)
    except ValueError:
        return []
    return list(_walk(body, "")) if isinstance(body, Mapping) else []


def _walk(value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _walk(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, f"{path}.{number}")
    else:
        yield path, "" if value is None else str(value)
