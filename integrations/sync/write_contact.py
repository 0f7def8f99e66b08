"""Writing the contact: by its id, or by making it. With money: read, add, and write value and payment id at once."""

from typing import Any

from integrations.contract.errors import NotFoundError, RejectedError
from integrations.crm.answers import DuplicateContact
from integrations.crm.calls import ContactValues
from integrations.crm.client import Json
from integrations.models import Effect
from integrations.sync import identity
from integrations.sync.contact_values import check_echo, contact_values, is_birth_date_refused
from integrations.sync.make_contact import make_contact
from integrations.sync.recipient import Recipient
from integrations.sync.write_money import money_kept, money_written, settle_money


def write_contact(to: Recipient, effect: Effect, in_doubt: bool) -> dict[str, Any]:
    """Write a contact's values; repeating it changes nothing, and money is settled before it is repeated."""
    if to.contact is None:
        to.adopt_linked()
    if to.contact is None:
        return _make(to, effect, in_doubt)
    to.lease()
    if effect.body.get("money"):
        before = _read(to)
        if not before:  # gone from the CRM, and nobody there fits
            return _make(to, effect, in_doubt)
        settled = settle_money(to, effect, before, in_doubt)
        if settled is not None:
            return settled
    values = contact_values(to, effect)
    try:
        echo = _put(to, effect, values)
    except NotFoundError:
        to.contact_is_gone()
        return write_contact(to, effect, False)
    money_kept(to, effect, echo)
    check_echo(to, effect, values, echo)
    money_written(to, effect)
    return {"contact": to.contact.crm_id}


def _make(to: Recipient, effect: Effect, in_doubt: bool) -> dict[str, Any]:
    if in_doubt:
        to.match_again()
        if to.contact is not None:
            return write_contact(to, effect, True)
    return make_contact(to, effect) or write_contact(to, effect, False)


def _read(to: Recipient) -> Json:
    """The contact as the CRM has it, {} when it is gone and nobody fits."""
    assert to.contact is not None
    to.lease()
    try:
        found = to.client.get_contact(to.contact.crm_id)
    except NotFoundError:
        to.contact_is_gone()
        return _read(to) if to.contact is not None else {}
    identity.learn(to.contact, found, to.account)
    return found


def _put(to: Recipient, effect: Effect, values: ContactValues) -> Json:
    """PUT, once more without what the CRM refuses: a value that is somebody else's, or the birth date."""
    assert to.contact is not None
    try:
        return to.client.update_contact(to.contact.crm_id, values)
    except DuplicateContact as error:
        name = error.matching_field or ("phone" if "phone" in values else "email")
        if name not in values:
            raise
        _leave_out(to, effect, values, name, error.contact_id)
    except RejectedError as error:
        if not is_birth_date_refused(to, values, error):
            raise
    return _put(to, effect, values)


def _leave_out(to: Recipient, effect: Effect, values: ContactValues, name: str, other: str) -> None:
    values.pop(name)  # type: ignore[misc]
    effect.body["native"].pop(name, None)
    if to.work.event.patient is not None:
        identity.clash(to.work.event.patient, to.account, name, other)
    what = {"email": "e-mail", "phone": "phone number"}[name]
    to.work.tell("contact", f"The {what} belongs to another contact: left out and listed for a person.")
