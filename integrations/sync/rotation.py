"""Key rotation: every encrypted column again under the first key, and the people search's hashes with it.

Safe beside a running service: a row is only replaced while it still holds the token that was read, so nothing
that is written meanwhile is lost. Stopped half-way, it goes on where tokens are still old.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.models import F, Model, TextField, Value
from django.db.models.functions import Cast

from integrations.models import Contact, ContactLink, Patient, SearchKey
from integrations.sync.people import birthday_marks, digests_for, search_terms
from tenants.encryption import EncryptedJSONField, EncryptedTextField
from tenants.models import Practice

BATCH = 500
_TRIES = 3


@dataclass
class Rotated:
    """What one column's (or the search keys') rotation did.

    ``looked_at`` rows with a value, ``renewed`` of them, ``unreadable`` under every key, ``left`` because
    the service kept changing them: run it again.
    """

    name: str
    looked_at: int = 0
    renewed: int = 0
    unreadable: int = 0
    left: int = 0


def encrypted_columns() -> list[tuple[type[Model], str]]:
    """Every encrypted column of every model, history tables included."""
    return [
        (model, field.attname)
        for model in apps.get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, EncryptedTextField | EncryptedJSONField)
    ]


def rotate_column(model: type[Model], column: str, batch: int = BATCH) -> Rotated:
    """Encrypt one column again where its token is not of the first key."""
    done = Rotated(f"{model._meta.label}.{column}")
    last = None
    while rows := _rows_after(model, column, last, batch):
        last = rows[-1][0]
        done.looked_at += len(rows)
        _renew(model, column, rows, done)
    return done


def _raw(model: type[Model], column: str) -> Any:
    """Rows with the stored token as ``raw``, not decrypted. Managers that hide rows are passed by."""
    return model._base_manager.annotate(raw=Cast(F(column), TextField())).exclude(raw="").exclude(raw=None)


def _rows_after(model: type[Model], column: str, last: Any, batch: int) -> list[tuple[Any, str]]:
    rows = _raw(model, column).order_by("pk")
    return list((rows if last is None else rows.filter(pk__gt=last)).values_list("pk", "raw")[:batch])


def _renew(model: type[Model], column: str, rows: list[tuple[Any, str]], done: Rotated) -> None:
    for _ in range(_TRIES):
        replacements = list(_replacements(rows, done))
        missed = []
        with transaction.atomic():
            for pk, old, new in replacements:
                found = _raw(model, column).filter(pk=pk, raw=old)
                missed += [] if found.update(**{column: Value(new, TextField())}) else [pk]
        done.renewed += len(replacements) - len(missed)
        if not missed:
            return
        rows = list(_raw(model, column).filter(pk__in=missed).values_list("pk", "raw"))
    done.left += len(rows)


def _replacements(rows: list[tuple[Any, str]], done: Rotated) -> Iterator[tuple[Any, str, str]]:
    """(pk, token, token under the first key) where they differ."""
    keys = [Fernet(key) for key in settings.FIELD_KEYS]
    for pk, token in rows:
        try:
            keys[0].decrypt(token.encode())
        except InvalidToken:
            try:
                yield pk, token, MultiFernet(keys).rotate(token.encode()).decode()
            except InvalidToken:
                done.unreadable += 1


def rotate_search_keys(batch: int = BATCH) -> Rotated:
    """Hash what patients are searched by under the first key. The numbers count patients."""
    done = Rotated("people search")
    countries = dict(Practice.objects.across_practices().values_list("pk", "country"))
    last = 0
    while True:
        with transaction.atomic():
            rows = Patient.objects.across_practices().filter(pk__gt=last).order_by("pk")
            # Locked, so that a patient who changes meanwhile is hashed either before or after, not between.
            patients = list(
                rows.select_for_update().only("external_id", "demographics", "practice_id")[:batch]
            )
            if not patients:
                return done
            last = patients[-1].pk
            done.looked_at += len(patients)
            done.renewed += _renew_search(patients, countries)
            _renew_birthdays(patients)


def _renew_birthdays(patients: list[Patient]) -> None:
    """Mark under the first key which birth date a contact was enrolled for."""
    links = ContactLink.objects.across_practices().filter(patient__in=patients).select_related("contact")
    born = {
        patient.pk: cast("dict[str, Any]", patient.demographics or {}).get("birth_date")
        for patient in patients
    }
    for link in links.exclude(contact__birthday_enrolled_for=""):
        newest, *older = birthday_marks(link.contact_id, str(born[link.patient_id]))
        if link.contact.birthday_enrolled_for in older:
            rows = Contact.objects.across_practices().filter(pk=link.contact_id)
            rows.update(birthday_enrolled_for=newest)


def _renew_search(patients: list[Patient], countries: dict[int, str]) -> int:
    have: dict[int, dict[tuple[str, str], int]] = {patient.pk: {} for patient in patients}
    rows = SearchKey.objects.across_practices().filter(patient__in=patients)
    for pk, patient_id, kind, digest in rows.values_list("pk", "patient_id", "kind", "digest"):
        have[patient_id][kind, digest] = pk
    stale: list[int] = []
    fresh: list[SearchKey] = []
    for patient in patients:
        demographics = cast("dict[str, Any]", patient.demographics or {})
        terms = search_terms(demographics, patient.external_id, countries[patient.practice_id])
        wanted = digests_for(terms)
        stale += [pk for key, pk in have[patient.pk].items() if key not in wanted]
        fresh += [
            SearchKey(patient=patient, practice_id=patient.practice_id, kind=kind, digest=digest)
            for kind, digest in sorted(wanted - set(have[patient.pk]))
        ]
    SearchKey.objects.across_practices().filter(pk__in=stale).delete()
    SearchKey.objects.bulk_create(fresh, ignore_conflicts=True)
    return len({key.patient_id for key in fresh})
