"""The values that a contact is written with, and whether the CRM kept them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import cast

from django.db import transaction

from integrations.contract.errors import ConfigError, RejectedError
from integrations.crm.calls import ContactValues
from integrations.crm.client import Json
from integrations.crm.fields import custom_field_values, echo_missing, native_differences
from integrations.models import Effect, Incident, IncidentKind, SubAccount
from integrations.signals import raise_config_version
from integrations.sync import identity, stored
from integrations.sync.incidents import (
    close_fields,
    close_incidents,
    field_subject,
    open_incident,
)
from integrations.sync.recipient import Recipient


def contact_values(to: Recipient, effect: Effect) -> ContactValues:
    """What is sent, with the sub-account's field ids. Raises ConfigError for a field that it lacks."""
    body = effect.body
    values = cast(ContactValues, dict(body["native"]))
    if body.get("birth_date") and not to.account.refuses_birth_date:
        values["dateOfBirth"] = body["birth_date"]
    custom = {name: stored.unpack(value) for name, value in body["custom"].items()}
    money = body.get("money") or {}
    if "after" in money and not money.get("written"):
        custom[identity.LIFETIME_VALUE] = Decimal(money["after"])
    items, missing = custom_field_values(custom, to.account.fields)
    if missing:
        to.refresh_fields()
        items, missing = custom_field_values(custom, to.account.fields)
    if missing:
        names = ", ".join(f'"{name}"' for name in sorted(missing))
        raise ConfigError(
            f"The sub-account {to.account.key} lacks the custom field {names}, or it has another type: "
            "provision the fields of this EMR."
        )
    if items:
        values["customFields"] = items
    return values


def is_birth_date_refused(to: Recipient, values: ContactValues, error: RejectedError) -> bool:
    """Whether the CRM refused for the native birth date: then it is taken out of ``values`` for good."""
    if "dateOfBirth" not in values or "dateOfBirth" not in str(error.details.get("fields")):
        return False
    values.pop("dateOfBirth")
    rows = SubAccount.objects.for_practice(to.work.profile.id).filter(pk=to.account.id)
    with transaction.atomic():  # flag and incident as one: a person may say "again" in between
        rows.update(refuses_birth_date=True)
        raise_config_version(to.work.profile.id)
        open_incident(
            to.work.profile.id,
            IncidentKind.BIRTH_DATE_REFUSED,
            f"Sub-account {to.account.key} does not take the native date of birth; the custom field is written.",
            sub_account_id=to.account.id,
        )
    return True


def write_birth_date_again(account: SubAccount) -> bool:
    """The CRM gets the native date of birth of this sub-account's contacts again. False where it gets it."""
    rows = SubAccount.objects.for_practice(account.practice_id).filter(pk=account.pk, refuses_birth_date=True)
    with transaction.atomic():
        if not rows.update(refuses_birth_date=False):
            return False
        close_incidents(account.practice_id, IncidentKind.BIRTH_DATE_REFUSED, sub_account_id=account.pk)
        raise_config_version(account.practice_id)
    return True


def check_echo(to: Recipient, effect: Effect, values: ContactValues, echo: Json) -> None:
    """What the CRM did not keep although it said yes: fields with a stale id, values it changed."""
    assert to.contact is not None
    missing = echo_missing(values.get("customFields", []), echo)
    if missing and not _are_reported(to, missing):
        to.refresh_fields(force=True)
        values = contact_values(to, effect)
        echo = to.client.update_contact(to.contact.crm_id, {"customFields": values.get("customFields", [])})
        missing = echo_missing(values.get("customFields", []), echo)
        _report(to, missing)
    _forget_unkept(to, values, echo, missing)
    for name in native_differences(values, echo):
        if name in ("email", "phone") and to.work.event.patient is not None:
            identity.clash(to.work.event.patient, to.account, name, "")
    identity.learn(to.contact, echo, to.account)


def _are_reported(to: Recipient, missing: Sequence[str]) -> bool:
    """Whether there is an incident about each of these fields: reading the field list again helps nothing."""
    subjects = [field_subject(to.account.id, crm_id) for crm_id in missing]
    rows = Incident.objects.for_practice(to.work.profile.id).filter(
        kind=IncidentKind.FIELD_NOT_STORED, subject__in=subjects, closed_at=None
    )
    return rows.count() == len(set(subjects))


def _report(to: Recipient, missing: Sequence[str]) -> None:
    names = {crm_id: name for name, (crm_id, _) in to.account.fields.items()}
    opened = [
        open_incident(
            to.work.profile.id,
            IncidentKind.FIELD_NOT_STORED,
            f'The CRM accepts but does not keep the custom field "{names.get(crm_id, crm_id)}": check it there.',
            subject=field_subject(to.account.id, crm_id),
            sub_account_id=to.account.id,
        )
        for crm_id in missing
    ]
    if any(opened):  # workers watch for the write that is kept again
        raise_config_version(to.work.profile.id)


def _forget_unkept(to: Recipient, values: ContactValues, echo: Json, missing: Sequence[str]) -> None:
    """A field that an incident is about was kept this time: the incident is over."""
    if not (to.account.unkept_fields and echo):  # nearly every write
        return
    sent = {item["id"] for item in values.get("customFields", [])}
    kept = (to.account.unkept_fields & sent) - set(missing)
    if kept and close_fields(to.work.profile.id, to.account.id, kept):
        raise_config_version(to.work.profile.id)
