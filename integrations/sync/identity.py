"""Who is this patient in the CRM? Linked once, then always written by contact id; doubt is for a person.

Reading calls only: nothing is written outside here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q

from integrations.contract.errors import NotFoundError
from integrations.contract.records import Person
from integrations.crm import matching
from integrations.crm.client import CrmClient, Json
from integrations.crm.fields import amount_value, field_key, field_value, normalized_email, normalized_phone
from integrations.models import Contact, ContactLink, IdentityQuestion, Patient, SubAccount
from integrations.sync import circuit
from integrations.sync.create_back.in_flight import BeingCreated, is_being_created
from integrations.sync.crm_access import client_for
from integrations.sync.profile import SubAccountProfile
from integrations.sync.release import LEFT_OUT

if TYPE_CHECKING:
    from integrations.sync.plan import Work

CONTACT_TYPE, LIFETIME_VALUE = "Contact Type", "Patient Lifetime Value"
# What somebody typed beyond this is no amount, and fits in no column of ours.
MOST_MONEY = 10**10


@dataclass(frozen=True, slots=True)
class Reachable:
    """E-mail and phone in the forms that the CRM takes, "" where unusable, and why in words."""

    email: str
    phone: str
    problems: tuple[str, ...]

    @classmethod
    def of(cls, person: Person, country: str) -> "Reachable":
        email, email_problem = normalized_email(person.email)
        phone, phone_problem = normalized_phone(person.phone, country)
        return cls(email, phone, tuple(problem for problem in (email_problem, phone_problem) if problem))

    def without(self, names: list[str] | tuple[str, ...]) -> "Reachable":
        """The same with the values that belong to somebody else left out."""
        return Reachable(
            "" if "email" in names else self.email, "" if "phone" in names else self.phone, self.problems
        )


@dataclass(frozen=True, slots=True)
class Who:
    """The patient's row and the contact: a row, None for one to be made, held with a question asked, or
    ``unwanted`` because a person left the patient out of the CRM."""

    patient: Patient
    contact: Contact | None
    left_out: tuple[str, ...] = ()
    held: bool = False
    unwanted: bool = False
    words: str = ""


def find(
    work: "Work", person: Person, reachable: Reachable, account: SubAccountProfile, *, look: bool = True
) -> Who:
    """The contact of a patient in a sub-account.

    Linked: no call. Else the CRM is asked by the EMR's patient id, e-mail and phone, and the one who fits is
    linked. ``look`` false never asks: what is only recorded needs no contact.

    Raises BeingCreated while this very patient is being created from the CRM.
    """
    link = _link(work, person, account)
    if link is None and look and work.connection.emr.has_part("create"):
        if is_being_created(work.profile.id, work.connection.id, person):
            raise BeingCreated
        # The link could have been made between the two looks.
        link = _link(work, person, account)
    if link is not None:
        return Who(link.patient, link.contact, tuple(link.left_out))
    patient = _patient(work, person)
    answered = _answer_to(patient, account)
    if answered is not None and answered.answer == IdentityQuestion.Answer.CREATE:
        return Who(patient, None, tuple(answered.clashes))
    if answered is not None and answered.answer == IdentityQuestion.Answer.IGNORE:
        return Who(patient, None, unwanted=True, words=LEFT_OUT)
    if not look or not (reachable.email or reachable.phone):
        return Who(patient, None)
    return _match(work, patient, person, reachable, account)


def _link(work: "Work", person: Person, account: SubAccountProfile) -> ContactLink | None:
    rows = ContactLink.objects.across_practices().filter(
        patient__connection_id=work.connection.id,
        patient__external_id=person.external_id,
        sub_account_id=account.id,
    )
    found: ContactLink | None = rows.select_related("patient", "contact").first()
    return found


def _patient(work: "Work", person: Person) -> Patient:
    rows = Patient.objects.for_practice(work.profile.id)
    patient, _ = rows.get_or_create(
        connection_id=work.connection.id,
        external_id=person.external_id,
        defaults={"practice_id": work.profile.id},
    )
    return patient


def _answer_to(patient: Patient, account: SubAccountProfile) -> IdentityQuestion | None:
    rows = IdentityQuestion.objects.for_practice(patient.practice_id).filter(
        Q(is_held=True) | Q(answer=IdentityQuestion.Answer.IGNORE), patient=patient, sub_account_id=account.id
    )
    return rows.exclude(answer="").order_by("-answered_at", "-id").first()


def left_out_by_answer(patient: Patient, account: SubAccountProfile) -> tuple[str, ...]:
    """The native fields that a person said are somebody else's when this patient's contact was to be made."""
    answered = _answer_to(patient, account)
    created = answered is not None and answered.answer == IdentityQuestion.Answer.CREATE
    return tuple(answered.clashes) if answered is not None and created else ()


def ruled_out(patient: Patient, account: SubAccountProfile) -> frozenset[str]:
    """CRM ids of the contacts of which a person said that they are somebody else."""
    answered = _answer_to(patient, account)
    created = answered is not None and answered.answer == IdentityQuestion.Answer.CREATE
    return frozenset(answered.candidate_crm_ids) if answered is not None and created else frozenset()


def leave_out_too(patient: Patient, account: SubAccountProfile, name: str) -> None:
    """One more value that somebody else has: the contact that a person wants made goes without it."""
    answered = _answer_to(patient, account)
    if answered is not None and name not in answered.clashes:
        answered.clashes = [*answered.clashes, name]
        answered.save(update_fields=["clashes"])


def _match(
    work: "Work", patient: Patient, person: Person, reachable: Reachable, account: SubAccountProfile
) -> Who:
    circuit.gate(SubAccount, account.id)
    client = client_for(account, work.claims_as)
    manifest = work.connection.manifest
    id_field = account.fields.get(field_key(manifest.patient_id_field), ("", ""))[0]
    born_field = account.fields.get(field_key(manifest.birthday_field), ("", ""))[0]
    candidates = _candidates(client, person, reachable, id_field)
    match = matching.judge(person, candidates, patient_id_field=id_field, birthday_field=born_field)
    if match.is_linked:
        found = next(row for rows in candidates.values() for row in rows if row["id"] == match.contact_id)
        contact = link(patient, account, found, match.reason, match.leave_out)
        if match.leave_out:
            _ask(
                patient,
                account,
                [crm_id for _, crm_id in match.clashes],
                list(match.leave_out),
                is_held=False,
            )
        work.tell("matched", match.reason)
        return Who(patient, contact, match.leave_out)
    if match.kind is matching.MatchKind.NEW:
        return Who(patient, None)
    return hold(
        patient, account, [crm_id for _, crm_id in match.clashes], list(match.leave_out), match.reason
    )


def _candidates(
    client: CrmClient, person: Person, reachable: Reachable, id_field: str
) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    if id_field:
        found[matching.PATIENT_ID] = client.search_contacts(
            custom_field=(id_field, person.external_id), limit=10
        )
    for name, value in (("email", reachable.email), ("phone", reachable.phone)):
        contact = client.find_duplicate(**{name: value}) if value else None
        if contact is not None:
            found[name] = [_whole(client, contact)]
    return found


def _whole(client: CrmClient, contact: Json) -> Json:
    """The contact with its custom fields; some answers leave them out."""
    if "customFields" in contact:
        return contact
    try:
        return client.get_contact(contact["id"])
    except NotFoundError:
        return contact


def link(
    patient: Patient, account: SubAccountProfile, crm_contact: Json, how: str, left_out: tuple[str, ...] = ()
) -> Contact:
    """Tie a patient to a contact of the CRM and keep what the CRM says of it."""
    with transaction.atomic():
        contact, _ = Contact.objects.across_practices().get_or_create(
            sub_account_id=account.id, crm_id=crm_contact["id"]
        )
        learn(contact, crm_contact, account)
        ContactLink.objects.across_practices().update_or_create(
            patient=patient,
            sub_account_id=account.id,
            defaults={"contact": contact, "how": how[:100], "left_out": list(left_out)},
        )
    return contact


def learn(contact: Contact, crm_contact: Json, account: SubAccountProfile) -> bool:
    """Refresh what we know of a contact from the CRM's own words. True when something changed."""
    if "customFields" not in crm_contact:
        return False
    kind = str(_field(crm_contact, account, CONTACT_TYPE) or "").strip()
    value = amount_value(crm_contact, _field_id(account, LIFETIME_VALUE))
    known = (contact.contact_type, contact.lifetime_value, contact.is_gone)
    contact.contact_type, contact.is_gone = kind[:50], False
    if value is not None and abs(value) < MOST_MONEY:
        contact.lifetime_value = value
    changed = known != (contact.contact_type, contact.lifetime_value, contact.is_gone)
    if changed:
        contact.save(update_fields=["contact_type", "lifetime_value", "is_gone"])
    return changed


def _field(crm_contact: Json, account: SubAccountProfile, name: str) -> object:
    field_id = _field_id(account, name)
    return field_value(crm_contact, field_id) if field_id else None


def _field_id(account: SubAccountProfile, name: str) -> str:
    return account.fields.get(field_key(name), ("", ""))[0]


def hold(
    patient: Patient, account: SubAccountProfile, candidates: list[str], clashes: list[str], words: str
) -> Who:
    """Ask a person who this is; events of the patient wait for the answer."""
    _ask(patient, account, candidates, clashes, is_held=True)
    return Who(patient, None, held=True, words=f"Held: {words}")


def _ask(
    patient: Patient, account: SubAccountProfile, candidates: list[str], clashes: list[str], *, is_held: bool
) -> None:
    rows = IdentityQuestion.objects.for_practice(patient.practice_id)
    if (
        not is_held
        and rows.filter(patient=patient, sub_account_id=account.id, clashes=clashes, is_held=False).exists()
    ):
        return
    asked, is_new = rows.get_or_create(
        patient=patient,
        sub_account_id=account.id,
        answer="",
        defaults={
            "candidate_crm_ids": list(dict.fromkeys(candidates)),
            "clashes": clashes,
            "is_held": is_held,
        },
    )
    if not is_new:
        _learn_more(asked, candidates, clashes, is_held=is_held)


def _learn_more(asked: IdentityQuestion, candidates: list[str], clashes: list[str], *, is_held: bool) -> None:
    """An open question gets what was seen since: a person must be able to choose each contact that it may be, and
    to know whether events wait."""
    seen = {
        "candidate_crm_ids": list(dict.fromkeys([*asked.candidate_crm_ids, *candidates])),
        "clashes": list(dict.fromkeys([*asked.clashes, *clashes])),
        "is_held": asked.is_held or is_held,
    }
    if any(getattr(asked, name) != value for name, value in seen.items()):
        rows = IdentityQuestion.objects.for_practice(asked.patient.practice_id)
        rows.filter(pk=asked.pk, answer="").update(**seen)


def clash(patient: Patient, account: SubAccountProfile, name: str, other_crm_id: str) -> None:
    """A value of a linked patient belongs to another contact: leave it out from now on and list it."""
    for row in ContactLink.objects.for_practice(patient.practice_id).filter(
        patient=patient, sub_account_id=account.id
    ):
        if name not in row.left_out:
            row.left_out = [*row.left_out, name]
            row.save(update_fields=["left_out"])
    _ask(patient, account, [other_crm_id] if other_crm_id else [], [name], is_held=False)


def unlink(contact: Contact) -> None:
    """The CRM says that the contact is gone (deleted or merged): its patients are matched anew."""
    with transaction.atomic():
        ContactLink.objects.across_practices().filter(contact=contact).delete()
        Contact.objects.across_practices().filter(pk=contact.pk).update(is_gone=True)
