"""What one record leads to. Pure: no clock, no database, no network; time comes in as data.

``decide`` takes what arrived, what is known and how the practice is set up, and gives back the effects to
write and the words that explain them. So it can be replayed, previewed and permuted in tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from categorization.categories import UNMOVING, Category
from integrations.contract.manifest import Manifest
from integrations.contract.records import (
    AmountKind,
    AppointmentRecord,
    ChargeRecord,
    FieldValue,
    MembershipRecord,
    Outcome,
    PatientRecord,
    PaymentRecord,
    Record,
)
from integrations.models.subaccounts import PipelineKind
from integrations.sync.routing import PATIENT_STAGE, Route, route
from integrations.sync.visits import RANK, NoteDue, VisitChange, VisitData
from integrations.sync.words import day

LEAD, PATIENT = "Lead", "Patient"
OPEN, WON = "open", "won"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The category of one visit and how it came about. ``category`` None: nobody confirmed one yet."""

    category: Category | None
    words: str
    missing_key: str = ""


@dataclass(frozen=True, slots=True)
class KnownVisit:
    """A visit of this contact and the category that counts for it today."""

    id: str
    data: VisitData
    category: Category | None
    separate_consults: bool = False

    @property
    def route(self) -> Route | None:
        outcome = self.data.outcome
        return route(self.category, outcome, self.separate_consults) if outcome else None

    @property
    def completed_finally(self) -> bool:
        """Whether it was ever completed in a stage that makes a patient."""
        done = (
            route(self.category, Outcome.COMPLETED, self.separate_consults)
            if self.data.ever_completed
            else None
        )
        return done is not None and done.is_final


@dataclass(frozen=True, slots=True)
class KnownOpportunity:
    """The contact's opportunity in a pipeline as we last saw it."""

    stage: str
    status: str


@dataclass(frozen=True, slots=True)
class ContactState:
    """What is known of the contact before this event. ``contact_type``: the CRM's last answer, "" for none."""

    contact_type: str = ""
    opportunities: dict[PipelineKind, KnownOpportunity] = field(default_factory=dict)
    birthday_known: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """How this connection and sub-account are set up, as far as decisions care.

    ``has_field(name)`` says whether the sub-account has a custom field; ``workflows`` are the names of our
    workflows that are mapped to a CRM workflow; ``moves_pipeline`` is false where the CRM's own locked
    workflow does the rest.
    """

    manifest: Manifest
    is_dual: bool
    zone: tzinfo
    switches: dict[str, Any] = field(default_factory=dict)
    workflows: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    moves_pipeline: bool = True
    several_locations: bool = False
    may_enrol: bool = True
    runs_again: bool = False  # a release or a replay: what is known already is written once more

    def switch(self, name: str) -> Any:
        return self.switches.get(name)

    @property
    def acts_on_reschedules(self) -> bool:
        return bool(self.switch("act_on_reschedules"))


@dataclass(frozen=True, slots=True)
class ContactWrite:
    """Values for the contact by field name; ``custom`` are custom fields, address and so on are native."""

    custom: dict[str, FieldValue] = field(default_factory=dict)
    with_address: bool = False
    money: Decimal | None = None  # what the lifetime value changes by
    birth_date: date | None = None


@dataclass(frozen=True, slots=True)
class Note:
    headline: str
    lines: tuple[tuple[str, str], ...]
    key: str


@dataclass(frozen=True, slots=True)
class StageMove:
    """The opportunity write for one pipeline.

    ``stage`` None leaves the stage alone. The status depends on what the CRM says of the contact at that
    moment: ``status_of_lead`` (None: leave it) or won for a patient. ``makes_patient``: a visit completed in
    a final stage, so won whatever the CRM says. ``with_value``: write the lifetime value as its value.
    ``stage_if_new`` is where an opportunity that does not exist yet is made.
    """

    pipeline: PipelineKind
    stage: str | None
    status_of_lead: str | None
    stage_if_new: str = PATIENT_STAGE
    makes_patient: bool = False
    with_value: bool = False
    may_create: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that follows from a record. ``held_key`` not empty: the pipeline step waits for that type."""

    contact: ContactWrite | None = None
    notes: tuple[Note, ...] = ()
    moves: tuple[StageMove, ...] = ()
    enrol: tuple[str, ...] = ()
    enrol_birthday: str = ""
    tags: tuple[str, ...] = ()
    held_key: str = ""
    story: tuple[tuple[str, str], ...] = ()

    @property
    def writes(self) -> bool:
        """Whether anything at all leaves for the CRM."""
        return bool(self.contact or self.notes or self.moves or self.enrol or self.tags)


def decide(
    record: Record,
    change: VisitChange | None,
    verdict: Verdict,
    visits: Sequence[KnownVisit],
    contact: ContactState,
    settings: Settings,
    event_label: str = "",
) -> Plan:
    """The plan for one record.

    ``change`` is what the record did to its visit (None without one), ``visits`` all visits known for this
    contact with that one already changed, ``verdict`` the category of the record's own visit.
    """
    if isinstance(record, AppointmentRecord):
        assert change is not None
        plan = _appointment(record, change, verdict, visits, contact, settings)
    elif isinstance(record, PaymentRecord):
        plan = _payment(record, change, visits, contact, settings, event_label)
    elif isinstance(record, PatientRecord):
        plan = _patient(record, settings)
    elif isinstance(record, MembershipRecord):
        plan = _membership(record, settings)
    else:
        plan = _charge(record, settings)
    return _left_to_crm(plan, settings) if not settings.moves_pipeline else plan


# Appointments


def is_only_recorded(record: AppointmentRecord, settings: Settings) -> str:
    """Why nothing is written for this appointment, or "" when it counts."""
    if record.outcome is Outcome.OTHER:
        return f'Status "{record.status}" is recorded; nothing is written for it.'
    if (record.is_reschedule or record.is_deletion) and not settings.acts_on_reschedules:
        what = "Reschedules" if record.is_reschedule else "Deletions"
        return f"{what} are recorded and nothing is written: the connection's switch to act on them is off."
    return ""


def _appointment(
    record: AppointmentRecord,
    change: VisitChange,
    verdict: Verdict,
    visits: Sequence[KnownVisit],
    contact: ContactState,
    settings: Settings,
) -> Plan:
    recorded = is_only_recorded(record, settings)
    if recorded:
        return _recorded(recorded, change, visits, contact, settings)
    if not change.is_news and not settings.runs_again:
        return Plan(story=(("decided", "Seen before: nothing about this visit changed."),))
    notes = tuple(_visit_note(due, verdict, settings) for due in change.notes)
    if not change.is_current:
        return _late_appointment(change, notes, visits, contact, settings)
    story = [("category", verdict.words)] if verdict.words else []
    moves, held_key = _moves(record, change, verdict, visits, contact, settings, story)
    custom = _appointment_fields(record, change, verdict, visits, settings)
    if settings.manifest.stage_field:
        custom[settings.manifest.stage_field] = _stage_now(change, visits, settings)
    if not change.notes:
        story.append(("note", "No note: this state of the visit has its note already."))
    enrol, birthday = _enrolments(record, change, bool(held_key), contact, settings)
    birth_date = record.person.birth_date if settings.manifest.birthday_field in custom else None
    return Plan(
        contact=ContactWrite(custom, birth_date=birth_date),
        notes=notes,
        moves=moves,
        enrol=enrol,
        enrol_birthday=birthday,
        held_key=held_key,
        story=tuple(story),
    )


def _recorded(
    words: str, change: VisitChange, visits: Sequence[KnownVisit], contact: ContactState, settings: Settings
) -> Plan:
    """Nothing is written, unless the date that is now known shows that a late message moved the card wrongly."""
    own = next((visit for visit in visits if visit.id == change.visit.external_id), None)
    own_route = own.route if own else None
    known = contact.opportunities.get(own_route.pipeline) if own_route else None
    decision = decide_stage(visits, own_route.pipeline, settings) if own_route else None
    if known is None or decision is None or known.stage == decision.stage:
        return Plan(story=(("decided", words),))
    return Plan(
        moves=(replace(decision, status_of_lead=None),),
        story=(("decided", words), ("pipeline", decision.why)),
    )


def _late_appointment(
    change: VisitChange,
    notes: tuple[Note, ...],
    visits: Sequence[KnownVisit],
    contact: ContactState,
    settings: Settings,
) -> Plan:
    """An older message than what is known: its note, and patient status where it proves a completed visit."""
    story = [
        (
            "decided",
            "Arrived late: a newer state of this visit is known, so fields and stage stay as they are.",
        )
    ]
    moves: tuple[StageMove, ...] = ()
    custom: dict[str, FieldValue] = {}
    own = next((visit for visit in visits if visit.id == change.visit.external_id), None)
    if own is not None and own.completed_finally and contact.contact_type != PATIENT:
        decision = decide_stage(visits, _pipeline(own), settings)
        if decision is not None:
            won = replace(decision, stage=None, why="A completed visit makes the contact a patient.")
            moves = (won, *_won_elsewhere(decision, contact))
            custom["Contact Type"] = PATIENT
            story.append(("pipeline", "It completed a visit in a final stage: the contact is a patient."))
    write = ContactWrite(custom) if custom else None
    return Plan(contact=write, notes=notes, moves=moves, story=tuple(story))


def _pipeline(visit: KnownVisit) -> PipelineKind:
    stage = route(visit.category, Outcome.COMPLETED, visit.separate_consults)
    return stage.pipeline if stage else PipelineKind.NON_SURGICAL


def _stage_now(change: VisitChange, visits: Sequence[KnownVisit], settings: Settings) -> str:
    """The name of the stage in which this visit's pipeline stands, "" where it moves none or waits."""
    own = next((visit for visit in visits if visit.id == change.visit.external_id), None)
    decision = decide_stage(visits, own.route.pipeline, settings) if own and own.route else None
    return decision.stage or "" if decision else ""


def _appointment_fields(
    record: AppointmentRecord,
    change: VisitChange,
    verdict: Verdict,
    visits: Sequence[KnownVisit],
    settings: Settings,
) -> dict[str, FieldValue]:
    custom: dict[str, FieldValue] = dict(record.fields)
    if record.outcome is Outcome.BOOKED:
        custom |= {"Next Visit Date": record.visit_on, "Next Visit Service": record.service}
    if record.outcome is Outcome.COMPLETED:
        custom["Last Visit Date"] = record.visit_on
        if not settings.manifest.last_service_from_payment:
            custom["Last Visit Service"] = record.service
        own = next((visit for visit in visits if visit.id == change.visit.external_id), None)
        if own is not None and own.completed_finally:
            custom["Contact Type"] = PATIENT
    if settings.is_dual and verdict.category is not None:
        custom["Appointment Category"] = verdict.category.value
    return _with_gender(custom, record.person.gender, settings)


def _with_gender(custom: dict[str, FieldValue], gender: str, settings: Settings) -> dict[str, FieldValue]:
    # The CRM keeps the native gender of an existing contact whatever is sent; the custom field stays true.
    if gender and "gender" in settings.fields:
        custom["Gender"] = gender
    return custom


def _visit_note(due: NoteDue, verdict: Verdict, settings: Settings) -> Note:
    lines = []
    for label, value in due.seen.lines:
        if label == "Category":
            value = verdict.category.value if verdict.category else "not yet set"
            if not settings.is_dual:
                continue
        lines.append((label, value))
    if due.moved_from is not None and due.seen.visit_on is not None:
        lines.append(("Rescheduled", f"rescheduled from {day(due.moved_from)} to {day(due.seen.visit_on)}"))
    if due.is_late:
        lines.append(("Order", "arrived late"))
    return Note(due.seen.headline, tuple(lines), f"{due.seen.version.isoformat()} {due.seen.key}")


def _moves(
    record: AppointmentRecord,
    change: VisitChange,
    verdict: Verdict,
    visits: Sequence[KnownVisit],
    contact: ContactState,
    settings: Settings,
    story: list[tuple[str, str]],
) -> tuple[tuple[StageMove, ...], str]:
    """The pipeline step of a current appointment event, or the key of the type that it waits for."""
    if verdict.category is None:
        story.append(("pipeline", f"Held: {verdict.words}"))
        return (), verdict.missing_key
    if verdict.category in UNMOVING:
        story.append(("pipeline", f"{verdict.category.value} never moves the pipeline."))
        return (), ""
    own = next(visit for visit in visits if visit.id == change.visit.external_id)
    own_route = own.route
    assert own_route is not None
    decision = decide_stage(visits, own_route.pipeline, settings)
    assert decision is not None
    known = contact.opportunities.get(own_route.pipeline)
    decides = decision.decided_by == own.id
    story.append(("pipeline", decision.why))
    others = _won_elsewhere(decision, contact)
    if (
        not decides
        and known is not None
        and known.stage == decision.stage
        and not _turns_won(decision, known)
    ):
        return others, ""
    # Only a booking or a completed visit opens a lost opportunity again.
    reopens = record.outcome in (Outcome.BOOKED, Outcome.COMPLETED)
    return (replace(decision, status_of_lead=OPEN if reopens else None), *others), ""


def _won_elsewhere(decision: StageMove, contact: ContactState) -> tuple[StageMove, ...]:
    """A patient's cards are won in every pipeline, whichever of its visits came first: those that a lead had are
    won from now on. Nothing where the contact was a patient before."""
    if not decision.makes_patient or contact.contact_type == PATIENT:
        return ()
    return tuple(
        StageMove(kind, None, None, makes_patient=True, may_create=False)
        for kind, known in contact.opportunities.items()
        if kind is not decision.pipeline and known.status != WON
    )


def _turns_won(decision: StageMove, known: KnownOpportunity) -> bool:
    return decision.makes_patient and known.status != WON


@dataclass(frozen=True, slots=True)
class Decision(StageMove):
    """A stage move and the visit that decided it."""

    decided_by: str = ""


def decide_stage(visits: Sequence[KnownVisit], pipeline: PipelineKind, settings: Settings) -> Decision | None:
    """Stage and patient status of one pipeline from the set of visits known, whatever order they came in.

    None when no visit counts in that pipeline.
    """
    counted = [
        (visit, visit.route, visit.data.version)
        for visit in visits
        if visit.route and visit.route.pipeline == pipeline and visit.data.version
    ]
    candidates = [(visit, to, version) for visit, to, version in counted if to and version]
    if not candidates:
        return None
    as_of = max(version for _, _, version in candidates).astimezone(settings.zone).date()
    ahead = [visit.data.effective_on for visit, _, _ in candidates if _is_ahead(visit, as_of)]
    kept = candidates
    if ahead:
        kept = [row for row in candidates if row[0].data.outcome not in (Outcome.CANCELLED, Outcome.NO_SHOW)]
    winner, stage, version = max(kept, key=_precedence)
    patient = any(visit.completed_finally for visit in visits)
    since = f"{winner.data.outcome} as of {_when(version, settings)}"
    why = f'"{stage.stage}" because of the visit of {_on(winner)}, {since}.'
    newest = max(candidates, key=_precedence)[0]
    if newest.id != winner.id:
        next_on = min(on for on in ahead if on) if any(ahead) else None
        why += (
            f" Stage kept: another visit is booked for {day(next_on)}."
            if next_on
            else " Another visit is booked."
        )
    return Decision(
        pipeline=pipeline,
        stage=stage.stage,
        status_of_lead=OPEN,
        stage_if_new=stage.stage,
        makes_patient=patient,
        why=why,
        decided_by=winner.id,
    )


def _is_ahead(visit: KnownVisit, as_of: date) -> bool:
    on = visit.data.effective_on
    return visit.data.outcome is Outcome.BOOKED and on is not None and on >= as_of


def _precedence(row: tuple[KnownVisit, Route, datetime]) -> tuple[datetime, int, str]:
    visit, _, version = row
    assert visit.data.outcome is not None
    return version, RANK[visit.data.outcome], visit.id


def _on(visit: KnownVisit) -> str:
    return day(visit.data.effective_on) if visit.data.effective_on else "an unknown date"


def _when(version: datetime, settings: Settings) -> str:
    return day(version.astimezone(settings.zone).date())


def _enrolments(
    record: AppointmentRecord, change: VisitChange, held: bool, contact: ContactState, settings: Settings
) -> tuple[tuple[str, ...], str]:
    """Workflows for a distinct, current appointment event, and the birth date to enrol for ("" for none)."""
    if held or not settings.may_enrol or not (change.notes or settings.runs_again):
        return (), ""
    names = [settings.manifest.appointment_workflow]
    if settings.several_locations and settings.manifest.location_workflow:
        names.append(settings.manifest.location_workflow)
    birthday = ""
    if record.outcome is Outcome.COMPLETED:
        birthday = _birthday(record.fields.get(settings.manifest.birthday_field), contact, settings)
    return tuple(name for name in names if name in settings.workflows), birthday


def _birthday(value: FieldValue, contact: ContactState, settings: Settings) -> str:
    """The birth date to enrol in the Birthday workflow for: once per contact and date."""
    if not isinstance(value, date) or settings.manifest.birthday_workflow not in settings.workflows:
        return ""
    return value.isoformat() if value.isoformat() != contact.birthday_known else ""


# Money


def _payment(
    record: PaymentRecord,
    change: VisitChange | None,
    visits: Sequence[KnownVisit],
    contact: ContactState,
    settings: Settings,
    event_label: str,
) -> Plan:
    if record.kind is AmountKind.IGNORED:
        return Plan(story=(("decided", record.ignored_because or "This amount does not count."),))
    sign = -1 if record.kind is AmountKind.REVERSAL else 1
    is_current = change is None or change.is_current
    custom: dict[str, FieldValue] = {}
    if is_current:
        custom |= dict(record.fields)
        if sign > 0:
            custom |= {"Last Visit Date": record.visit_on, "Last Visit Service": record.service}
    elif settings.manifest.payment_id_field:
        custom[settings.manifest.payment_id_field] = record.fields.get(settings.manifest.payment_id_field)
    if sign > 0:
        custom["Invoice Paid Amount"] = record.amount
    story = [("money", f"Lifetime value changes by {sign * record.amount:.2f}, once.")]
    if not is_current:
        story.append(
            ("decided", "Arrived late: a newer state of this visit is known, so visit fields and stage stay.")
        )
    moves = _payment_moves(record, change, visits, contact, settings, story)
    if any(move.makes_patient for move in moves):
        custom["Contact Type"] = PATIENT
    enrol: tuple[str, ...] = ()
    birthday = ""
    if settings.may_enrol and sign > 0:
        enrol = tuple(name for name in (settings.manifest.payment_workflow,) if name in settings.workflows)
        birthday = _birthday(record.fields.get(settings.manifest.birthday_field), contact, settings)
    headline = f"{settings.manifest.name}: {event_label or 'payment'}"
    return Plan(
        contact=ContactWrite(
            _with_gender(custom, record.person.gender, settings),
            money=sign * record.amount,
            birth_date=record.person.birth_date if settings.manifest.birthday_field in custom else None,
        ),
        notes=(Note(headline, record.note, f"payment {record.external_id} {record.kind}"),),
        moves=moves,
        enrol=enrol,
        enrol_birthday=birthday,
        story=tuple(story),
    )


def _payment_moves(
    record: PaymentRecord,
    change: VisitChange | None,
    visits: Sequence[KnownVisit],
    contact: ContactState,
    settings: Settings,
    story: list[tuple[str, str]],
) -> tuple[StageMove, ...]:
    """Value on the non-surgical opportunity (and the surgical one by switch), and the stage it may prove."""
    creates = settings.manifest.creates_opportunity_on_payment and record.kind is AmountKind.PAYMENT
    moves: list[StageMove] = []
    decision = decide_stage(visits, PipelineKind.NON_SURGICAL, settings) if record.proves_visit else None
    if decision is not None and change is not None:
        known = contact.opportunities.get(PipelineKind.NON_SURGICAL)
        own = next((visit for visit in visits if visit.id == change.visit.external_id), None)
        decides = change.is_current and own is not None and decision.decided_by == own.id
        moved = decides or known is None or known.stage != decision.stage
        # What moves no stage makes a patient all the same once it is paid.
        is_patient = decision.makes_patient or (own is not None and own.category in UNMOVING)
        story.append(("pipeline", decision.why))
        to = decision.stage if moved else None
        moves.append(
            replace(decision, stage=to, makes_patient=is_patient, with_value=True, may_create=creates)
        )
    elif record.proves_visit:
        story.append(("pipeline", "A paid invoice makes the contact a patient."))
        stage = StageMove(PipelineKind.NON_SURGICAL, PATIENT_STAGE, None, makes_patient=True)
        moves.append(replace(stage, with_value=True, may_create=creates))
    else:
        moves.append(StageMove(PipelineKind.NON_SURGICAL, None, None, with_value=True, may_create=creates))
    elsewhere = _won_elsewhere(moves[0], contact)
    if settings.switch("surgical_value") and settings.is_dual:
        is_won = any(move.pipeline is PipelineKind.SURGICAL for move in elsewhere)
        value = StageMove(PipelineKind.SURGICAL, None, None, with_value=True, may_create=False)
        return (*moves, replace(value, makes_patient=is_won))
    return (*moves, *elsewhere)


# The rest


def _patient(record: PatientRecord, settings: Settings) -> Plan:
    custom: dict[str, FieldValue] = dict(record.fields)
    if record.is_new and record.referral_source:
        custom["Referral Source"] = record.referral_source
    return Plan(
        contact=ContactWrite(
            _with_gender(custom, record.person.gender, settings),
            with_address=bool(settings.switch("sync_address")),
            birth_date=record.person.birth_date if settings.manifest.birthday_field in custom else None,
        ),
        story=(("decided", "Demographics only: no note, no workflow, no pipeline."),),
    )


def _membership(record: MembershipRecord, settings: Settings) -> Plan:
    tag = "membership"
    if settings.switch("dynamic_membership_tag") and record.program:
        tag = f"membership - {record.program.strip().lower()}"
    name = settings.manifest.membership_workflow
    return Plan(
        contact=ContactWrite(_with_gender(dict(record.fields), record.person.gender, settings)),
        tags=(tag,),
        enrol=(name,) if settings.may_enrol and name in settings.workflows else (),
        story=(
            (
                "decided",
                f'Membership recorded; tag "membership{" - …" if tag != "membership" else ""}" added.',
            ),
        ),
    )


def _charge(record: ChargeRecord, settings: Settings) -> Plan:
    return Plan(
        contact=ContactWrite(dict(record.fields)),
        story=(("decided", "A charge is not a payment: fields only."),),
    )


def _left_to_crm(plan: Plan, settings: Settings) -> Plan:
    """The same plan where the CRM's locked workflow does notes, pipeline, lifetime value, type and tags."""
    contact = plan.contact
    if contact is not None:
        kept = {name: value for name, value in contact.custom.items() if name != "Contact Type"}
        contact = replace(contact, custom=kept, money=None)
    left = ("left to the CRM", "Note, pipeline, lifetime value and tags are left to the CRM's own workflow.")
    return replace(plan, contact=contact, notes=(), moves=(), tags=(), story=(*plan.story, left))
