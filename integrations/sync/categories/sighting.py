"""A type that no list named yet is kept when an event names it first."""

from collections.abc import Iterable

from categorization.categories import name_key
from categorization.learning import LONGEST, Named, learn
from integrations.contract.records import AppointmentRecord, Record
from integrations.sync.profile import ConnectionProfile, PracticeProfile
from tenants.models import Practice


def sight(profile: PracticeProfile, connection: ConnectionProfile, records: Iterable[Record]) -> int:
    """Keep the types of appointments that are not known yet. How many are new. Asks the database only then."""
    fresh = [
        named
        for record in records
        if isinstance(record, AppointmentRecord)
        for named in unknown(profile, connection.key, record.type, record.purposes, record.type_id)
    ]
    if not fresh:
        return 0
    practice = Practice.objects.across_practices().get(pk=profile.id)
    return len(learn(practice, connection.key, fresh, offers_online=connection.manifest.offers_online))


def unknown(
    profile: PracticeProfile, key: str, type_name: str, purposes: Iterable[str], type_id: str = ""
) -> list[Named]:
    """What a person has to categorize before a visit of that type and those purposes can be routed, as far as it is
    not known: nothing where the type is known whatever its purpose, else each pair."""
    name = name_key(type_name)[:LONGEST]
    if not name or (key, name, "") in profile.types:
        return []
    named = [purpose for purpose in purposes if purpose.strip()]
    pairs = [Named(type_name, purpose) for purpose in named] or [Named(type_name, external_id=type_id)]
    return [one for one in pairs if (key, *one.key) not in profile.types]
