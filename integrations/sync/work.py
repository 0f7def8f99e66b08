"""What a worker has in its hands: one event, the set-up that counts for it, and what was found out about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.contract.records import Record
from integrations.models import EventState, HeldFor, InboundEvent, Opportunity, Priority
from integrations.models.subaccounts import PipelineKind
from integrations.sync import identity, lanes
from integrations.sync.profile import ConnectionProfile, LocationProfile, PracticeProfile, SubAccountProfile


@dataclass(slots=True)
class Work:
    """One event in the hands of a worker, with the set-up that counts for it."""

    event: InboundEvent
    lane: lanes.Claimed
    profile: PracticeProfile
    connection: ConnectionProfile
    opportunities: dict[PipelineKind, Opportunity] | None = None
    money_is_written: bool = False  # a second run must not count it again
    body: Mapping[str, Any] | None = None  # the payload with what was fetched for it
    # What an earlier record of the same event does already: sub-accounts that it makes the contact in, and
    # whether it makes the contact a patient.
    makes_contact_in: set[int] = field(default_factory=set)
    makes_patient: bool = False
    may_ask: bool = True  # a preview asks neither CRM nor EMR, and takes no lease

    @property
    def contact_token(self) -> str:
        return self.lane.contact_token

    @property
    def claims_as(self) -> int:
        """How the event claims the CRM's request budget: what runs a second time gives way to what is new."""
        return max(self.event.priority, Priority.REPLAY) if self.event.runs else self.event.priority

    def workflow_id(self, account: SubAccountProfile, name: str) -> str:
        """The CRM workflow mapped for one of our workflow names, or for what the connection calls it; "" for none."""
        own = self.connection.workflow_names.get(name, name)
        return account.workflows.get(own) or account.workflows.get(name) or ""

    def tell(self, step: str, text: str) -> None:
        """Add a sentence to the event's story."""
        self.event.story.append({"step": step, "text": text})

    def hold(self, held_for: HeldFor, key: str, words: str) -> None:
        """The event waits for what ``key`` names, and ``words`` say why."""
        event = self.event
        event.state, event.held_for, event.held_key = EventState.HELD, held_for, key
        event.reason = words[:500]
        self.tell("held", words)

    def skip(self, words: str) -> None:
        """Nothing is written for the event, and that is no error."""
        self.event.state, self.event.reason = EventState.SKIPPED, words
        self.tell("skipped", words)


@dataclass(frozen=True, slots=True)
class Found:
    """A record, whom it is about, and where it goes."""

    record: Record
    person: identity.Reachable
    who: identity.Who
    location: LocationProfile | None
    account: SubAccountProfile
