"""The lifetime value, which is written with the contact: before and after are written down first, so that a crash in
the middle can be told from a write that happened."""

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.contract.errors import ConfigError
from integrations.crm.client import Json
from integrations.crm.fields import amount_value, field_value
from integrations.models import Effect, LedgerRow, LedgerState
from integrations.sync import identity
from integrations.sync.effects import update_effect
from integrations.sync.recipient import Recipient


def settle_money(to: Recipient, effect: Effect, contact: Json, in_doubt: bool) -> dict[str, Any] | None:
    """Before writing: open the ledger row, or find out whether an uncertain write happened.

    The answer to give when nothing is left to write, else None.
    """
    money = effect.body["money"]
    if money.get("written"):
        return None
    if not in_doubt or "after" not in money:
        open_ledger(to, effect, contact)
        return None
    if _ledger(to).filter(state=LedgerState.WRITTEN).exists():
        # Whoever wrote it died between closing the row and the effect; other payments may have come since.
        money["written"] = True
        return {"contact": contact["id"], "reason": "It had been written before the interruption."}
    now = _lifetime_value_in(to, contact)
    if now == Decimal(money["after"]) or _shows_payment(to, effect, contact):
        money_written(to, effect)
        return {"contact": contact["id"], "reason": "It had been written before the interruption."}
    if now == Decimal(money["before"]):
        return None
    words = (
        f"The lifetime value was {money['before']} before and should be {money['after']} after this payment, "
        f"but the CRM shows {now:.2f}: correct it there if needed."
    )
    _ledger(to).update(state=LedgerState.NEEDS_ATTENTION)
    to.work.tell("money", words)
    return {"contact": contact["id"], "unsure": True, "reason": words}


def _shows_payment(to: Recipient, effect: Effect, contact: Json) -> bool:
    """Whether the contact shows this payment's id now, and did not before."""
    name = to.work.connection.manifest.payment_id_field
    own_id = str(effect.body["custom"].get(name) or "") if name else ""
    id_before = effect.body["money"]["id_before"]
    return bool(own_id) and _payment_id_in(to, contact) == own_id and id_before != own_id


def open_ledger(to: Recipient, effect: Effect, contact: Json) -> None:
    """Write down before and after. ``contact`` is {} for one that is to be made."""
    to.check_lease()
    before = _lifetime_value_in(to, contact)
    money = effect.body["money"]
    after = before + Decimal(money["amount"])
    money |= {"before": str(before), "after": str(after), "id_before": _payment_id_in(to, contact)}
    with transaction.atomic():
        update_effect(effect, body=effect.body)
        _ledger(to).update(before=before or 0, after=after, id_before=money["id_before"], contact=to.contact)


def money_kept(to: Recipient, effect: Effect, echo: Json) -> None:
    """The amount counts from here on, whatever becomes of the other fields."""
    money = effect.body.get("money")
    if money and amount_value(echo, to.field_id(identity.LIFETIME_VALUE)) == Decimal(money["after"]):
        money_written(to, effect)


def money_written(to: Recipient, effect: Effect) -> None:
    """Close the ledger row, once."""
    money = effect.body.get("money")
    if not money or to.contact is None or money.get("written"):
        return
    money["written"] = True
    to.contact.lifetime_value = Decimal(money["after"])
    to.contact.save(update_fields=["lifetime_value"])
    _ledger(to).update(state=LedgerState.WRITTEN, written_at=timezone.now(), contact=to.contact)
    to.work.tell("money", f"Lifetime value {money['before']} → {money['after']}.")


def _lifetime_value_in(to: Recipient, contact: Json) -> Decimal:
    """The contact's lifetime value, 0 when it has none yet.

    No value can also mean that our copy of the field's id is missing or stale, and adding to 0 would then
    wipe out the true value: so the field list is read again before 0 is believed.
    """
    for is_second_look in (False, True):
        field_id = to.field_id(identity.LIFETIME_VALUE)
        value = amount_value(contact, field_id) if field_id else None
        if value is not None:
            return value
        if not is_second_look and (contact or not field_id):
            to.refresh_fields()
    if not to.field_id(identity.LIFETIME_VALUE):
        raise ConfigError(
            f'The sub-account {to.account.key} lacks the custom field "{identity.LIFETIME_VALUE}": '
            "provision the fields of this EMR."
        )
    return Decimal("0.00")


def _payment_id_in(to: Recipient, contact: Json) -> str:
    field_id = to.field_id(to.work.connection.manifest.payment_id_field)
    return str(field_value(contact, field_id) or "") if field_id else ""


def _ledger(to: Recipient) -> Any:
    return LedgerRow.objects.for_practice(to.work.profile.id).filter(event=to.work.event)
