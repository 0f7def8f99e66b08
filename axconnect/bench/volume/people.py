"""Patients with what they are found by, and their contacts, links, lanes and opportunities."""

import random
from collections.abc import Iterator
from datetime import datetime

from axconnect.bench.volume.copying import Table, go_on_after, token_of, write_all
from axconnect.bench.volume.practices import Made, Someone
from axconnect.bench.volume.words import AREAS, FIRST_NAMES, LAST_NAMES
from integrations.models import Contact, ContactLink, Lane, Opportunity, Patient, SearchKey
from integrations.models.subaccounts import PipelineKind
from integrations.sync.intake import Door, lane_key
from integrations.sync.people import digests_for, search_terms
from integrations.sync.routing import STAGE_NAMES

CHUNK = 5_000
# Of the patients, so many have no contact yet, and so many share one with another patient.
UNLINKED, SHARED = 0.08, 0.02


def make_people(practices: list[Made], contacts: int, now: datetime, rng: random.Random) -> Iterator[int]:
    """Give each practice its share of ``contacts`` contacts and their patients. Yields rows written, by the chunk."""
    people = _People(now, rng)
    for practice in practices:
        for number in range(max(1, round(contacts * practice.share))):
            account_id = practice.accounts[number % len(practice.accounts)]
            contact_id, crm_id = people.contact(account_id)
            people.patient(practice, account_id, contact_id, crm_id)
            if rng.random() < SHARED:
                people.patient(practice, account_id, contact_id, crm_id)
            if rng.random() < UNLINKED:
                people.patient(practice, account_id, 0, "")
            if number % CHUNK == CHUNK - 1:
                yield people.write()
    yield people.write()
    people.finish()


class _People:
    """The tables that people stand in."""

    def __init__(self, now: datetime, rng: random.Random) -> None:
        self._rng = rng
        self._lanes = Table(Lane, ["practice_id", "key", "arrivals"])
        demographics = ["practice_id", "connection_id", "external_id", "demographics", "last_location_id"]
        self._patients = Table(Patient, demographics, first_seen_at=now)
        self._keys = Table(SearchKey, ["patient_id", "practice_id", "kind", "digest"])
        columns = ["sub_account_id", "crm_id", "contact_type", "lifetime_value", "is_gone"]
        self._contacts = Table(Contact, columns, created_at=now)
        linked = ["patient_id", "sub_account_id", "contact_id"]
        self._links = Table(ContactLink, linked, how="e-mail and phone", linked_at=now)
        cards = ["contact_id", "pipeline", "crm_id", "stage"]
        why = "since its next visit is a consult"
        self._cards = Table(Opportunity, cards, status="open", why=why, updated_at=now)
        self._all = (self._contacts, self._cards, self._patients, self._keys, self._links, self._lanes)

    def write(self) -> int:
        return write_all(*self._all)

    def finish(self) -> None:
        go_on_after(*self._all)

    def contact(self, account_id: int) -> tuple[int, str]:
        """A contact with its opportunities: its id here and in the CRM."""
        rng, contact_id = self._rng, self._contacts.new_id()
        crm_id = f"vol{rng.getrandbits(80):020x}"
        is_patient = rng.random() < 0.6
        worth = f"{rng.randrange(5, 900) * 10}.00" if is_patient else None
        kind = "Patient" if is_patient else "Lead"
        self._contacts.add(contact_id, account_id, crm_id, kind, worth, rng.random() < 0.01)
        for pipeline in PipelineKind:
            if rng.random() < 0.6:
                stage = rng.choice(STAGE_NAMES[pipeline])
                self._cards.add(self._cards.new_id(), contact_id, pipeline.value, f"opp{contact_id}", stage)
        return contact_id, crm_id

    def patient(self, practice: Made, account_id: int, contact_id: int, crm_id: str) -> None:
        """A patient of the practice; ``contact_id`` 0: linked to none."""
        patient_id, lane_id = self._patients.new_id(), self._lanes.new_id()
        external_id = f"V{patient_id}"
        person = self._person(patient_id)
        location_id = self._rng.choice(practice.locations)
        self._patients.add(
            patient_id, practice.id, practice.side.id, external_id, token_of(person), location_id
        )
        for kind, digest in digests_for(search_terms(person, external_id)):
            self._keys.add(self._keys.new_id(), patient_id, practice.id, kind, digest)
        if contact_id:
            self._links.add(self._links.new_id(), patient_id, account_id, contact_id)
        key = lane_key(Door(practice.id, practice.side.id), external_id, "")
        self._lanes.add(lane_id, practice.id, key, 1)
        practice.people.append(Someone(patient_id, external_id, contact_id, crm_id, account_id, lane_id, key))

    def _person(self, number: int) -> dict[str, str]:
        first, last = self._rng.choice(FIRST_NAMES), self._rng.choice(LAST_NAMES)
        return {
            "first_name": first,
            "last_name": last,
            "email": f"{first}.{last}.{number}@example.com".lower(),
            "phone": f"+1{AREAS[number % len(AREAS)]}555{self._rng.randrange(10_000):04}",
            "birth_date": f"{1950 + number % 55}-{1 + number % 12:02}-{1 + number % 28:02}",
        }
