"""The rules as tables: category × outcome → stage, and which of several visits counts. No database."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from categorization.categories import UNMOVING, Category
from integrations.contract.manifest import FolderField, Manifest, Way
from integrations.contract.records import (
    AmountKind,
    AppointmentRecord,
    ChargeRecord,
    MembershipRecord,
    Outcome,
    PatientRecord,
    PaymentRecord,
    Person,
)
from integrations.models.subaccounts import PipelineKind
from integrations.sync import visits as visit_rules
from integrations.sync.categorize import has_category, verdict
from integrations.sync.decide import (
    ContactState,
    KnownOpportunity,
    KnownVisit,
    Plan,
    Settings,
    StageMove,
    Verdict,
    decide,
    decide_stage,
)
from integrations.sync.profile import CategoryProfile, ConnectionProfile, PracticeProfile
from integrations.sync.routing import route
from integrations.sync.visits import Seen, VisitChange, VisitData
from tests.engine.world import money

NEW_YORK = ZoneInfo("America/New_York")
NOON = datetime(2026, 3, 10, 16, tzinfo=UTC)
BOOKED, COMPLETED, CANCELLED, NO_SHOW, OTHER = Outcome
SURGICAL, NON_SURGICAL = PipelineKind.SURGICAL, PipelineKind.NON_SURGICAL
ANA = Person("7", "Ana", "Frost", "ana.frost@example.com", "(212) 555-0111")
MANIFEST = Manifest(
    slug="pretend",
    name="Pretend EMR",
    way=Way.WEBHOOK,
    field_prefix="PRE",
    folder="Pretend",
    fields=(FolderField("PRE Patient ID"),),
    events=(),
    patient_id_field="PRE Patient ID",
    birthday_field="PRE Birthday",
    payment_id_field="PRE Payment ID",
    appointment_workflow="PRE Appointments",
    payment_workflow="PRE Payments",
    birthday_workflow="PRE Birthday flow",
    membership_workflow="PRE Memberships",
    location_workflow="PRE Location",
)
ALL_MAPPED = frozenset(MANIFEST.workflows)


def setup(**changes: Any) -> Settings:
    """A practice with both pipelines and every workflow mapped; ``changes`` replace parts of it."""
    return replace(Settings(MANIFEST, is_dual=True, zone=NEW_YORK, workflows=ALL_MAPPED), **changes)


def hours(count: float) -> datetime:
    return NOON + timedelta(hours=count)


def known(
    outcome: Outcome,
    version: datetime = NOON,
    on: date | None = date(2026, 3, 12),
    category: Category | None = Category.NON_SURGICAL_APPOINTMENT,
    *,
    pk: str = "v1",
    separate: bool = False,
    completed: bool = False,
    **more: Any,
) -> KnownVisit:
    data = VisitData(
        pk, version, outcome, visit_on=on, ever_completed=completed or outcome is COMPLETED, **more
    )
    return KnownVisit(pk, data, category, separate)


def appointment(outcome: Outcome = BOOKED, pk: str = "v1", **more: Any) -> AppointmentRecord:
    values: dict[str, Any] = {"status": outcome.value.title(), "visit_on": date(2026, 3, 12), "type": "Peel"}
    return AppointmentRecord(ANA, pk, outcome, **(values | {"service": "Peel"} | more))


def seen(record: AppointmentRecord, version: datetime = NOON) -> Seen:
    return visit_rules.seen_in(record, version, f"Pretend EMR: {record.outcome}", 1)


def plan_for(
    record: AppointmentRecord,
    category: Category | None,
    *others: KnownVisit,
    version: datetime = NOON,
    contact: ContactState = ContactState(),  # noqa: B008  (frozen)
    settings: Settings | None = None,
    before: VisitData | None = None,
    separate: bool = False,
) -> Plan:
    """What follows from one appointment record when ``others`` are known too."""
    change = visit_rules.apply_appointment(
        before or VisitData(record.external_id), record, seen(record, version)
    )
    own = KnownVisit(record.external_id, change.visit, category, separate)
    words = "" if category else "nobody has confirmed a category."
    waits = "" if category else "pretend|peel"
    return decide(
        record, change, Verdict(category, words, waits), [own, *others], contact, settings or setup()
    )


def status_for(move: StageMove, contact_is_patient: bool) -> str:
    """The opportunity's status that a move leads to (as delivery reads it)."""
    return "won" if move.makes_patient or contact_is_patient else move.status_of_lead or "(left)"


# Category × outcome, for a lead and for a patient

SC, SA = Category.SURGICAL_CONSULT, Category.SURGICAL_APPOINTMENT
NC, NA = Category.NON_SURGICAL_CONSULT, Category.NON_SURGICAL_APPOINTMENT
LOST = "Cancelled / No-Show"
MATRIX = [
    # category, separate consults, outcome, pipeline, stage, a lead's status
    (SC, False, BOOKED, SURGICAL, "Consult Booked", "open"),
    (SC, False, COMPLETED, SURGICAL, "Consult Complete", "open"),
    (SC, False, CANCELLED, SURGICAL, LOST, "(left)"),
    (SC, False, NO_SHOW, SURGICAL, LOST, "(left)"),
    (SA, False, BOOKED, SURGICAL, "Surgery Scheduled", "open"),
    (SA, False, COMPLETED, SURGICAL, "Surgery Complete", "won"),
    (SA, False, CANCELLED, SURGICAL, LOST, "(left)"),
    (SA, False, NO_SHOW, SURGICAL, LOST, "(left)"),
    (NC, False, BOOKED, NON_SURGICAL, "Booked", "open"),
    (NC, False, COMPLETED, NON_SURGICAL, "Patient", "won"),
    (NC, False, CANCELLED, NON_SURGICAL, LOST, "(left)"),
    (NC, False, NO_SHOW, NON_SURGICAL, LOST, "(left)"),
    (NC, True, BOOKED, NON_SURGICAL, "Consult Booked", "open"),
    (NC, True, COMPLETED, NON_SURGICAL, "Consult Complete", "open"),
    (NC, True, CANCELLED, NON_SURGICAL, LOST, "(left)"),
    (NC, True, NO_SHOW, NON_SURGICAL, LOST, "(left)"),
    (NA, False, BOOKED, NON_SURGICAL, "Booked", "open"),
    (NA, False, COMPLETED, NON_SURGICAL, "Patient", "won"),
    (NA, False, CANCELLED, NON_SURGICAL, LOST, "(left)"),
    (NA, False, NO_SHOW, NON_SURGICAL, LOST, "(left)"),
    (NA, True, BOOKED, NON_SURGICAL, "Booked", "open"),
    (NA, True, COMPLETED, NON_SURGICAL, "Patient", "won"),
    (SC, True, BOOKED, SURGICAL, "Consult Booked", "open"),
    (SC, True, COMPLETED, SURGICAL, "Consult Complete", "open"),
]


@pytest.mark.parametrize(("category", "separate", "outcome", "pipeline", "stage", "status"), MATRIX)
def test_category_and_outcome_give_pipeline_stage_and_status(
    category, separate, outcome, pipeline, stage, status
):
    for is_patient in (False, True):
        state = ContactState("Patient" if is_patient else "Lead")
        plan = plan_for(appointment(outcome), category, contact=state, separate=separate)
        (move,) = plan.moves
        assert (move.pipeline, move.stage) == (pipeline, stage)
        assert status_for(move, is_patient) == ("won" if is_patient else status)
        wrote_type = plan.contact is not None and plan.contact.custom.get("Contact Type")
        assert wrote_type == ("Patient" if status == "won" else None)


def test_the_matrix_above_names_every_category_that_moves_and_every_outcome():
    rows = {(row[0], row[2]) for row in MATRIX}
    wanted = {(category, outcome) for category in (SC, SA, NC, NA) for outcome in Outcome} - {
        (category, OTHER) for category in Category
    }
    assert rows >= wanted


@pytest.mark.parametrize("outcome", [BOOKED, COMPLETED, CANCELLED, NO_SHOW])
@pytest.mark.parametrize("category", sorted(UNMOVING))
def test_pre_op_post_op_and_blocked_get_contact_and_note_and_no_stage(category, outcome):
    plan = plan_for(appointment(outcome, note=(("Status", "x"), ("Category", ""))), category)
    assert plan.contact is not None
    assert plan.contact.custom["Appointment Category"] == category.value
    assert len(plan.notes) == 1
    assert plan.moves == ()
    assert plan.held_key == ""
    assert ("pipeline", f"{category.value} never moves the pipeline.") in plan.story


def test_other_outcomes_have_no_route():
    assert [route(category, OTHER, False) for category in Category] == [None] * len(Category)
    assert route(None, BOOKED, False) is None
    assert route(Category.ONLINE, BOOKED, False) is None


def test_a_completed_consult_leaves_a_lead_open_on_the_surgical_pipeline():
    plan = plan_for(appointment(COMPLETED), SC)
    assert "Contact Type" not in plan.contact.custom
    assert status_for(plan.moves[0], False) == "open"


@pytest.mark.parametrize(
    ("is_dual", "category", "written"),
    [(True, SC, "Surgical Consult"), (True, None, None), (False, NA, None)],
)
def test_appointment_category_is_written_where_there_are_two_pipelines(is_dual, category, written):
    plan = plan_for(appointment(), category, settings=setup(is_dual=is_dual))
    assert plan.contact.custom.get("Appointment Category") == written


# Uncategorized


def test_an_uncategorized_visit_is_held_with_contact_and_note_written():
    plan = plan_for(appointment(note=(("Status", "Booked"), ("Category", ""))), None)
    assert plan.held_key == "pretend|peel"
    assert plan.moves == ()
    assert plan.enrol == ()
    assert plan.contact is not None
    assert plan.notes[0].lines == (("Status", "Booked"), ("Category", "not yet set"))


def test_the_note_carries_the_category_only_where_there_are_two_pipelines():
    note = (("Status", "Booked"), ("Category", ""))
    assert plan_for(appointment(note=note), SC).notes[0].lines[1] == ("Category", "Surgical Consult")
    single = plan_for(appointment(note=note), NA, settings=setup(is_dual=False))
    assert single.notes[0].lines == (("Status", "Booked"),)


def test_an_uncategorized_visit_takes_no_part_in_the_choice_of_the_stage():
    unknown = known(CANCELLED, hours(5), category=None, pk="v2")
    (move,) = plan_for(appointment(BOOKED), NA, unknown).moves
    assert move.stage == "Booked"


# Rule 1: a late message gets its note and changes nothing else


def current(outcome: Outcome, version: datetime, **more: Any) -> VisitData:
    """A visit that one message has brought to ``outcome``."""
    record = appointment(outcome, **more)
    return visit_rules.apply_appointment(VisitData("v1"), record, seen(record, version)).visit


def test_rule_1_a_late_message_gets_its_note_and_changes_neither_fields_nor_stage():
    before = current(CANCELLED, hours(2))
    plan = plan_for(appointment(BOOKED), NA, version=hours(1), before=before)
    assert plan.contact is None
    assert plan.moves == ()
    assert plan.enrol == ()
    assert [note.lines[-1] for note in plan.notes] == [("Order", "arrived late")]


def test_rule_1_a_late_completion_still_makes_a_patient():
    before = current(CANCELLED, hours(2))
    plan = plan_for(appointment(COMPLETED), NA, version=hours(1), before=before)
    (move,) = plan.moves
    assert (move.stage, move.makes_patient) == (None, True)
    assert plan.contact.custom == {"Contact Type": "Patient"}


def test_rule_1_a_late_completion_of_a_known_patient_writes_only_its_note():
    before = current(CANCELLED, hours(2))
    state = ContactState("Patient")
    plan = plan_for(appointment(COMPLETED), NA, version=hours(1), before=before, contact=state)
    assert (plan.contact, plan.moves, len(plan.notes)) == (None, (), 1)


# Rule 2: a visit that is still ahead keeps cancellations out

MARCH_9, MARCH_10, MARCH_12, MARCH_20 = (date(2026, 3, day) for day in (9, 10, 12, 20))
AHEAD = [
    # the booked visit's date, the cancellation's outcome, stage
    (MARCH_12, CANCELLED, "Booked"),
    (MARCH_12, NO_SHOW, "Booked"),
    (MARCH_10, CANCELLED, "Booked"),  # on the very day as of which we know
    (MARCH_9, CANCELLED, LOST),  # past: the booking is over
    (None, CANCELLED, LOST),  # nobody knows when
    (MARCH_12, COMPLETED, "Patient"),  # a completed visit is never left out
]


@pytest.mark.parametrize(("on", "outcome", "stage"), AHEAD)
def test_rule_2_a_booked_visit_ahead_keeps_the_stage(on, outcome, stage):
    visits = [known(BOOKED, NOON, on, pk="v1"), known(outcome, hours(1), MARCH_9, pk="v2")]
    decision = decide_stage(visits, NON_SURGICAL, setup())
    assert decision.stage == stage
    assert ("Stage kept: another visit is booked for 3/" in decision.why) == (
        stage == "Booked" and outcome is not COMPLETED
    )


def test_rule_2_counts_the_day_in_the_practices_zone():
    """At 02:00 UTC on the 11th it is the evening of the 10th in New York: the visit of the 10th is ahead."""
    late_evening = datetime(2026, 3, 11, 2, tzinfo=UTC)
    visits = [known(BOOKED, NOON, MARCH_10, pk="v1"), known(CANCELLED, late_evening, pk="v2")]
    assert decide_stage(visits, NON_SURGICAL, setup()).stage == "Booked"
    assert decide_stage(visits, NON_SURGICAL, setup(zone=UTC)).stage == LOST


def test_rule_2_the_visit_is_named_and_dated_in_the_explanation():
    visits = [known(BOOKED, NOON, MARCH_12, pk="v1"), known(CANCELLED, hours(1), pk="v2")]
    why = decide_stage(visits, NON_SURGICAL, setup()).why
    assert why == (
        '"Booked" because of the visit of 3/12/2026, booked as of 3/10/2026.'
        " Stage kept: another visit is booked for 3/12/2026."
    )


def test_rule_2_looks_at_one_pipeline_at_a_time():
    visits = [known(BOOKED, NOON, category=SA, pk="v1"), known(CANCELLED, hours(1), pk="v2")]
    assert decide_stage(visits, NON_SURGICAL, setup()).stage == LOST
    assert decide_stage(visits, SURGICAL, setup()).stage == "Surgery Scheduled"


# Rule 3: the newest version decides, then completed > booked > no-show > cancelled, then the id


def test_rule_3_the_newest_version_decides():
    visits = [known(CANCELLED, hours(3), pk="v1"), known(COMPLETED, hours(2), pk="v2")]
    decision = decide_stage(visits, NON_SURGICAL, setup())
    assert (decision.stage, decision.decided_by, decision.makes_patient) == (LOST, "v1", True)


RANKED = [
    (COMPLETED, BOOKED, "Patient"),
    (BOOKED, NO_SHOW, "Booked"),
    (BOOKED, CANCELLED, "Booked"),
    (COMPLETED, CANCELLED, "Patient"),
]


@pytest.mark.parametrize(("higher", "lower", "stage"), RANKED)
def test_rule_3_of_one_version_the_later_word_decides(higher, lower, stage):
    for ids in (("v1", "v2"), ("v2", "v1")):
        visits = [known(higher, on=MARCH_9, pk=ids[0]), known(lower, on=MARCH_9, pk=ids[1])]
        assert decide_stage(visits, NON_SURGICAL, setup()).decided_by == ids[0]
        assert decide_stage(visits, NON_SURGICAL, setup()).stage == stage


def test_rule_3_a_no_show_counts_before_a_cancellation():
    visits = [known(CANCELLED, pk="v2"), known(NO_SHOW, pk="v1")]
    assert decide_stage(visits, NON_SURGICAL, setup()).decided_by == "v1"


def test_rule_3_of_equals_the_greatest_id_decides():
    visits = [known(CANCELLED, pk="v1"), known(CANCELLED, pk="v2")]
    assert decide_stage(visits, NON_SURGICAL, setup()).decided_by == "v2"
    assert decide_stage(visits[::-1], NON_SURGICAL, setup()).decided_by == "v2"


def test_rule_3_any_visit_ever_completed_in_a_final_stage_makes_a_patient():
    undone = known(CANCELLED, hours(2), pk="v1", completed=True)
    decision = decide_stage([undone], NON_SURGICAL, setup())
    assert (decision.stage, decision.makes_patient) == (LOST, True)
    surgery = known(COMPLETED, hours(1), category=SA, pk="v2")
    assert decide_stage([known(BOOKED), surgery], NON_SURGICAL, setup()).makes_patient
    consult = known(COMPLETED, hours(1), category=SC, pk="v2")
    assert not decide_stage([known(BOOKED), consult], NON_SURGICAL, setup()).makes_patient


def test_rule_3_without_a_visit_in_the_pipeline_nothing_is_decided():
    assert decide_stage([], NON_SURGICAL, setup()) is None
    assert decide_stage([known(BOOKED, category=Category.BLOCKED)], NON_SURGICAL, setup()) is None
    assert decide_stage([known(BOOKED, category=SC)], NON_SURGICAL, setup()) is None


# Which events write the stage


def test_an_event_that_decides_always_writes_since_a_person_may_have_moved_the_card():
    state = ContactState("Lead", {NON_SURGICAL: KnownOpportunity("Booked", "open")})
    assert len(plan_for(appointment(BOOKED), NA, contact=state).moves) == 1


def test_an_event_that_does_not_decide_leaves_a_card_alone_that_stands_right():
    """Rule 6: what a person did by hand is respected until the next newer visit event."""
    state = ContactState("Lead", {NON_SURGICAL: KnownOpportunity("Booked", "open")})
    ahead = known(BOOKED, hours(2), MARCH_20, pk="v2")
    assert plan_for(appointment(CANCELLED), NA, ahead, contact=state).moves == ()


def test_an_event_that_does_not_decide_still_puts_a_wrong_card_right():
    state = ContactState("Lead", {NON_SURGICAL: KnownOpportunity(LOST, "open")})
    ahead = known(BOOKED, hours(2), MARCH_20, pk="v2")
    (move,) = plan_for(appointment(CANCELLED), NA, ahead, contact=state).moves
    assert move.stage == "Booked"


REOPENS = [(BOOKED, "open"), (COMPLETED, "won"), (CANCELLED, "(left)"), (NO_SHOW, "(left)")]


@pytest.mark.parametrize(("outcome", "status"), REOPENS)
def test_only_a_booking_or_a_completed_visit_opens_a_lost_opportunity_again(outcome, status):
    state = ContactState("Lead", {NON_SURGICAL: KnownOpportunity(LOST, "lost")})
    (move,) = plan_for(appointment(outcome), NA, contact=state).moves
    assert status_for(move, False) == status


def test_a_state_seen_before_writes_nothing():
    before = current(BOOKED, NOON)
    plan = plan_for(appointment(BOOKED), NA, before=before)
    assert not plan.writes
    assert plan.story == (("decided", "Seen before: nothing about this visit changed."),)


def test_a_comment_that_changed_updates_fields_without_a_note_or_an_enrolment():
    before = current(BOOKED, NOON, fields={"PRE Comment": "a"})
    record = appointment(BOOKED, fields={"PRE Comment": "b"})
    plan = plan_for(record, NA, before=before, version=hours(1))
    assert plan.contact.custom["PRE Comment"] == "b"
    assert (plan.notes, plan.enrol) == ((), ())


CHANGES = [
    {"status": "Held"},
    {"visit_on": MARCH_20},
    {"type": "Facial"},
    {"purposes": ("Acne",)},
    {"practitioner": "Dr. Wood"},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_what_makes_an_appointment_event_distinct_gets_a_note(change):
    before = current(BOOKED, NOON)
    plan = plan_for(appointment(BOOKED, **change), NA, before=before, version=hours(1))
    assert len(plan.notes) == 1
    assert plan.enrol == ("PRE Appointments",)


def test_a_moved_visit_says_from_when_to_when():
    before = current(BOOKED, NOON)
    plan = plan_for(appointment(BOOKED, visit_on=MARCH_20), NA, before=before, version=hours(1))
    assert plan.notes[0].lines == (("Rescheduled", "rescheduled from 3/12/2026 to 3/20/2026"),)


def test_a_cancellation_of_another_date_is_no_move():
    before = current(BOOKED, NOON)
    plan = plan_for(appointment(CANCELLED, visit_on=MARCH_20), NA, before=before, version=hours(1))
    assert plan.notes[0].lines == ()


# Fields of an appointment

PAIRS = [
    (BOOKED, {"Next Visit Date": MARCH_12, "Next Visit Service": "Peel"}),
    (COMPLETED, {"Last Visit Date": MARCH_12, "Last Visit Service": "Peel", "Contact Type": "Patient"}),
    (CANCELLED, {}),
    (NO_SHOW, {}),
]


@pytest.mark.parametrize(("outcome", "written"), PAIRS)
def test_next_and_last_visit_are_pairs_of_date_and_service(outcome, written):
    plan = plan_for(appointment(outcome, fields={"PRE ID": "1"}), NA, settings=setup(is_dual=False))
    assert plan.contact.custom == {"PRE ID": "1"} | written


def test_the_last_service_is_left_out_where_the_bill_brings_it():
    settings = setup(manifest=replace(MANIFEST, last_service_from_payment=True), is_dual=False)
    plan = plan_for(appointment(COMPLETED), NA, settings=settings)
    assert plan.contact.custom == {"Last Visit Date": MARCH_12, "Contact Type": "Patient"}


@pytest.mark.parametrize(("fields", "written"), [({"gender"}, "female"), (set(), None)])
def test_gender_is_mirrored_where_the_sub_account_has_the_field(fields, written):
    record = replace(appointment(), person=replace(ANA, gender="female"))
    plan = plan_for(record, NA, settings=setup(fields=frozenset(fields)))
    assert plan.contact.custom.get("Gender") == written


# What is only recorded


def only_recorded(record: AppointmentRecord, visit: VisitData, *, switches: Any = None, **more: Any) -> Plan:
    settings = setup(switches=switches or {})
    change = visit_rules.apply_recorded(visit, record, more.pop("version", hours(3)))
    own = KnownVisit("v1", change.visit, NA)
    state = more.pop("contact", ContactState())
    others = more.pop("others", ())
    return decide(record, change, Verdict(NA, ""), [own, *others], state, settings)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (appointment(OTHER, status="Checked in"), 'Status "Checked in" is recorded'),
        (appointment(is_reschedule=True), "Reschedules are recorded"),
        (appointment(CANCELLED, is_deletion=True), "Deletions are recorded"),
    ],
)
def test_other_statuses_and_unwanted_reschedules_and_deletions_write_nothing(record, words):
    plan = only_recorded(record, current(BOOKED, NOON))
    assert not plan.writes
    assert words in plan.story[0][1]


def test_with_the_switch_reschedules_and_deletions_count():
    on = setup(switches={"act_on_reschedules": True})
    moved = plan_for(appointment(is_reschedule=True), NA, settings=on)
    assert moved.moves[0].stage == "Booked"
    deleted = plan_for(appointment(CANCELLED, is_deletion=True), NA, settings=on)
    assert deleted.moves[0].stage == LOST


def test_rule_5_a_recorded_reschedule_moves_the_date_that_rule_2_looks_at():
    """Booked for the 9th, moved to the 20th; then another visit is cancelled: the stage is kept."""
    booked = current(BOOKED, NOON, visit_on=MARCH_9)
    moved = visit_rules.apply_recorded(booked, appointment(visit_on=MARCH_20, is_reschedule=True), hours(1))
    assert moved.visit.effective_on == MARCH_20
    assert moved.visit.visit_on == MARCH_9
    visits = [KnownVisit("v1", moved.visit, NA), known(CANCELLED, hours(2), pk="v2")]
    assert decide_stage(visits, NON_SURGICAL, setup()).stage == "Booked"


def test_rule_5_a_reschedule_older_than_the_booking_moves_nothing():
    booked = current(BOOKED, hours(2), visit_on=MARCH_12)
    moved = visit_rules.apply_recorded(booked, appointment(visit_on=MARCH_20, is_reschedule=True), hours(1))
    assert moved.visit.effective_on == MARCH_12


def test_rule_5_a_reschedule_that_comes_late_puts_the_card_right():
    """The cancellation of another visit moved the card before we knew that this one is still ahead."""
    booked = current(BOOKED, NOON, visit_on=MARCH_9)
    state = ContactState("Lead", {NON_SURGICAL: KnownOpportunity(LOST, "open")})
    plan = only_recorded(
        appointment(visit_on=MARCH_20, is_reschedule=True),
        booked,
        version=hours(1),
        contact=state,
        others=[known(CANCELLED, hours(2), pk="v2")],
    )
    (move,) = plan.moves
    assert (move.stage, move.status_of_lead) == ("Booked", None)
    assert (plan.contact, plan.notes) == (None, ())


# Enrolments

ENROL = [
    # what is special, workflows
    ({}, ("PRE Appointments",)),
    ({"several_locations": True}, ("PRE Appointments", "PRE Location")),
    ({"workflows": frozenset()}, ()),
    ({"may_enrol": False}, ()),  # replayed or back-filled
]


@pytest.mark.parametrize(("changes", "workflows"), ENROL)
def test_a_distinct_current_event_enrols_in_what_is_mapped(changes, workflows):
    assert plan_for(appointment(), NA, settings=setup(**changes)).enrol == workflows


def test_the_birthday_workflow_comes_once_per_contact_and_date():
    born = {"PRE Birthday": date(1980, 2, 3)}
    for known_for, wanted in (("", "1980-02-03"), ("1980-02-03", ""), ("1979-02-03", "1980-02-03")):
        state = ContactState(birthday_known=known_for)
        plan = plan_for(appointment(COMPLETED, fields=born), NA, contact=state)
        assert plan.enrol_birthday == wanted
    assert plan_for(appointment(BOOKED, fields=born), NA).enrol_birthday == ""
    assert plan_for(appointment(COMPLETED), NA).enrol_birthday == ""


# Money


def payment(**more: Any) -> PaymentRecord:
    values: dict[str, Any] = {
        "amount": money("350.00"),
        "fields": {"PRE Payment ID": "900"},
        "note": (("Amount", "$350.00"),),
        "service": "Peel",
        "visit_on": MARCH_12,
    }
    return PaymentRecord(ANA, "900", **(values | more))


def pay(record: PaymentRecord, *visits: KnownVisit, settings: Settings | None = None, **state: Any) -> Plan:
    change = None
    if record.proves_visit:
        data = next((visit.data for visit in visits if visit.id == "v1"), VisitData("v1"))
        change = visit_rules.apply_payment(data, record, hours(4))
        own = next((visit for visit in visits if visit.id == "v1"), known(COMPLETED))
        visits = (replace(own, data=change.visit), *(visit for visit in visits if visit.id != "v1"))
    return decide(
        record, change, Verdict(None, ""), visits, ContactState(**state), settings or setup(), "invoice paid"
    )


APRO_LIKE = setup(manifest=replace(MANIFEST, creates_opportunity_on_payment=True), is_dual=False)


def test_a_payment_changes_the_lifetime_value_and_leaves_the_stage_where_the_emr_has_visits():
    plan = pay(payment())
    assert plan.contact.money == money("350.00")
    assert plan.contact.custom["Invoice Paid Amount"] == money("350.00")
    (move,) = plan.moves
    assert (move.pipeline, move.stage, move.with_value) == (NON_SURGICAL, None, True)
    assert not move.may_create
    assert plan.enrol == ("PRE Payments",)


def test_the_value_goes_to_the_surgical_pipeline_only_with_the_switch():
    plan = pay(payment(), settings=setup(switches={"surgical_value": True}))
    assert [(move.pipeline, move.with_value, move.may_create) for move in plan.moves] == [
        (NON_SURGICAL, True, False),
        (SURGICAL, True, False),
    ]


def test_an_invoice_that_proves_a_visit_makes_a_patient():
    plan = pay(payment(proves_visit=True), settings=APRO_LIKE)
    (move,) = plan.moves
    assert (move.stage, move.makes_patient, move.may_create) == ("Patient", True, True)
    assert plan.contact.custom["Contact Type"] == "Patient"


def test_a_paid_consult_leaves_a_lead_open_where_consults_have_stages_of_their_own():
    consult = known(BOOKED, category=NC, separate=True)
    plan = pay(payment(proves_visit=True), consult, settings=APRO_LIKE)
    (move,) = plan.moves
    assert (move.stage, move.makes_patient, move.status_of_lead) == ("Consult Complete", False, "open")
    assert "Contact Type" not in plan.contact.custom


def test_an_invoice_older_than_what_is_known_of_its_visit_brings_money_and_patient_only():
    newer = known(CANCELLED, hours(9), completed=False)
    state = {NON_SURGICAL: KnownOpportunity(LOST, "open")}
    plan = pay(payment(proves_visit=True), newer, settings=APRO_LIKE, opportunities=state)
    assert plan.contact.custom == {
        "PRE Payment ID": "900",
        "Invoice Paid Amount": money("350.00"),
        "Contact Type": "Patient",
    }
    (move,) = plan.moves
    assert (move.makes_patient, move.stage) == (True, None)


def test_a_refund_takes_back_and_proves_nothing():
    plan = pay(payment(kind=AmountKind.REVERSAL))
    assert plan.contact.money == money("-350.00")
    assert "Invoice Paid Amount" not in plan.contact.custom
    assert "Last Visit Date" not in plan.contact.custom
    assert plan.enrol == ()
    assert [move.stage for move in plan.moves] == [None]


def test_a_refund_makes_no_opportunity():
    plan = pay(payment(kind=AmountKind.REVERSAL), settings=APRO_LIKE)
    assert [move.may_create for move in plan.moves] == [False]


def test_money_that_does_not_count_writes_nothing():
    plan = pay(payment(kind=AmountKind.IGNORED, ignored_because="Insurance money is left out."))
    assert not plan.writes
    assert plan.story == (("decided", "Insurance money is left out."),)


# The rest


def test_demographics_write_no_note_no_workflow_and_no_stage():
    record = PatientRecord(ANA, is_new=True, referral_source="A friend", fields={"PRE Patient ID": "7"})
    plan = decide(record, None, Verdict(None, ""), (), ContactState(), setup(switches={"sync_address": True}))
    assert plan.contact.custom == {"PRE Patient ID": "7", "Referral Source": "A friend"}
    assert plan.contact.with_address
    assert (plan.notes, plan.moves, plan.enrol, plan.tags) == ((), (), (), ())


@pytest.mark.parametrize(
    ("dynamic", "program", "tag"),
    [
        (False, "Glow Club", "membership"),
        (True, "Glow Club ", "membership - glow club"),
        (True, "", "membership"),
    ],
)
def test_a_membership_adds_its_tag(dynamic, program, tag):
    record = MembershipRecord(ANA, "m1", program)
    switches = {"dynamic_membership_tag": dynamic}
    plan = decide(record, None, Verdict(None, ""), (), ContactState(), setup(switches=switches))
    assert plan.tags == (tag,)
    assert plan.enrol == ("PRE Memberships",)


def test_a_charge_is_fields_only():
    record = ChargeRecord(ANA, "c1", fields={"PRE Charge": "Botox"})
    plan = decide(record, None, Verdict(None, ""), (), ContactState(), setup())
    assert plan.contact.custom == {"PRE Charge": "Botox"}
    assert (plan.contact.money, plan.notes, plan.moves, plan.enrol) == (None, (), (), ())


def test_where_the_crms_own_workflow_does_the_rest_only_fields_and_the_enrolment_are_left():
    plan = plan_for(appointment(COMPLETED), NA, settings=setup(moves_pipeline=False))
    assert "Contact Type" not in plan.contact.custom
    assert plan.contact.custom["Last Visit Date"] == MARCH_12
    assert (plan.notes, plan.moves, plan.tags) == ((), (), ())
    assert plan.enrol == ("PRE Appointments",)
    assert plan.story[-1][0] == "left to the CRM"
    paid = pay(payment(), settings=setup(moves_pipeline=False))
    assert paid.contact.money is None


def test_decide_changes_nothing_that_it_is_given_and_repeats():
    record, change = appointment(), VisitChange(current(BOOKED, NOON), True, True)
    given = (record, change, Verdict(NA, "w"), (known(BOOKED),), ContactState(), setup())
    assert decide(*given) == decide(*given)


# Which category counts


def practice(
    categories: dict[tuple[str, str], Category], *, is_surgical: bool = True, **switches: Any
) -> tuple[PracticeProfile, ConnectionProfile]:
    """A practice whose connection ``pre`` has these (type, purpose) → category rows."""

    class PretendEmr:
        slug = "pretend"
        manifest = MANIFEST

    connection = ConnectionProfile(1, "pre", PretendEmr(), "", {}, switches, {}, {}, False)  # type: ignore[arg-type]
    rows = {
        ("pre", name, purpose): CategoryProfile(category, "confirmed by Ina on 3/1/2026")
        for (name, purpose), category in categories.items()
    }
    profile = PracticeProfile(
        1, "p", 1, is_surgical, "US", NEW_YORK, True, False, {1: connection}, {}, {}, rows
    )
    return profile, connection


LOOKUPS = [
    # rows, type, purposes, category
    ({("peel", ""): NA}, "Peel", (), NA),
    ({("peel", ""): NA}, "  PEEL ", (), NA),
    ({("chemical peel", ""): NA}, "Chemical   Peel", (), NA),
    ({("peel", "acne"): NC, ("peel", ""): NA}, "Peel", ("Acne",), NC),  # the exact pair first
    ({("peel", ""): NA}, "Peel", ("Acne",), NA),  # then the type alone
    ({("peel", "acne"): NC}, "Peel", (), None),
    ({("peel", "acne"): NC}, "Peel", ("Scar",), None),
    ({}, "Peel", (), None),
    # several purposes: the one that moves furthest
    ({("v", "a"): NC, ("v", "b"): NA}, "V", ("a", "b"), NA),
    ({("v", "a"): NA, ("v", "b"): SC}, "V", ("a", "b"), SC),
    ({("v", "a"): SA, ("v", "b"): SC}, "V", ("a", "b"), SA),
    ({("v", "a"): Category.PRE_OP, ("v", "b"): NC}, "V", ("a", "b"), NC),
    ({("v", "a"): NC, ("v", "b"): Category.BLOCKED}, "V", ("b", "a"), NC),
]


@pytest.mark.parametrize(("rows", "name", "purposes", "category"), LOOKUPS)
def test_a_category_is_looked_up_by_type_and_purpose(rows, name, purposes, category):
    found = verdict(*practice(rows), name, purposes)
    assert found.category == category
    if category is None:
        assert found.missing_key
        assert "nobody has confirmed a category for" in found.words
    else:
        assert "confirmed by Ina on 3/1/2026" in found.words


def test_the_explanation_says_that_purposes_disagree():
    found = verdict(*practice({("v", "a"): NC, ("v", "b"): NA}), "V", ("a", "b"))
    assert "the one that moves furthest counts" in found.words


ONLINE = [("Surgical Consult", SC), ("non-surgical consult", NC), ("", None), ("Online Appointment", None)]


@pytest.mark.parametrize(("counts_as", "category"), ONLINE)
def test_an_online_appointment_counts_as_what_the_practice_chose_else_it_is_held(counts_as, category):
    rows = {("video", ""): Category.ONLINE}
    found = verdict(*practice(rows, online_appointment_counts_as=counts_as), "Video", ())
    assert found.category == category
    assert bool(found.missing_key) == (category is None)


SINGLE = [
    ({}, NA),
    ({("peel", ""): SA}, NA),  # a med spa has no surgical pipeline
    ({("peel", ""): NC}, NC),
    *[({("peel", ""): category}, category) for category in sorted(UNMOVING)],
]


@pytest.mark.parametrize(("rows", "category"), SINGLE)
def test_with_one_pipeline_every_appointment_is_non_surgical_except_what_moves_nothing(rows, category):
    assert verdict(*practice(rows, is_surgical=False), "Peel", ()).category == category


def test_what_an_event_was_held_for_is_found_again_by_its_key():
    profile, connection = practice({})
    waits = verdict(profile, connection, "  Lip  Filler", ("Scar", "Acne")).missing_key
    assert not has_category(profile, connection, waits)
    later, connection = practice({("lip filler", "acne"): NC})
    assert has_category(later, connection, waits)
