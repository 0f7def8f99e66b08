"""One try of one request: check, look, create, and remember what came of it.

    waiting → searching → creating ─► created
       │          │           └─ in doubt ─► looked up, then created or waiting again
       │          └─► linked, or needs a decision
       └─► needs fixing

A create that may have happened is never repeated before the EMR was searched, twice, with a pause.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.contract.creating import DuplicatePatient, Problem
from integrations.contract.errors import (
    AuthError,
    ConfigError,
    ContractError,
    MalformedPayload,
    NotFoundError,
    RateLimited,
    RejectedError,
    TransientError,
)
from integrations.contract.records import LocationRef, Person
from integrations.crm.client import Json
from integrations.models import (
    Connection,
    Contact,
    ContactLink,
    CreateRequest,
    CreateState,
    InboundEvent,
    IncidentKind,
    SubAccount,
)
from integrations.models.creates import IN_FLIGHT, WORKING
from integrations.sync import circuit, emr_access, hot, known_fields, lanes
from integrations.sync.create_back import outcome, preflight, sent
from integrations.sync.create_back.answer import tell_contact
from integrations.sync.create_back.same_person import Found, Verdict, judge, just_made
from integrations.sync.create_back.tags import ANYWAY, CHECK, LINK, OWN_KINDS, Hint, matching, plain_tag
from integrations.sync.crm_access import client_for
from integrations.sync.deliver import InDoubt
from integrations.sync.incidents import open_incident
from integrations.sync.people import demographics_of, person_from
from integrations.sync.profile import ConnectionProfile, PracticeProfile, SubAccountProfile

logger = logging.getLogger(__name__)

# How long an EMR may leave us without an answer before the contact is told.
PATIENCE = timedelta(minutes=30)
# A patient who was sent this often and never made is refused by the EMR, whatever it answers.
MOST_SENDS = 3
# Before the first look after a patient who may have been made, and before "not there" is believed.
FIRST_LOOK = timedelta(seconds=6)
BELIEVED_AFTER = timedelta(seconds=30)
TAG_OFF = "The tag was taken off before the patient was created. Add it again to create the patient."
CONTACT_GONE = "The contact was deleted in the CRM before the patient was created."


@dataclass
class Attempt:
    """One request in the hands of a worker. ``contact`` is the CRM's contact, None when it is gone."""

    event: InboundEvent
    lane: lanes.Claimed
    profile: PracticeProfile
    account: SubAccountProfile
    connection: ConnectionProfile
    request: CreateRequest
    contact: Json | None
    hint: Hint
    facing: Callable[[Any, int], None]

    def run(self) -> None:
        """Bring the request to its outcome, and the outcome to the contact."""
        if self.request.is_working:
            self._know_fields()
            self._decide()
        if self.request.is_working:
            return  # only looked at, and still not fixed
        self.facing(SubAccount, self.account.id)
        tell_contact(self)

    @property
    def emr(self) -> str:
        """The EMR's name."""
        return self.connection.manifest.name

    @property
    def part(self) -> Any:
        """The EMR folder's create.py."""
        return self.connection.emr.part("create")

    @cached_property
    def client(self) -> Any:
        """The EMR's client."""
        return emr_access.client_for(self.connection)

    def tell(self, step: str, text: str) -> None:
        """Add a sentence to the event's story. It names nobody."""
        self.event.story.append({"step": step, "text": text})

    # --- the way to an outcome -----------------------------------------------------------------------------

    def _decide(self) -> None:
        try:
            if self.request.state in IN_FLIGHT and self._was_made():
                return
            if not self._is_off():
                self._check_and_create()
        except circuit.ClosedOff as closed:
            if circuit.needs_reauth(Connection, self.connection.id):
                self._stops(f"{self.emr} refuses AX Connect's credentials; its support is told.")
            else:
                self._gives_up_or(closed)
        except TransientError as error:
            self._gives_up_or(error)
        except AuthError as error:
            self._refused(error)
        except (ConfigError, RejectedError, MalformedPayload) as error:
            self._stops(f"{error} {error.vendor_words}".strip())

    def _is_off(self) -> bool:
        """Whether somebody called it off: the contact or the tag is gone."""
        if self.contact is None:
            self._ends_in_fixing([Problem("", CONTACT_GONE)])
            return True
        if self.event.kind in OWN_KINDS or self._has_tag():
            return False
        self._ends_in_fixing([Problem("", TAG_OFF)])
        return True

    def _has_tag(self) -> bool:
        """Whether the contact carries the tag, or another request of this delivery has just taken it off."""
        if matching(self.connection, [str(tag) for tag in (self.contact or {}).get("tags") or ()]):
            return True
        others = CreateRequest.objects.for_practice(self.profile.id).filter(event=self.event)
        done = others.exclude(pk=self.request.pk).exclude(state__in=WORKING)
        return plain_tag(self.request.tag) in {plain_tag(tag) for tag in done.values_list("tag", flat=True)}

    def _check_and_create(self) -> None:
        assert self.contact is not None
        if self._is_linked_already():
            return
        checked = self._checked(self.contact)
        if self.event.kind == LINK:
            self._link_by_hand(checked.person)
            return
        if checked.problems:
            self._has_problems(checked)
            return
        self._face_emr()
        self._move(CreateState.SEARCHING, checked.person, checked.location)
        patients = self.part.search(checked.person, self.client)
        circuit.succeeded(Connection, self.connection.id, self.profile.id)
        found = judge(checked.person, patients, self._known_id())
        if self.event.kind == ANYWAY or found.verdict is Verdict.NOBODY:
            self._create(checked.person, checked.location, patients)
        else:
            self._is_somebody(found)

    def _is_linked_already(self) -> bool:
        links = ContactLink.objects.for_practice(self.profile.id).filter(
            contact__crm_id=self.request.contact_crm_id,
            sub_account_id=self.account.id,
            patient__connection_id=self.connection.id,
        )
        link = links.select_related("patient").first()
        if link is None:
            return False
        made_by_us = self.request.sends > 0
        state = CreateState.CREATED if made_by_us else CreateState.LINKED
        words = "" if made_by_us else "The contact was linked to this patient already."
        self._ends_with(state, Person(link.patient.external_id), words)
        return True

    def _know_fields(self) -> None:
        """What the contact's custom fields are called has to be known before it is read."""
        if self.contact is not None and not self.account.fields:
            client = client_for(self.account, self.event.priority)
            self.account = known_fields.refreshed(self.profile.id, self.account, client)

    def _checked(self, contact: Json) -> preflight.Checked:
        today = timezone.now().astimezone(self.profile.zone).date()
        return preflight.check(contact, self.profile, self.account, self.connection, today)

    def _has_problems(self, checked: preflight.Checked) -> None:
        if self.event.kind == CHECK:
            # Only looked whether it is fixed by now: it is not, and the contact has its answer already.
            self.tell("contact", "Read again: there is still something to fix.")
            outcome.still_failed(self.request, checked.problems)
            return
        self._ends_in_fixing(checked.problems, checked.person)

    def _known_id(self) -> str:
        return preflight.patient_id_in(self.contact or {}, self.account, self.connection)

    # --- whom the EMR has ----------------------------------------------------------------------------------

    def _is_somebody(self, found: Found) -> None:
        patient = found.patient
        if patient is None or found.verdict is Verdict.ASK:
            self._ends_in_question(found.words, found.candidates)
        elif self._is_another_contacts(patient.external_id):
            words = "The patient is there already and is linked to another contact of the CRM."
            self._ends_in_question(words, (patient,))
        else:
            self._ends_with(CreateState.LINKED, patient, found.words)

    def _is_another_contacts(self, external_id: str) -> bool:
        links = ContactLink.objects.for_practice(self.profile.id).filter(
            patient__connection_id=self.connection.id,
            patient__external_id=external_id,
            sub_account_id=self.account.id,
        )
        return links.exclude(contact__crm_id=self.request.contact_crm_id).exists()

    def _link_by_hand(self, person: Person) -> None:
        """A person chose the patient: the EMR must have them."""
        self._face_emr()
        try:
            patient = self.part.read(self.hint.external_id, self.client)
        except NotFoundError:
            self._ends_in_question(
                f"{self.emr} has no patient with the id that was entered.",
                [person_from(row["person"], row["id"]) for row in self.request.candidates or ()],
                person,
            )
            return
        self._ends_with(CreateState.LINKED, patient, "Somebody at AX Connect decided that they are the same.")

    # --- creating ------------------------------------------------------------------------------------------

    def _create(self, person: Person, location: LocationRef | None, patients: Sequence[Person]) -> None:
        if self.request.sends >= MOST_SENDS:
            words = f"{self.emr} failed to create the patient {MOST_SENDS} times, without saying why."
            self._ends_in_fixing([Problem("", words)], person)
            return
        effect = self._about_to_send(person, location, patients)
        try:
            external_id = self.part.create(person, location, self.client)
        except DuplicatePatient as duplicate:
            self._not_sent(effect, duplicate)
            self._knows_them(duplicate, person)
        except (RateLimited, AuthError, ConfigError) as error:
            self._not_sent(effect, error)
            raise
        except TransientError as error:
            if not sent.may_have_happened(error):
                self._not_sent(effect, error)
                raise
            sent.doubted(effect, error)
            self._move(CreateState.IN_DOUBT)
            raise
        except ContractError as error:
            self._not_sent(effect, error)
            words = f"{error} {error.vendor_words}".strip()
            self._ends_in_fixing([Problem("", words)], person)
        else:
            sent.confirmed(effect, external_id)
            self._ends_with(CreateState.CREATED, _known_as(person, external_id), "")

    def _about_to_send(self, person: Person, location: LocationRef | None, patients: Sequence[Person]) -> Any:
        """Written down before the call: who is sent, and whom the EMR had before."""
        request = self.request
        with transaction.atomic():
            request.seen = sorted({patient.external_id for patient in patients})
            request.sends, request.sent_at = request.sends + 1, timezone.now()
            self._move(CreateState.CREATING, person, location)
            return sent.begin(self.event, request)

    def _not_sent(self, effect: Any, error: ContractError) -> None:
        sent.refused(effect, error)
        self._move(CreateState.WAITING)

    def _knows_them(self, duplicate: DuplicatePatient, person: Person) -> None:
        """409: link to whom the EMR means; where it does not say, to whom a search finds surely."""
        words = f"{self.emr} has this patient already."
        if duplicate.external_id and self.event.kind != ANYWAY:
            patient = self.part.read(duplicate.external_id, self.client)
            self._is_somebody(Found(Verdict.ONE, patient, words=words))
            return
        found = judge(person, self.part.search(person, self.client), self._known_id())
        if found.verdict is Verdict.ONE and found.patient is not None and self.event.kind != ANYWAY:
            self._is_somebody(Found(Verdict.ONE, found.patient, words=words))
            return
        possible = (found.patient,) if found.patient else found.candidates
        self._ends_in_question(f"{words} It does not say which one.", possible, person)

    def _was_made(self) -> bool:
        """Whether a patient who was sent is there. Waits until the EMR had time to show them."""
        request = self.request
        if external_id := sent.answered(self.event, request):
            self._ends_with(CreateState.CREATED, _known_as(person_from(request.person), external_id), "")
            return True
        if request.state == CreateState.CREATING:
            self._move(CreateState.IN_DOUBT)
        since = timezone.now() - (request.sent_at or request.tried_at)
        if since < FIRST_LOOK:
            raise InDoubt((FIRST_LOOK - since).total_seconds())
        if self.contact is not None and self._is_linked_already():
            return True
        self._face_emr()
        person = person_from(request.person)
        found = just_made(person, self.part.search(person, self.client), request.seen)
        if found.patient is not None:
            sent.found(self.event, request, found.patient.external_id)
            self._ends_with(CreateState.CREATED, found.patient, "")
            return True
        if found.verdict is Verdict.ASK:
            words = "The patient may have been created: several new ones could be this person."
            self._ends_in_question(words, found.candidates, person)
            return True
        if since < BELIEVED_AFTER:
            raise InDoubt((BELIEVED_AFTER - since).total_seconds())
        sent.never_was(self.event, request)
        self.tell("patient", f"{self.emr} does not have the patient: the creation never happened.")
        self._move(CreateState.WAITING)
        return False

    # --- trouble -------------------------------------------------------------------------------------------

    def _face_emr(self) -> None:
        """From here on trouble is trouble with the EMR. Raises ClosedOff."""
        self.facing(Connection, self.connection.id)
        circuit.gate(Connection, self.connection.id)

    def _refused(self, error: AuthError) -> None:
        """The EMR's, not the CRM's: a person there must act, and the front desk should not wait for it."""
        if error.status == 403:
            pk = self.connection.id
            open_incident(self.profile.id, IncidentKind.ACCESS_REFUSED, str(error), connection_id=pk)
        else:
            used = self.connection.credentials
            if not circuit.refused(Connection, self.connection.id, self.profile.id, str(error), used):
                raise error  # new credentials were entered meanwhile: the lane tries again with them
        self._stops(str(error))

    def _gives_up_or(self, error: TransientError | circuit.ClosedOff) -> None:
        """After half an hour without an answer the contact is told, rather than left waiting; it is then tried
        again every hour. Raises the error before that."""
        if timezone.now() - self.request.tried_at < PATIENCE:
            raise error
        if self.event.kind == CHECK and self.request.state not in IN_FLIGHT:
            outcome.still_failed(self.request, [Problem(**row) for row in self.request.problems])
            self.tell("skipped", f"{self.emr} still does not answer.")
            return
        self._stops(
            f"{self.emr} has not answered for half an hour. AX Connect tries again every hour.",
            tries_itself=True,
        )

    def _stops(self, words: str, *, tries_itself: bool = False) -> None:
        """It cannot go on, and nothing of the contact is to blame. One that may be there is for a person."""
        self.request.tries_itself = tries_itself
        if self.request.state in IN_FLIGHT:
            self._ends_in_question(
                f"The patient may have been created, which nobody could check. {words}", ()
            )
        else:
            self._ends_in_fixing([Problem("", words)])

    # --- what came of it -----------------------------------------------------------------------------------

    def _move(
        self, state: CreateState, person: Person | None = None, location: LocationRef | None = None
    ) -> None:
        self.check_lease()
        request = self.request
        request.state = state
        if person is not None:
            request.person = demographics_of(person)
            request.location_id = location.external_id if location else ""
        request.save()

    def _ends_in_fixing(self, problems: Sequence[Problem], person: Person | None = None) -> None:
        outcome.needs_fixing(self, problems, person)

    def _ends_in_question(
        self, words: str, candidates: Sequence[Person], person: Person | None = None
    ) -> None:
        outcome.needs_decision(self, words, candidates, person)

    def _ends_with(self, state: CreateState, patient: Person, words: str) -> None:
        outcome.has_patient(self, state, patient, words)

    def who(self) -> Person | None:
        """Whom the contact is about, as far as it can be read; None when it is gone."""
        return None if self.contact is None else self._checked(self.contact).person

    def check_lease(self) -> None:
        """Raises LeaseLost when another worker has the lane by now: it carries on from what is written."""
        if not hot.holds_lane(self.lane.id, self.lane.owner):
            raise lanes.LeaseLost

    def known_contact(self) -> Contact:
        """Our row of the contact."""
        row, _ = Contact.objects.across_practices().get_or_create(
            sub_account_id=self.account.id, crm_id=self.request.contact_crm_id
        )
        return row


def _known_as(person: Person, external_id: str) -> Person:
    return person_from(demographics_of(person), external_id)
