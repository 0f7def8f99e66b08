"""States as words, each with its colour."""

from django.utils import timezone

from integrations.emrs import registry
from integrations.models import (
    Connection,
    ConnectionState,
    EffectState,
    EventState,
    HeldFor,
    InboundEvent,
    LedgerState,
    ParkedAs,
    Source,
    SubAccount,
)
from integrations.sync.create_back.tags import LABELS
from integrations.sync.own_kinds import OWN_LABELS

GOOD, NEUTRAL, ASKS, BAD, NEWS = "success", "default", "warning", "danger", "info"

EVENT = {
    EventState.WAITING.value: NEWS,
    EventState.DONE.value: GOOD,
    EventState.SKIPPED.value: NEUTRAL,
    EventState.IGNORED.value: NEUTRAL,
    EventState.HELD.value: ASKS,
    EventState.PARKED.value: BAD,
}
EFFECT = {
    EffectState.PLANNED.value: NEWS,
    EffectState.SENDING.value: NEWS,
    EffectState.IN_DOUBT.value: ASKS,
    EffectState.DONE.value: GOOD,
    EffectState.SKIPPED.value: NEUTRAL,
    EffectState.FAILED.value: BAD,
}
LEDGER = {
    LedgerState.PLANNED.value: NEWS,
    LedgerState.WRITTEN.value: GOOD,
    LedgerState.LEFT_TO_CRM.value: NEUTRAL,
    LedgerState.NOT_WRITTEN.value: NEUTRAL,
    LedgerState.NEEDS_ATTENTION.value: BAD,
}
# What a category does to a visit's dot on the contact's page.
OUTCOME = {"booked": NEWS, "completed": GOOD, "cancelled": NEUTRAL, "no-show": ASKS}

# What a person can do about an event that does not go on by itself.
HELD_ADVICE = {
    HeldFor.CATEGORY.value: "Confirm what this appointment type counts as. The pipeline step then runs by itself.",
    HeldFor.LOCATION.value: "Map the location to a sub-account, or choose a default one. It then runs by itself.",
    HeldFor.IDENTITY.value: "Decide whether the patient and the contact are the same person. It then runs by itself.",
    HeldFor.LIVE.value: "The practice is not live. What waits runs when it goes live.",
}
PARKED_ADVICE = {
    ParkedAs.CONFIG.value: "Change the setting named above. The event then runs by itself.",
    ParkedAs.REJECTED.value: "The other side refused this record. Correct it there, then press Replay.",
    ParkedAs.MALFORMED.value: "Tell AX Connect where this practice sends the field, then press Replay.",
    ParkedAs.EXHAUSTED.value: "The other side did not answer for days. Press Retry once it works again.",
    ParkedAs.UNSURE.value: "Settle the uncertain write named above. The event then runs by itself.",
    ParkedAs.INTERNAL.value: "A fault of AX Connect. Give the event's number to whoever maintains it.",
}
# Where an event of ours came from, that no EMR sent.
BY_SETTINGS = "A change of settings"
# A write in doubt that a person settled: in the history, and said to them.
SETTLED = {True: "Settled: it is in the CRM", False: "Settled: it is not in the CRM, written again"}
SETTLED_WORDS = {
    True: "Kept: it is in the CRM.",
    False: "It is written again now. The event's page shows what becomes of it.",
}


def event_words(event: InboundEvent) -> str:
    """The state and, where it stands still, why: ``Held: category not confirmed``."""
    why = event.get_held_for_display() if event.state == EventState.HELD else event.get_parked_as_display()
    if event.state in (EventState.HELD, EventState.PARKED) and why:
        return f"{event.get_state_display()}: {why[0].lower()}{why[1:]}"
    return event.get_state_display()


def advice(event: InboundEvent) -> str:
    """What a person can do about an event that stands still; "" when nothing."""
    if event.state == EventState.HELD or (event.state == EventState.DONE and event.held_for):
        return HELD_ADVICE.get(event.held_for, "")
    return PARKED_ADVICE.get(event.parked_as, "") if event.state == EventState.PARKED else ""


def health(side: Connection | SubAccount) -> tuple[str, str]:
    """(words, colour): how a connection or sub-account is doing."""
    if side.needs_reauth_since:
        return "Needs new credentials", BAD
    if side.circuit_open_until and side.circuit_open_until > timezone.now():
        return "Does not answer", BAD
    if isinstance(side, Connection) and side.state == ConnectionState.PAUSED:
        return "Paused", ASKS
    if side.failures_in_a_row:
        return "Some calls fail", ASKS
    return "Works", GOOD


def kind_label(event: InboundEvent) -> str:
    """What happened, in the words of the EMR's manifest."""
    if event.source == Source.SETTINGS and event.kind in OWN_LABELS:
        return OWN_LABELS[event.kind]
    if event.connection is None and event.kind in LABELS:
        return LABELS[event.kind]
    emr = registry().get(event.connection.emr) if event.connection else None
    declared = emr.manifest.event(event.kind) if emr else None
    return declared.label if declared else (event.kind or "Unreadable event")


def went_on(count: int) -> str:
    """How many events go on after a decision, as a sentence."""
    return {0: "No event waited for it.", 1: "One event goes on."}.get(count, f"{count} events go on.")
