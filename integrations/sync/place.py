"""Where a record goes: its location decides the sub-account."""

from integrations.contract.records import MembershipRecord, PatientRecord, PaymentRecord, Record
from integrations.models import HeldFor, Patient
from integrations.sync.profile import LocationProfile, SubAccountProfile
from integrations.sync.work import Work


def place(work: Work, record: Record) -> tuple[LocationProfile | None, SubAccountProfile] | None:
    """Location and sub-account of a record; None when it has to wait for a mapping: the event is held then."""
    profile = work.profile
    location = profile.location(record.location)
    if location is None and isinstance(record, PaymentRecord | PatientRecord | MembershipRecord):
        location = _last_location(work, record)
    account = profile.sub_account_for(location)
    if account is None:
        name = record.location.name or record.location.external_id or "this location"
        words = f'Held: "{name}" is not mapped to a sub-account and the practice has no default one.'
        work.hold(HeldFor.LOCATION, f"location:{record.location.external_id or name}"[:500], words)
        return None
    is_mapped = location is not None and location.sub_account_id is not None
    is_named = bool(record.location.external_id or record.location.name)
    if not is_mapped and is_named and len(profile.sub_accounts) > 1:
        work.tell("location", "This location is not mapped yet: the default sub-account was used.")
    return location, account


def _last_location(work: Work, record: Record) -> LocationProfile | None:
    """Where the patient was last seen: a payment or membership without a location belongs there."""
    rows = Patient.objects.for_practice(work.profile.id).filter(
        connection_id=work.connection.id, external_id=record.person.external_id
    )
    location_id = rows.values_list("last_location_id", flat=True).first()
    return next((row for row in work.profile.locations.values() if row.id == location_id), None)
