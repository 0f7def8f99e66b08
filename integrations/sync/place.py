"""Where a record goes: its location decides the sub-account."""

from integrations.contract.records import LocationRef, MembershipRecord, PatientRecord, PaymentRecord, Record
from integrations.models import DefaultUse, HeldFor, Patient
from integrations.sync import ledger
from integrations.sync.profile import LocationProfile, PracticeProfile, SubAccountProfile
from integrations.sync.release import LOCATION_KEY
from integrations.sync.work import Found, Work
from tenants.models import Location

LONGEST_ID, LONGEST_NAME = 100, 200


def place(work: Work, record: Record) -> tuple[LocationProfile | None, SubAccountProfile] | None:
    """Location and sub-account of a record; None when it has to wait for a mapping: the event is held then.

    A location that is named here for the first time is listed, to be mapped, where it matters.
    """
    profile = work.profile
    location = profile.location(record.location)
    if location is None and _is_named(record.location) and _needs_mapping(profile):
        location = _listed(profile, record.location)
    elif location is None and isinstance(record, PaymentRecord | PatientRecord | MembershipRecord):
        location = _last_location(work, record)
    account = _where_it_counted(work, record) or profile.sub_account_for(location)
    if account is None:
        name = record.location.name or record.location.external_id or "this location"
        words = f'Held: "{name}" is not mapped to a sub-account and the practice has no default one.'
        work.hold(HeldFor.LOCATION, f"{LOCATION_KEY}{record.location.external_id or name}"[:500], words)
        return None
    if uses_default(profile, location) and _is_named(record.location):
        work.tell("location", "This location is not mapped yet: the default sub-account was used.")
    return location, account


def _where_it_counted(work: Work, record: Record) -> SubAccountProfile | None:
    """The sub-account whose lifetime value a payment changed already: there it is taken back, and nowhere else."""
    if not isinstance(record, PaymentRecord):
        return None
    sub_account_id = ledger.sub_account_of(work.connection.id, record)
    return work.profile.sub_accounts.get(sub_account_id or 0)


def note_default_use(work: Work, found: Found) -> None:
    """Keep that this event went to the default sub-account for want of a mapping."""
    location = found.location
    if location is not None and uses_default(work.profile, location):
        rows = DefaultUse.objects.across_practices()
        rows.get_or_create(event=work.event, defaults={"location_id": location.id})


def uses_default(profile: PracticeProfile, location: LocationProfile | None) -> bool:
    """Whether a location goes to the default sub-account only because nobody chose another one."""
    is_mapped = location is not None and location.sub_account_id is not None
    return not is_mapped and len(profile.sub_accounts) > 1


def _is_named(ref: LocationRef) -> bool:
    return bool(ref.external_id or ref.name)


def _needs_mapping(profile: PracticeProfile) -> bool:
    """With one sub-account, the default, everything goes there: there is nothing to choose."""
    return len(profile.sub_accounts) > 1 or profile.default_sub_account is None


def _listed(profile: PracticeProfile, ref: LocationRef) -> LocationProfile | None:
    """A location of which we hear for the first time, as one to be mapped; None where its id is none."""
    external_id = ref.external_id or ref.name
    if len(external_id) > LONGEST_ID:
        return None
    rows = Location.objects.for_practice(profile.id)
    name = (ref.name or ref.external_id)[:LONGEST_NAME]
    row, _ = rows.get_or_create(external_id=external_id, defaults={"practice_id": profile.id, "name": name})
    return LocationProfile(row.pk, row.external_id, row.name, profile.zone, None)


def _last_location(work: Work, record: Record) -> LocationProfile | None:
    """Where the patient was last seen: a payment or membership without a location belongs there."""
    rows = Patient.objects.for_practice(work.profile.id).filter(
        connection_id=work.connection.id, external_id=record.person.external_id
    )
    location_id = rows.values_list("last_location_id", flat=True).first()
    return next((row for row in work.profile.locations.values() if row.id == location_id), None)
