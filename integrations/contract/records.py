"""The normalized forms into which every EMR folder turns its payloads. Frozen, no behaviour, no vendor words
except where a field says so. All free text may be patient data, except ``warnings``: sentences for the
event's story about what was left out and why, which name fields and never their values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

# A value for one of the EMR's own CRM fields (by the field's name). Empty ones are never sent.
FieldValue = str | date | Decimal | None
NoteLines = tuple[tuple[str, str], ...]
_NONE: Mapping[str, FieldValue] = MappingProxyType({})


class Outcome(StrEnum):
    """What became of an appointment, as far as routing cares."""

    BOOKED = "booked"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no-show"
    OTHER = "other"  # recorded, nothing pushed: arrived, checked-in, proposed …


class AmountKind(StrEnum):
    PAYMENT = "payment"
    REVERSAL = "reversal"  # takes back a payment: void, refund, cancelled
    IGNORED = "ignored"  # money that does not count here: adjustments, insurance


@dataclass(frozen=True, slots=True)
class Person:
    """A patient's demographics as the EMR sent them: unformatted phone, lower or upper case e-mail."""

    external_id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone: str = ""
    birth_date: date | None = None
    gender: str = ""  # male, female, other or ""
    address1: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""


@dataclass(frozen=True, slots=True)
class LocationRef:
    """A clinic site: the EMR's location id and name (either may be empty)."""

    external_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class AppointmentRecord:
    """One state of one appointment.

    ``status`` is the word written to the CRM's status field; ``visit_on`` the date in the location's zone;
    ``version`` when this state came to be (EMR version time, else event time; None: receive time counts).
    ``fields`` are the EMR folder's CRM fields; ``note`` the ``Label: value`` lines in order, in which the
    engine puts the category at the line labelled "Category". ``is_reschedule``/``is_deletion`` mark
    events that some EMRs act on by switch only. ``booked_at`` is when the appointment was made, where the EMR says so.
    """

    person: Person
    external_id: str
    outcome: Outcome
    status: str
    version: datetime | None = None
    booked_at: datetime | None = None
    visit_on: date | None = None
    type: str = ""
    type_id: str = ""
    purposes: tuple[str, ...] = ()
    service: str = ""
    practitioner: str = ""
    location: LocationRef = LocationRef()
    fields: Mapping[str, FieldValue] = field(default_factory=lambda: _NONE)
    note: NoteLines = ()
    is_reschedule: bool = False
    is_deletion: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentRecord:
    """Money: an invoice, bill or payment, or what takes one back.

    ``external_id`` is the payment's id at the EMR; a reversal carries the id that it takes back. ``amount``
    is positive for both. ``visit`` is the completed visit that this payment proves (AestheticsPro), with
    ``proves_visit`` also true where there is no visit (retail): then the invoice counts as its own visit.
    ``undoes`` is the id of the payment that this one takes back: it counts only if that one did, and by as much.
    """

    person: Person
    external_id: str
    amount: Decimal
    kind: AmountKind = AmountKind.PAYMENT
    status: str = ""
    paid_on: date | None = None
    version: datetime | None = None
    proves_visit: bool = False
    visit_external_id: str = ""
    visit_on: date | None = None
    service: str = ""
    practitioner: str = ""
    location: LocationRef = LocationRef()
    fields: Mapping[str, FieldValue] = field(default_factory=lambda: _NONE)
    note: NoteLines = ()
    ignored_because: str = ""
    undoes: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """Demographics changed. No workflow, no note."""

    person: Person
    version: datetime | None = None
    is_new: bool = False
    referral_source: str = ""
    location: LocationRef = LocationRef()
    fields: Mapping[str, FieldValue] = field(default_factory=lambda: _NONE)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MembershipRecord:
    """A membership was sold."""

    person: Person
    external_id: str
    program: str
    version: datetime | None = None
    location: LocationRef = LocationRef()
    fields: Mapping[str, FieldValue] = field(default_factory=lambda: _NONE)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChargeRecord:
    """A charge: fields only, no money, note or workflow."""

    person: Person
    external_id: str
    version: datetime | None = None
    location: LocationRef = LocationRef()
    fields: Mapping[str, FieldValue] = field(default_factory=lambda: _NONE)
    warnings: tuple[str, ...] = ()


Record = AppointmentRecord | PaymentRecord | PatientRecord | MembershipRecord | ChargeRecord
