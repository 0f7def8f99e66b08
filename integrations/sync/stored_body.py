"""An event's body with what is stored of the things that are otherwise fetched for it. Makes no call."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from integrations.contract.manifest import Way
from integrations.contract.records import Person, Record
from integrations.models import CachedRecord, Patient
from integrations.sync.people import person_of
from integrations.sync.work import Work


class NotStored(Exception):
    """What the event needs is with the EMR only."""


class _Nobody:
    """An EMR's client that cannot be asked."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        def refuse(*_: Any, **__: Any) -> NoReturn:
            raise NotStored

        return refuse


class _Kept:
    """What was fetched once, however old it is."""

    def __init__(self, connection_id: int) -> None:
        self._connection_id = connection_id

    def get(self, kind: str, external_id: str, fetch: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """The object of that kind and id. Raises NotStored where it was never fetched."""
        rows = CachedRecord.objects.across_practices().filter(
            connection_id=self._connection_id, kind=kind, external_id=external_id
        )
        known = rows.first()
        if known is None:
            raise NotStored
        return dict(known.body)


def stored_body(work: Work) -> Mapping[str, Any]:
    """The event's body, completed from what is stored; the patient stands there by id alone.

    Raises NotStored where only the EMR can say the rest, and the contract's errors for a body that cannot be read.
    """
    connection, event = work.connection, work.event
    enrich = connection.emr.part("enrich").enrich
    parts = (event.kind, json.loads(event.payload), _Nobody(), _Kept(connection.id))
    if connection.manifest.way is Way.POLL:
        found: Mapping[str, Any] = enrich(*parts, with_patient=False)
    else:
        found = enrich(*parts, connection.field_paths)
    return found


def with_stored_people(work: Work, records: Sequence[Record]) -> tuple[list[Record], bool]:
    """The records, with what is known of patients of whom they say no more than the id. Whether any was such."""
    bare = [record.person.external_id for record in records if _is_bare(record.person)]
    rows = Patient.objects.for_practice(work.profile.id).filter(
        connection_id=work.connection.id, external_id__in=bare
    )
    known = {row.external_id: person_of(row) for row in rows}
    filled = [
        replace(record, person=known.get(record.person.external_id, record.person))
        if _is_bare(record.person)
        else record
        for record in records
    ]
    return filled, bool(bare)


def _is_bare(person: Person) -> bool:
    return not (person.first_name or person.last_name or person.email or person.phone)
