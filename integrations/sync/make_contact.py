"""Making a contact that nobody in the CRM is, without making anybody twice."""

from typing import Any

from integrations.contract.errors import RejectedError, TransientError
from integrations.crm import matching
from integrations.crm.answers import DuplicateContact
from integrations.crm.calls import ContactValues
from integrations.crm.client import Json
from integrations.models import Effect
from integrations.sync import identity
from integrations.sync.contact_values import check_echo, contact_values, is_birth_date_refused
from integrations.sync.recipient import HeldForIdentity, Recipient
from integrations.sync.write_money import money_kept, money_written, open_ledger


def make_contact(to: Recipient, effect: Effect) -> dict[str, Any] | None:
    """What was answered, or None when somebody who fits turned up: ``to`` has that contact then.

    Raises HeldForIdentity, and TransientError where the CRM may have made the contact although it refused.
    """
    if effect.body.get("money"):
        open_ledger(to, effect, {})
    values = contact_values(to, effect)
    if effect.body.get("gender"):
        values["gender"] = effect.body["gender"]
    created = _post(to, effect, values)
    if created is None:
        return None
    patient = to.work.event.patient
    assert patient is not None
    left_out = identity.left_out_by_answer(patient, to.account)
    to.use(identity.link(patient, to.account, created, "created by AX Connect", left_out))
    to.contact_is_new = True
    money_kept(to, effect, created)
    check_echo(to, effect, values, created)
    money_written(to, effect)
    to.work.tell("matched", "Nobody in the CRM has this patient id, e-mail or phone: a new contact was made.")
    return {"contact": created["id"], "created": True}


def _post(to: Recipient, effect: Effect, values: ContactValues) -> Json | None:
    """The contact made, or None when one that fits turned up and was linked."""
    try:
        return to.client.create_contact(values)
    except DuplicateContact as error:
        if not _is_ruled_out(to, error):
            _somebody_has_it(to, error)
            return None
        _leave_out_too(to, effect, values, error)
        return _post(to, effect, values)
    except RejectedError as error:
        # A refused create has been seen to create: look before trying once more or giving up.
        if is_birth_date_refused(to, values, error):
            to.match_again()
            return None if to.contact is not None else _post(to, effect, values)
        if error.status != 422 or any(attempt["status"] == 422 for attempt in effect.attempts):
            raise
    raise TransientError(
        "The CRM refused to make the contact but may have made it: looked up first.",
        may_have_happened=True,
        status=422,
    )


def _is_ruled_out(to: Recipient, error: DuplicateContact) -> bool:
    """Whether a person said that the contact with this value is somebody else, however well it fits by now."""
    patient = to.work.event.patient
    return patient is not None and error.contact_id in identity.ruled_out(patient, to.account)


def _leave_out_too(to: Recipient, effect: Effect, values: ContactValues, error: DuplicateContact) -> None:
    """Make the contact without a value that somebody else has. Raises RejectedError when nothing to reach them by
    would be left."""
    name = error.matching_field or ("phone" if "phone" in values else "email")
    rest = {"email", "phone"} & set(values) - {name}
    what = {"email": "e-mail", "phone": "phone number"}[name]
    if not rest or name not in values:
        raise RejectedError(
            f"The contact cannot be made: the CRM gives an e-mail or phone to one contact, and this patient's {what} "
            "stands on the one that a person said is somebody else. Take it off there, then retry this event."
        )
    values.pop(name)  # type: ignore[misc]
    effect.body["native"].pop(name, None)
    assert to.work.event.patient is not None
    identity.leave_out_too(to.work.event.patient, to.account, name)
    to.work.tell("contact", f"The {what} stands on the contact that is somebody else: left out.")


def _somebody_has_it(to: Recipient, error: DuplicateContact) -> None:
    """The CRM knows a contact with this e-mail or phone: link it if it fits, else ask a person."""
    found = to.client.get_contact(error.contact_id)
    patient = to.work.event.patient
    assert patient is not None
    manifest = to.work.connection.manifest
    id_field, born_field = to.field_id(manifest.patient_id_field), to.field_id(manifest.birthday_field)
    if matching.fits(to.person, found, patient_id_field=id_field, birthday_field=born_field):
        to.use(identity.link(patient, to.account, found, "found when it was to be created"))
        return
    clashes = [error.matching_field] if error.matching_field else []
    who = identity.hold(
        patient, to.account, [found["id"]], clashes, "Another person has this e-mail or phone."
    )
    raise HeldForIdentity(who.words)
