"""An appointment as records: what counts of it now, and a notice that was overtaken."""

from datetime import date

from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.records import AppointmentRecord, FieldValue, Outcome, Person, Record
from integrations.emrs.patientnow_pro.fields import FIELDS
from integrations.emrs.patientnow_pro.kinds import APPOINTMENT_CREATED
from integrations.emrs.patientnow_pro.people import known_patient, patient_id, person_in
from integrations.emrs.patientnow_pro.reading import Reading, filled, lines, place
from integrations.emrs.patientnow_pro.statuses import WORDS, State, settle, state_of

# The engine puts the category into this line.
CATEGORY_LINE = ("Category", "")
OVERTAKEN = "PatientNow Pro has changed the appointment since this notice: what it says now counts."
BLOCKED_TIME = "An appointment without a patient: time blocked in the book."


def appointments_in(reading: Reading, kind: str) -> list[Record]:
    """One record of the appointment as it counts, and a second, older one where the notice told of another
    status, which gets its own note and nothing else.

    Raises IgnoredEvent for time blocked in the book, MalformedPayload for what is missing or unreadable.
    """
    external_id = reading.identifier("appointment_id", "appointment id")
    reading.fetched("appointment")
    if not known_patient(reading.body):
        raise IgnoredEvent(BLOCKED_TIME)
    states = states_in(reading, kind)
    if len(states) > 1:
        reading.warnings.append(OVERTAKEN)
    return [_record(reading, external_id, state, decides=not at) for at, state in enumerate(states)]


def states_in(reading: Reading, kind: str) -> tuple[State, ...]:
    """The states to act on, the deciding one first (see ``settle``)."""
    changed_at = reading.when("modified_at", "Time of the change")
    found = state_of(reading.text("status"), changed_at)
    if kind == APPOINTMENT_CREATED:
        told = State(Outcome.BOOKED, WORDS[Outcome.BOOKED], reading.occurred_at)
    else:
        told = state_of(reading.text("notice_status"), reading.occurred_at)
    return settle(told, found, reading.context.received_at)


def _record(reading: Reading, external_id: str, state: State, *, decides: bool) -> AppointmentRecord:
    person = person_in(reading) if state.counts else Person(patient_id(reading))
    visit_on = _visit_day(reading, state.outcome, needs_date=decides)
    type_, practitioner = reading.text("type"), reading.name("provider")
    event_type, reason = reading.text("event_type"), reading.text("reason")
    fields: dict[str, FieldValue] = {
        "PNOW ID": person.external_id,
        "PNOW Appt Status": state.status,
        "PNOW Primary Employee": practitioner,
        "PNOW Location": place(reading.location),
        "PNOW Appt Comments": reading.text("comments"),
        "PNOW Event Type": event_type,
        "PNOW Last Appt ID": external_id,
        "PNOW Appt Reason": reason,
    }
    return AppointmentRecord(
        person=person,
        external_id=external_id,
        outcome=state.outcome,
        status=state.status,
        version=state.version,
        visit_on=visit_on,
        type=type_,
        type_id=reading.text("type_code")[:100],
        service=type_,
        practitioner=practitioner,
        location=reading.location,
        fields=filled(fields),
        note=(
            *lines(("Status", state.status), ("Event type", event_type), ("Reason", reason)),
            CATEGORY_LINE,
            ("Appointment ID", external_id),
        ),
        warnings=tuple(dict.fromkeys(reading.warnings)),
    )


def _visit_day(reading: Reading, outcome: Outcome, *, needs_date: bool) -> date | None:
    """The visit's day. A booked or completed visit says nothing without it; for the rest, and for a notice that
    was overtaken, it may be missing."""
    if outcome is Outcome.OTHER:
        return None
    day = reading.day("start")
    if day is None and needs_date and outcome in (Outcome.BOOKED, Outcome.COMPLETED):
        expected = reading.body.expected("start", *FIELDS["start"])
        raise MalformedPayload(
            f'The appointment date is missing: it is expected at "{expected}".', field=expected
        )
    if day is None:
        reading.warnings.append("The appointment has no date.")
    return day
