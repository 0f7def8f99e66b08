"""The way out: planned effects are sent one by one and confirmed with what the CRM answered.

Each is marked as being sent before the call, so that after a crash we know that it may have happened: then it
is in doubt and looked up, not blindly repeated (see ``_resolve`` of each kind).
"""

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

from django.db import transaction
from django.utils import timezone

from integrations.contract.errors import ConfigError, NotFoundError, RejectedError, TransientError
from integrations.contract.records import Person
from integrations.crm import matching
from integrations.crm.answers import DuplicateContact, DuplicateOpportunity
from integrations.crm.calls import ContactValues, OpportunityValues
from integrations.crm.client import CrmClient, Json
from integrations.crm.fields import (
    amount_value,
    custom_field_values,
    echo_missing,
    field_key,
    field_value,
    native_differences,
)
from integrations.crm.opportunities import adopted, opportunity_name, pick
from integrations.models import (
    Contact,
    Effect,
    EffectKind,
    EffectState,
    InboundEvent,
    Incident,
    LedgerRow,
    LedgerState,
    Opportunity,
    SubAccount,
)
from integrations.models.subaccounts import PipelineKind
from integrations.signals import raise_config_version
from integrations.sync import hot, identity, known_fields, lanes, stored
from integrations.sync.crm_access import client_for
from integrations.sync.decide import OPEN, PATIENT, WON
from integrations.sync.incidents import open_incident
from integrations.sync.people import birthday_marks
from integrations.sync.plan import Work
from integrations.sync.profile import SubAccountProfile

# The CRM's search shows a write some seconds late: look after this pause.
DOUBT_PAUSE_SECONDS = 6.0


class HeldForIdentity(Exception):
    """The CRM says that a value of this new contact is somebody else's: a person must decide."""


class ContactGone(Exception):
    """The contact was deleted or merged in the CRM: the event is matched and planned again."""


class InDoubt(Exception):
    """A write may have happened and the CRM does not show it yet: look again in ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__("A write may have happened; it is looked up before it is repeated.")
        self.seconds = seconds


class Delivery:
    """Sends one event's effects to its sub-account."""

    def __init__(self, work: Work, account: SubAccountProfile, person: Person) -> None:
        self.work = work
        self.account = account
        self.person = person
        self._client: CrmClient = client_for(account, work.event.priority)
        self._called = False  # whether this effect has called the CRM since its mark was set
        self.contact: Contact | None = work.event.contact
        self.contact_is_new = False

    @property
    def client(self) -> CrmClient:
        """The CRM, for one call more. Raises LeaseLost when an effect's earlier call outlasted the lease."""
        if self._called:
            self._check_lease()
        self._called = True
        return self._client

    def _check_lease(self) -> None:
        if not hot.holds_lane(self.work.lane.id, self.work.lane.owner):
            raise lanes.LeaseLost

    def run(self, effects: Sequence[Effect]) -> None:
        """Send what is not done yet, in order. Raises the contract's errors, HeldForIdentity, InDoubt, LeaseLost."""
        todo = [effect for effect in effects if effect.state in _UNFINISHED]
        crashed = {effect.pk for effect in todo if effect.state == EffectState.SENDING}
        for position, effect in enumerate(todo):
            in_doubt = effect.pk in crashed
            if in_doubt and effect.kind == EffectKind.ENROL:
                self._leave_in_doubt(effect)
                continue
            if in_doubt:
                self._wait_out_doubt(effect)
            elif effect.state == EffectState.PLANNED:
                self._mark_sending(effect)
            following = todo[position + 1] if position + 1 < len(todo) else None
            self._send(
                effect, None if following and following.pk in crashed else following, in_doubt=in_doubt
            )

    def _send(self, effect: Effect, following: Effect | None, *, in_doubt: bool) -> None:
        started = time.monotonic()
        self._called = False
        try:
            answer = _SENDERS[EffectKind(effect.kind)](self, effect, in_doubt)
        except Exception as error:
            # Whoever has the lane now may have done it meanwhile: then this error says nothing any more.
            self._check_lease()
            self._note_attempt(effect, started, error)
            if effect.kind == EffectKind.ENROL and _may_have_happened(error):
                self._leave_in_doubt(effect)
                return
            # What surely did not happen is planned again; what may have happened stays "sending", in doubt. A
            # doubt that could not be settled stays one: the look-up failed, which says nothing of the write.
            is_unsure = in_doubt or _may_have_happened(error)
            state = EffectState.SENDING if is_unsure else EffectState.PLANNED
            _update(effect, state=state, attempts=effect.attempts, reason=str(error)[:500], body=effect.body)
            if isinstance(error, NotFoundError) and effect.kind in _ABOUT_CONTACT:
                self._match_if_gone()
            raise
        self._confirm(effect, following, started, answer)

    def _mark_sending(self, effect: Effect) -> None:
        if not hot.mark_sending(effect, self.work.lane.id, self.work.lane.owner, timezone.now()):
            raise lanes.LeaseLost

    def _wait_out_doubt(self, effect: Effect) -> None:
        """Before looking up what may have happened, give the CRM's search the time to show it."""
        since = (timezone.now() - effect.sent_at).total_seconds() if effect.sent_at else DOUBT_PAUSE_SECONDS
        if self._is_searched_for(effect) and since < DOUBT_PAUSE_SECONDS:
            raise InDoubt(DOUBT_PAUSE_SECONDS - since)

    def _is_searched_for(self, effect: Effect) -> bool:
        """Whether the write may have made something whose id we do not have."""
        if effect.kind == EffectKind.CONTACT:
            return self.contact is None
        return effect.kind == EffectKind.OPPORTUNITY and effect.body["pipeline"] not in self._opportunities()

    def _opportunities(self) -> dict[PipelineKind, Opportunity]:
        """The contact's opportunities by pipeline, read once."""
        if self.work.opportunities is None:
            rows = Opportunity.objects.across_practices().filter(contact=self.contact) if self.contact else ()
            self.work.opportunities = {PipelineKind(row.pipeline): row for row in rows}
        return self.work.opportunities

    def _note_attempt(self, effect: Effect, started: float, error: Exception | None) -> None:
        attempt: dict[str, Any] = {
            "at": timezone.now().isoformat(timespec="milliseconds"),
            "ms": round((time.monotonic() - started) * 1000),
            "status": getattr(error, "status", None) or ("ok" if error is None else type(error).__name__),
        }
        if error is not None:
            attempt["error"] = f"{error} {getattr(error, 'vendor_words', '')}".strip()[:400]
        effect.attempts = [*effect.attempts[-19:], attempt]

    def _confirm(
        self, effect: Effect, following: Effect | None, started: float, answer: dict[str, Any]
    ) -> None:
        """Write down what was answered and, in the same statement, that the next effect is about to be sent."""
        self._note_attempt(effect, started, None)
        skipped = answer.pop("skipped", "")
        effect.state = EffectState.SKIPPED if skipped else EffectState.DONE
        if answer.pop("unsure", False):
            effect.state = EffectState.IN_DOUBT
        effect.reason = (skipped or answer.pop("reason", ""))[:500]
        effect.answer, effect.confirmed_at, effect.contact = answer, timezone.now(), self.contact
        lane = self.work.lane
        if following is None:
            hot.confirm(effect)
        elif not hot.confirm_and_mark(effect, following, lane.id, lane.owner, timezone.now()):
            # It happened all the same; the worker that has the lane now must not repeat it.
            hot.confirm(effect)
            raise lanes.LeaseLost

    def _leave_in_doubt(self, effect: Effect) -> None:
        words = (
            "It is not certain that the enrolment happened. "
            "It is not repeated: the patient could be written to twice."
        )
        _update(effect, state=EffectState.IN_DOUBT, reason=words, attempts=effect.attempts)
        if self.contact is not None:
            self._enrolled_for_birthday(effect, self.contact)
        self.work.tell("enrolment", words)

    # The contact

    def send_contact(self, effect: Effect, in_doubt: bool) -> dict[str, Any]:
        """Write the contact by its id, or make it. With money: read, add, and write value and payment id at once."""
        body = effect.body
        if self.contact is None:
            self._adopt_linked()
        if self.contact is None:
            return self._create_contact(effect, in_doubt)
        before: Json = {}
        if body.get("money"):
            before = self._read_contact(effect)
            if not before:  # gone from the CRM, and nobody there fits
                return self._create_contact(effect, in_doubt)
            settled = self._settle_money(effect, before, in_doubt)
            if settled is not None:
                return settled
        values = self._contact_values(effect)
        try:
            echo = self._put_contact(effect, values)
        except NotFoundError:
            return self._contact_is_gone(effect)
        self._money_kept(effect, echo)
        self._check_echo(effect, values, echo)
        self._money_written(effect)
        return {"contact": self.contact.crm_id}

    def _adopt_linked(self) -> None:
        """A contact that another event of this patient linked meanwhile."""
        event = self.work.event
        rows = identity.ContactLink.objects.across_practices().filter(
            patient_id=event.patient_id, sub_account_id=self.account.id
        )
        link = rows.select_related("contact").first()
        if link is not None:
            self._use(link.contact)

    def _use(self, contact: Contact) -> None:
        self.contact = self.work.event.contact = contact
        self.work.opportunities = None
        InboundEvent.objects.across_practices().filter(pk=self.work.event.pk).update(contact=contact)

    def _read_contact(self, effect: Effect) -> Json:
        assert self.contact is not None
        try:
            found = self.client.get_contact(self.contact.crm_id)
        except NotFoundError:
            identity.unlink(self.contact)
            self.contact = None
            self.work.tell("contact", "The contact was deleted or merged in the CRM: matched again.")
            self._match_again()
            return self._read_contact(effect) if self.contact is not None else {}
        identity.learn(self.contact, found, self.account)
        return found

    def _contact_values(self, effect: Effect) -> ContactValues:
        body = effect.body
        values = cast(ContactValues, dict(body["native"]))
        if body.get("birth_date") and not self.account.refuses_birth_date:
            values["dateOfBirth"] = body["birth_date"]
        custom = {name: stored.unpack(value) for name, value in body["custom"].items()}
        money = body.get("money") or {}
        if "after" in money and not money.get("written"):
            custom[identity.LIFETIME_VALUE] = Decimal(money["after"])
        items, missing = custom_field_values(custom, self.account.fields)
        if missing:
            self._refresh_fields()
            items, missing = custom_field_values(custom, self.account.fields)
        if missing:
            names = ", ".join(f'"{name}"' for name in sorted(missing))
            raise ConfigError(
                f"The sub-account {self.account.key} lacks the custom field {names}, or it has another type: "
                "provision the fields of this EMR."
            )
        if items:
            values["customFields"] = items
        return values

    def _refresh_fields(self, *, force: bool = False) -> None:
        self.account = known_fields.refreshed(self.work.profile.id, self.account, self.client, force=force)

    def _put_contact(self, effect: Effect, values: ContactValues) -> Json:
        """PUT, once more without what the CRM refuses: a value that is somebody else's, or the birth date."""
        assert self.contact is not None
        try:
            return self.client.update_contact(self.contact.crm_id, values)
        except DuplicateContact as error:
            name = error.matching_field or ("phone" if "phone" in values else "email")
            if name not in values:
                raise
            self._leave_out(effect, values, name, error.contact_id)
        except RejectedError as error:
            if not self._birth_date_refused(values, error):
                raise
        return self._put_contact(effect, values)

    def _leave_out(self, effect: Effect, values: ContactValues, name: str, other: str) -> None:
        values.pop(name)  # type: ignore[misc]
        effect.body["native"].pop(name, None)
        if self.work.event.patient is not None:
            identity.clash(self.work.event.patient, self.account, name, other)
        what = {"email": "e-mail", "phone": "phone number"}[name]
        self.work.tell("contact", f"The {what} belongs to another contact: left out and listed for a person.")

    def _birth_date_refused(self, values: ContactValues, error: RejectedError) -> bool:
        if "dateOfBirth" not in values or "dateOfBirth" not in str(error.details.get("fields")):
            return False
        values.pop("dateOfBirth")
        SubAccount.objects.for_practice(self.work.profile.id).filter(pk=self.account.id).update(
            refuses_birth_date=True
        )
        raise_config_version(self.work.profile.id)
        open_incident(
            self.work.profile.id,
            "birth_date_refused",
            f"Sub-account {self.account.key} does not take the native date of birth; the custom field is written.",
            sub_account_id=self.account.id,
        )
        return True

    def _check_echo(self, effect: Effect, values: ContactValues, echo: Json) -> None:
        """What the CRM did not keep although it said yes: fields with a stale id, values it changed."""
        assert self.contact is not None
        missing = echo_missing(values.get("customFields", []), echo)
        if missing and not self._are_reported(missing):
            self._refresh_fields(force=True)
            values = self._contact_values(effect)
            echo = self.client.update_contact(
                self.contact.crm_id, {"customFields": values.get("customFields", [])}
            )
            self._field_incident(echo_missing(values.get("customFields", []), echo))
        for name in native_differences(values, echo):
            if name in ("email", "phone") and self.work.event.patient is not None:
                identity.clash(self.work.event.patient, self.account, name, "")
        identity.learn(self.contact, echo, self.account)

    def _are_reported(self, missing: Sequence[str]) -> bool:
        """Whether there is an incident about each of these fields: reading the field list again helps nothing."""
        subjects = [f"field {self.account.id}:{crm_id}" for crm_id in missing]
        rows = Incident.objects.for_practice(self.work.profile.id).filter(
            kind="field_not_stored", subject__in=subjects, closed_at=None
        )
        return rows.count() == len(set(subjects))

    def _field_incident(self, missing: Sequence[str]) -> None:
        names = {crm_id: name for name, (crm_id, _) in self.account.fields.items()}
        for crm_id in missing:
            open_incident(
                self.work.profile.id,
                "field_not_stored",
                f'The CRM accepts but does not keep the custom field "{names.get(crm_id, crm_id)}": check it there.',
                subject=f"field {self.account.id}:{crm_id}",
                sub_account_id=self.account.id,
            )

    def _contact_is_gone(self, effect: Effect) -> dict[str, Any]:
        """Deleted or merged in the CRM: match again, never recreate blindly."""
        assert self.contact is not None
        identity.unlink(self.contact)
        self.contact = None
        self.work.tell("contact", "The contact was deleted or merged in the CRM: matched again.")
        self._match_again()
        return self.send_contact(effect, False)

    def _match_if_gone(self) -> None:
        """Raises ContactGone when it is the contact itself that the CRM does not find."""
        if self.contact is None:
            return
        try:
            self.client.get_contact(self.contact.crm_id)
        except NotFoundError:
            identity.unlink(self.contact)
            self.work.event.contact = None
            raise ContactGone from None

    def _match_again(self) -> None:
        reachable = identity.Reachable.of(self.person, self.work.profile.country)
        who = identity.find(self.work, self.person, reachable, self.account)
        if who.held:
            raise HeldForIdentity(who.words)
        if who.contact is not None:
            self._use(who.contact)

    # A new contact

    def _create_contact(self, effect: Effect, in_doubt: bool) -> dict[str, Any]:
        if in_doubt:
            self._match_again()
            if self.contact is not None:
                return self.send_contact(effect, True)
        if effect.body.get("money"):
            self._open_ledger(effect, {})
        values = self._contact_values(effect)
        if effect.body.get("gender"):
            values["gender"] = effect.body["gender"]
        created = self._post_contact(effect, values)
        if created is None:
            return self.send_contact(effect, False)
        assert self.work.event.patient is not None
        patient = self.work.event.patient
        left_out = identity.left_out_by_answer(patient, self.account)
        self._use(identity.link(patient, self.account, created, "created by AX Connect", left_out))
        self.contact_is_new = True
        self._money_kept(effect, created)
        self._check_echo(effect, values, created)
        self._money_written(effect)
        self.work.tell(
            "matched", "Nobody in the CRM has this patient id, e-mail or phone: a new contact was made."
        )
        return {"contact": created["id"], "created": True}

    def _post_contact(self, effect: Effect, values: ContactValues) -> Json | None:
        """The contact made, or None when one that fits turned up and was linked."""
        try:
            return self.client.create_contact(values)
        except DuplicateContact as error:
            self._somebody_has_it(error)
            return None
        except RejectedError as error:
            # A refused create has been seen to create: look before trying once more or giving up.
            if self._birth_date_refused(values, error):
                self._match_again()
                return None if self.contact is not None else self._post_contact(effect, values)
            if error.status != 422 or any(attempt["status"] == 422 for attempt in effect.attempts):
                raise
        raise TransientError(
            "The CRM refused to make the contact but may have made it: looked up first.",
            may_have_happened=True,
            status=422,
        )

    def _somebody_has_it(self, error: DuplicateContact) -> None:
        """The CRM knows a contact with this e-mail or phone: link it if it fits, else ask a person."""
        found = self.client.get_contact(error.contact_id)
        patient = self.work.event.patient
        assert patient is not None
        manifest = self.work.connection.manifest
        id_field, born_field = (
            self._field_id(manifest.patient_id_field),
            self._field_id(manifest.birthday_field),
        )
        if matching.fits(self.person, found, patient_id_field=id_field, birthday_field=born_field):
            self._use(identity.link(patient, self.account, found, "found when it was to be created"))
            return
        clashes = [error.matching_field] if error.matching_field else []
        who = identity.hold(
            patient, self.account, [found["id"]], clashes, "Another person has this e-mail or phone."
        )
        raise HeldForIdentity(who.words)

    # Money

    def _open_ledger(self, effect: Effect, contact: Json) -> None:
        """Write down before and after, so that a crash in the middle can be told from a write that happened."""
        self._check_lease()
        before = self._lifetime_value_in(contact)
        money = effect.body["money"]
        after = before + Decimal(money["amount"])
        money |= {
            "before": str(before),
            "after": str(after),
            "id_before": self._payment_id_in(contact),
        }
        with transaction.atomic():
            _update(effect, body=effect.body)
            self._ledger().update(
                before=before or 0, after=after, id_before=money["id_before"], contact=self.contact
            )

    def _lifetime_value_in(self, contact: Json) -> Decimal:
        """The contact's lifetime value, 0 when it has none yet.

        No value can also mean that our copy of the field's id is missing or stale, and adding to 0 would then
        wipe out the true value: so the field list is read again before 0 is believed.
        """
        for is_second_look in (False, True):
            field_id = self._field_id(identity.LIFETIME_VALUE)
            value = amount_value(contact, field_id) if field_id else None
            if value is not None:
                return value
            if not is_second_look and (contact or not field_id):
                self._refresh_fields()
        if not self._field_id(identity.LIFETIME_VALUE):
            raise ConfigError(
                f'The sub-account {self.account.key} lacks the custom field "{identity.LIFETIME_VALUE}": '
                "provision the fields of this EMR."
            )
        return Decimal("0.00")

    def _payment_id_in(self, contact: Json) -> str:
        name = self.work.connection.manifest.payment_id_field
        field_id = self._field_id(name)
        return str(field_value(contact, field_id) or "") if field_id else ""

    def _field_id(self, name: str) -> str:
        """CRM id of a custom field, "" where the sub-account lacks it."""
        return self.account.fields.get(field_key(name), ("", ""))[0] if name else ""

    def _ledger(self) -> Any:
        return LedgerRow.objects.for_practice(self.work.profile.id).filter(event=self.work.event)

    def _settle_money(self, effect: Effect, contact: Json, in_doubt: bool) -> dict[str, Any] | None:
        """Before writing: open the ledger row, or find out whether an uncertain write happened.

        The answer to give when nothing is left to write, else None.
        """
        money = effect.body["money"]
        if money.get("written"):
            return None
        if not in_doubt or "after" not in money:
            self._open_ledger(effect, contact)
            return None
        name = self.work.connection.manifest.payment_id_field
        own_id = str(effect.body["custom"].get(name) or "") if name else ""
        now_id = self._payment_id_in(contact)
        now = self._lifetime_value_in(contact)
        happened = bool(own_id) and now_id == own_id and money["id_before"] != own_id
        if happened or now == Decimal(money["after"]):
            self._money_written(effect)
            return {"contact": contact["id"], "reason": "It had been written before the interruption."}
        if now == Decimal(money["before"]):
            return None
        words = (
            f"The lifetime value was {money['before']} before and should be {money['after']} after this payment, "
            f"but the CRM shows {now:.2f}: correct it there if needed."
        )
        self._ledger().update(state=LedgerState.NEEDS_ATTENTION)
        self.work.tell("money", words)
        return {"contact": contact["id"], "unsure": True, "reason": words}

    def _money_kept(self, effect: Effect, echo: Json) -> None:
        """The amount counts from here on, whatever becomes of the other fields."""
        money = effect.body.get("money")
        if money and amount_value(echo, self._field_id(identity.LIFETIME_VALUE)) == Decimal(money["after"]):
            self._money_written(effect)

    def _money_written(self, effect: Effect) -> None:
        money = effect.body.get("money")
        if not money or self.contact is None or money.get("written"):
            return
        money["written"] = True
        self.contact.lifetime_value = Decimal(money["after"])
        self.contact.save(update_fields=["lifetime_value"])
        self._ledger().update(state=LedgerState.WRITTEN, written_at=timezone.now(), contact=self.contact)
        self.work.tell("money", f"Lifetime value {money['before']} → {money['after']}.")

    # Note, tag, enrolment

    def send_note(self, effect: Effect, in_doubt: bool) -> dict[str, Any]:
        """Add a note; in doubt, look for our reference among the contact's notes first."""
        contact = self._the_contact()
        if in_doubt:
            for note in self.client.list_notes(contact.crm_id):
                if effect.reference in str(note.get("body", "")):
                    return {"note": note.get("id"), "reason": "It had been written before the interruption."}
        return {"note": self.client.create_note(contact.crm_id, effect.body["text"])["id"]}

    def send_tag(self, effect: Effect, in_doubt: bool) -> dict[str, Any]:
        """Add a tag, or take it off; repeating it changes nothing."""
        change = self.client.remove_tags if effect.body.get("remove") else self.client.add_tags
        change(self._the_contact().crm_id, [effect.body["tag"]])
        return {}

    def send_enrolment(self, effect: Effect, in_doubt: bool) -> dict[str, Any]:
        """Enrol in the mapped CRM workflow, once."""
        name = effect.body["workflow"]
        workflow_id = self.work.workflow_id(self.account, name)
        if not workflow_id:
            return {"skipped": f'"{name}" is not mapped to a CRM workflow any more.'}
        contact = self._the_contact()
        self.client.enrol(contact.crm_id, workflow_id)
        self._enrolled_for_birthday(effect, contact)
        return {"workflow": workflow_id}

    def _enrolled_for_birthday(self, effect: Effect, contact: Contact) -> None:
        """Once per contact and birth date, also where it is not certain: the next visit must not do it again."""
        if effect.body.get("birthday"):
            contact.birthday_enrolled_for = birthday_marks(contact.pk, effect.body["birthday"])[0]
            contact.save(update_fields=["birthday_enrolled_for"])

    def _the_contact(self) -> Contact:
        if self.contact is None:
            self._adopt_linked()
        if self.contact is None:
            raise TransientError("The contact of this event is not known yet.")
        return self.contact

    # The opportunity

    def send_opportunity(self, effect: Effect, in_doubt: bool) -> dict[str, Any]:
        """Find or make the contact's opportunity in the pipeline, and write stage, status and value."""
        body = effect.body
        kind = PipelineKind(body["pipeline"])
        contact = self._the_contact()
        row = self._opportunities().get(kind)
        if row is not None:
            try:
                return self._put_opportunity(row, body)
            except NotFoundError:
                self._opportunities().pop(kind).delete()
        return self._find_or_create(contact, kind, body)

    def _find_or_create(self, contact: Contact, kind: PipelineKind, body: dict[str, Any]) -> dict[str, Any]:
        pipeline_id, stage_id = self._stage(kind, body["stage"] or body["stage_if_new"])
        found: list[Json] = []
        if not self.contact_is_new:
            found = self.client.search_opportunities(contact.crm_id, pipeline_id)
        chosen = pick(found)
        if chosen is None and not body["may_create"]:
            return {"skipped": "There is no opportunity in this pipeline to write the value to."}
        if chosen is None:
            try:
                made = self.client.create_opportunity(
                    self._new_opportunity(contact, pipeline_id, stage_id, body)
                )
                self._keep(contact, kind, made, body)
                return {
                    "opportunity": made["id"],
                    "created": True,
                    "stage": body["stage"] or body["stage_if_new"],
                }
            except DuplicateOpportunity as error:
                chosen = adopted(self.client.get_opportunity(error.existing_id), pipeline_id)
        row = self._keep(contact, kind, chosen, body)
        return self._put_opportunity(row, body)

    def _new_opportunity(
        self, contact: Contact, pipeline_id: str, stage_id: str, body: dict[str, Any]
    ) -> Any:
        names = {
            "firstName": self.person.first_name,
            "lastName": self.person.last_name,
            "email": self.person.email,
        }
        values: dict[str, Any] = {
            "contactId": contact.crm_id,
            "pipelineId": pipeline_id,
            "pipelineStageId": stage_id,
            "name": opportunity_name(names | {"phone": self.person.phone}),
            "status": WON if self._is_patient(contact, body) else body["status_of_lead"] or OPEN,
        }
        return values | self._value(contact, body)

    def _put_opportunity(self, row: Opportunity, body: dict[str, Any]) -> dict[str, Any]:
        pipeline_id, stage_id = self._stage(PipelineKind(row.pipeline), body["stage"] or body["stage_if_new"])
        contact = self._the_contact()
        values: OpportunityValues = self._value(contact, body)
        if body["stage"]:
            values |= {"pipelineId": pipeline_id, "pipelineStageId": stage_id}
        status = WON if self._is_patient(contact, body) else body["status_of_lead"]
        if status:
            values["status"] = status
        if not values:
            return {"skipped": "Stage, status and value stay as they are."}
        echo = self.client.update_opportunity(row.crm_id, values)
        self._keep(contact, PipelineKind(row.pipeline), echo or {"id": row.crm_id} | values, body)
        return {"opportunity": row.crm_id, "stage": body["stage"] or "", "status": status or ""}

    def _value(self, contact: Contact, body: dict[str, Any]) -> OpportunityValues:
        if not body["with_value"] or contact.lifetime_value is None:
            return {}
        return {"monetaryValue": contact.lifetime_value}

    def _is_patient(self, contact: Contact, body: dict[str, Any]) -> bool:
        """Patient: a visit completed, or the CRM says so; without its word, a won opportunity says so."""
        if body["makes_patient"] or contact.contact_type.casefold() == PATIENT.casefold():
            return True
        if contact.contact_type:
            return False
        return any(row.status == WON for row in self._opportunities().values())

    def _stage(self, kind: PipelineKind, name: str) -> tuple[str, str]:
        pipeline = self.account.pipelines.get(kind)
        stage_id = pipeline.stages.get(name) if pipeline else None
        if pipeline is None or not stage_id:
            raise ConfigError(
                f'Map the stage "{name}" of the {kind.label.lower()} pipeline in sub-account {self.account.key}.'
            )
        return pipeline.crm_id, stage_id

    def _keep(self, contact: Contact, kind: PipelineKind, found: Any, body: dict[str, Any]) -> Opportunity:
        """Our copy of the opportunity, as the CRM says it is."""
        pipeline = self.account.pipelines[kind]
        stage = pipeline.stage_named(str(found.get("pipelineStageId") or ""))
        value = found.get("monetaryValue")
        defaults: dict[str, Any] = {"crm_id": found["id"], "why": str(body["why"])[:500]}
        if found.get("pipelineStageId"):
            defaults["stage"] = stage
        if found.get("status"):
            defaults["status"] = found["status"]
        if value is not None:
            defaults["monetary_value"] = Decimal(str(value)).quantize(Decimal("0.01"))
        row = self._opportunities().get(kind)
        if row is None:
            rows = Opportunity.objects.across_practices()
            row, _ = rows.update_or_create(contact=contact, pipeline=kind, defaults=defaults)
            self._opportunities()[kind] = row
        elif any(getattr(row, name) != value for name, value in defaults.items()):
            for name, value in defaults.items():
                setattr(row, name, value)
            changes = defaults | {"updated_at": timezone.now()}
            Opportunity.objects.across_practices().filter(pk=row.pk).update(**changes)
        return row


_UNFINISHED = (EffectState.PLANNED, EffectState.SENDING)
_ABOUT_CONTACT = (EffectKind.NOTE, EffectKind.TAG, EffectKind.ENROL)
_SENDERS = {
    EffectKind.CONTACT: Delivery.send_contact,
    EffectKind.NOTE: Delivery.send_note,
    EffectKind.TAG: Delivery.send_tag,
    EffectKind.ENROL: Delivery.send_enrolment,
    EffectKind.OPPORTUNITY: Delivery.send_opportunity,
}


def _may_have_happened(error: Exception) -> bool:
    """Whether the write behind an error could have been done. A plain 503 says that it was not."""
    return isinstance(error, TransientError) and error.may_have_happened and error.status != 503


def _update(effect: Effect, **values: Any) -> None:
    for name, value in values.items():
        setattr(effect, name, value)
    Effect.objects.across_practices().filter(pk=effect.pk).update(**values)
