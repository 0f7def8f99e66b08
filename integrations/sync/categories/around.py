"""The contacts that a change of categories is about: all their visits, and where the cards stand by them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from categorization.categories import Category, name_key
from categorization.models import AppointmentType
from integrations.contract.manifest import Manifest
from integrations.models import Contact, ContactLink, Visit
from integrations.models.subaccounts import PipelineKind
from integrations.sync import stored
from integrations.sync.decide import Decision, Settings, decide_stage
from integrations.sync.profile import CategoryProfile, PracticeProfile

CONTACTS_AT_ONCE = 500
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Around:
    """A contact and every visit that counts for it."""

    contact_id: int
    sub_account_id: int
    visits: list[Visit] = field(default_factory=list)

    def stages(self, profile: PracticeProfile) -> dict[PipelineKind, Decision]:
        """Where its cards belong under this set-up; pipelines without a visit that counts are not there."""
        known = stored.known_visits(self.visits, profile)
        found = {kind: decide_stage(known, kind, settings_of(profile, self.visits)) for kind in PipelineKind}
        return {kind: decision for kind, decision in found.items() if decision is not None}


def settings_of(profile: PracticeProfile, visits: Iterable[Visit]) -> Settings:
    """As much of the settings as deciding a stage asks for: the practice's days."""
    manifest: Manifest = profile.connections[next(iter(visits)).connection_id].manifest
    return Settings(manifest=manifest, is_dual=profile.has_surgery, zone=profile.zone)


def counting(profile: PracticeProfile, choices: Mapping[Key, str]) -> PracticeProfile:
    """The same set-up with these types (by key) counting as these categories; "" for nothing."""
    categories = dict(profile.categories)
    for key, category in choices.items():
        categories.pop(key, None)
        if category:
            categories[key] = CategoryProfile(Category(category), "as chosen")
    return replace(profile, categories=categories)


def keys_of(rows: Iterable[AppointmentType], categories: Mapping[int, str]) -> dict[Key, str]:
    """The names by which visits know the types, those of former days too, with the category of each."""
    found: dict[Key, str] = {}
    for row in rows:
        for name, purpose in row.former_keys:
            found.setdefault((row.connection_key, name, purpose), categories[row.pk])
    return found | {row.key: categories[row.pk] for row in rows}


def visits_with(profile: PracticeProfile, keys: Iterable[Key]) -> Iterator[Visit]:
    """All visits of these types, in no order."""
    wanted = set(keys)
    for connection in profile.connections.values():
        own = {(name, purpose) for key, name, purpose in wanted if key == connection.key}
        if not own:
            continue
        rows = Visit.objects.for_practice(profile.id).filter(connection_id=connection.id)
        spelled = rows.order_by().values_list("type", flat=True).distinct()
        names = [one for one in spelled if any(name_key(one) == name for name, _ in own)]
        for row in rows.filter(type__in=names).iterator():
            if _is_of(row, own):
                yield row


def _is_of(row: Visit, own: set[tuple[str, str]]) -> bool:
    name = name_key(row.type)
    return any((name, purpose) in own for purpose in ("", *map(name_key, row.purposes)))


def contacts_of(profile: PracticeProfile, visits: Iterable[Visit]) -> Iterator[Around]:
    """The contacts to whom visits belong, each with all its visits; those of nobody who is linked are left out."""
    wanted = {row.patient_id for row in visits}
    links = ContactLink.objects.for_practice(profile.id).filter(contact__is_gone=False)
    ids = sorted(set(links.filter(patient_id__in=wanted).values_list("contact_id", flat=True)))
    for start in range(0, len(ids), CONTACTS_AT_ONCE):
        yield from _with_visits(profile, ids[start : start + CONTACTS_AT_ONCE])


def around(profile: PracticeProfile, contact: Contact) -> Around:
    """One contact with all its visits."""
    found = next(_with_visits(profile, [contact.pk]), None)
    return found or Around(contact.pk, contact.sub_account_id)


def _with_visits(profile: PracticeProfile, contact_ids: list[int]) -> Iterator[Around]:
    links = ContactLink.objects.for_practice(profile.id).filter(contact_id__in=contact_ids)
    pairs = list(links.values_list("contact_id", "sub_account_id", "patient_id"))
    rows: dict[int, list[Visit]] = {}
    for row in Visit.objects.for_practice(profile.id).filter(patient_id__in={pair[2] for pair in pairs}):
        rows.setdefault(row.patient_id, []).append(row)
    found: dict[int, Around] = {}
    for contact_id, sub_account_id, patient_id in pairs:
        one = found.setdefault(contact_id, Around(contact_id, sub_account_id))
        one.visits.extend(
            row for row in rows.get(patient_id, []) if stored.sub_account_of(row, profile) == sub_account_id
        )
    yield from (one for one in found.values() if one.visits)
