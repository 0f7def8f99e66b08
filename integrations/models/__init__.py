"""Everything the engine remembers. Rows are practice-owned and read through the scoped manager."""

from integrations.models.bulk import BulkItem, BulkKind, BulkRun
from integrations.models.connections import Connection, ConnectionState
from integrations.models.creates import CreateRequest, CreateState, TagSweep
from integrations.models.default_uses import DefaultUse
from integrations.models.effects import Effect, EffectKind, EffectState
from integrations.models.events import (
    EventState,
    HeldFor,
    InboundEvent,
    Lane,
    ParkedAs,
    PayloadReveal,
    Priority,
    Source,
)
from integrations.models.incidents import Incident, IncidentKind
from integrations.models.ledger import LedgerRow, LedgerState
from integrations.models.people import (
    Contact,
    ContactLink,
    EarlierAnswer,
    IdentityQuestion,
    Opportunity,
    Patient,
    SearchKey,
)
from integrations.models.polling import (
    Backfill,
    BackfillState,
    CachedRecord,
    ConnectionToken,
    KnownRow,
    PatientRound,
    PollCursor,
    PollRun,
    Trigger,
)
from integrations.models.provisioning import ProvisionRun
from integrations.models.releases import Release, ReleasedEvent
from integrations.models.subaccounts import (
    CustomField,
    LocationRoute,
    Pipeline,
    PipelineKind,
    PipelineLogic,
    Stage,
    SubAccount,
    WorkflowMapping,
)
from integrations.models.type_pulls import TypePull
from integrations.models.visits import Visit

__all__ = [
    "Backfill",
    "BackfillState",
    "BulkItem",
    "BulkKind",
    "BulkRun",
    "CachedRecord",
    "Connection",
    "ConnectionState",
    "ConnectionToken",
    "Contact",
    "ContactLink",
    "CreateRequest",
    "CreateState",
    "CustomField",
    "DefaultUse",
    "EarlierAnswer",
    "Effect",
    "EffectKind",
    "EffectState",
    "EventState",
    "HeldFor",
    "IdentityQuestion",
    "InboundEvent",
    "Incident",
    "IncidentKind",
    "KnownRow",
    "Lane",
    "LedgerRow",
    "LedgerState",
    "LocationRoute",
    "Opportunity",
    "ParkedAs",
    "Patient",
    "PatientRound",
    "PayloadReveal",
    "Pipeline",
    "PipelineKind",
    "PipelineLogic",
    "PollCursor",
    "PollRun",
    "Priority",
    "ProvisionRun",
    "Release",
    "ReleasedEvent",
    "SearchKey",
    "Source",
    "Stage",
    "SubAccount",
    "TagSweep",
    "Trigger",
    "TypePull",
    "Visit",
    "WorkflowMapping",
]
