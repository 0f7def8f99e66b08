"""What waits for people beside the events: incidents, identity questions, failed creates, unmapped locations."""

import random
from datetime import datetime, timedelta

from axconnect.bench.volume.practices import Made
from axconnect.bench.volume.words import INCIDENTS
from integrations.models import (
    CreateRequest,
    CreateState,
    DefaultUse,
    EventState,
    IdentityQuestion,
    InboundEvent,
    Incident,
    Lane,
)

CLOSED_INCIDENTS, QUESTIONS, CREATES, DEFAULT_USES = 50, 20, 10, 100


def make_open_ends(practices: list[Made], now: datetime, rng: random.Random) -> int:
    """Some of each for every practice. How many rows."""
    return sum(_of(practice, now, rng) + _wake_lanes(practice, now) for practice in practices)


def _wake_lanes(practice: Made, now: datetime) -> int:
    """The lanes of what still waits are due."""
    waiting = InboundEvent.objects.for_practice(practice.id).filter(state=EventState.WAITING)
    lanes = Lane.objects.for_practice(practice.id).filter(pk__in=waiting.values("lane_id"))
    return lanes.update(next_at=now)


def _of(practice: Made, now: datetime, rng: random.Random) -> int:
    incidents = Incident.objects.bulk_create(_incidents(practice, now, rng))
    questions = IdentityQuestion.objects.bulk_create(_questions(practice, now, rng), ignore_conflicts=True)
    creates = CreateRequest.objects.bulk_create(_creates(practice, now, rng), ignore_conflicts=True)
    done = InboundEvent.objects.for_practice(practice.id).filter(state=EventState.DONE).order_by("-id")
    uses = DefaultUse.objects.bulk_create(
        [
            DefaultUse(location_id=practice.locations[-1], event_id=event_id)
            for event_id in done.values_list("pk", flat=True)[:DEFAULT_USES]
        ]
    )
    return len(incidents) + len(questions) + len(creates) + len(uses)


def _incidents(practice: Made, now: datetime, rng: random.Random) -> list[Incident]:
    closed = [
        Incident(
            practice_id=practice.id,
            connection_id=practice.side.id,
            kind=kind,
            words=words,
            closed_at=now - timedelta(days=rng.randrange(90)),
        )
        for kind, words in (rng.choice(INCIDENTS) for _ in range(CLOSED_INCIDENTS))
    ]
    if rng.random() < 0.3:
        kind, words = rng.choice(INCIDENTS)
        closed.append(
            Incident(practice_id=practice.id, connection_id=practice.side.id, kind=kind, words=words)
        )
    return closed


def _questions(practice: Made, now: datetime, rng: random.Random) -> list[IdentityQuestion]:
    return [
        IdentityQuestion(
            patient_id=someone.id,
            sub_account_id=someone.account_id,
            candidate_crm_ids=[someone.crm_id],
            clashes=["phone"],
            answer=rng.choice(["", "link"]),
            answered_at=now,
        )
        for someone in rng.sample(practice.people, min(QUESTIONS, len(practice.people)))
        if someone.crm_id
    ]


def _creates(practice: Made, now: datetime, rng: random.Random) -> list[CreateRequest]:
    return [
        CreateRequest(
            practice_id=practice.id,
            sub_account_id=someone.account_id,
            connection_id=practice.side.id,
            contact_crm_id=someone.crm_id,
            contact_id=someone.contact_id,
            state=rng.choice([CreateState.CREATED, CreateState.CREATED, CreateState.NEEDS_FIXING]),
            problems=[{"field": "phone", "words": "The phone number is missing."}],
            asked_at=now,
            tried_at=now - timedelta(days=rng.randrange(90)),
        )
        for someone in rng.sample(practice.people, min(CREATES, len(practice.people)))
        if someone.contact_id
    ]
