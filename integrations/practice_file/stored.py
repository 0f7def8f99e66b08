"""The rows of a practice as they are now, read once in a fixed number of queries."""

from dataclasses import dataclass, field
from typing import Self

from django.db.models import Exists, OuterRef, QuerySet

from categorization.models import AppointmentType
from integrations.models import (
    Connection,
    Contact,
    InboundEvent,
    Opportunity,
    Patient,
    Pipeline,
    Stage,
    SubAccount,
    WorkflowMapping,
)
from tenants.models import Location, Practice

TypeKey = tuple[str, str, str]


@dataclass
class Stored:
    """What is stored of a practice, by the names that the file uses. ``practice`` None: there is none yet."""

    practice: Practice | None = None
    sub_accounts: dict[str, SubAccount] = field(default_factory=dict)
    pipelines: dict[tuple[str, str], Pipeline] = field(default_factory=dict)
    stages: dict[tuple[str, str, str], Stage] = field(default_factory=dict)
    workflows: dict[tuple[str, str], WorkflowMapping] = field(default_factory=dict)
    locations: dict[str, Location] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    types: dict[TypeKey, AppointmentType] = field(default_factory=dict)

    @classmethod
    def of(cls, slug: str, *, locked: bool = False) -> Self:
        """The rows of the practice of that slug; ``locked`` keeps others from importing it meanwhile."""
        rows: QuerySet[Practice] = Practice.objects.across_practices()
        practice = (rows.select_for_update() if locked else rows).filter(slug=slug).first()
        return cls._read(practice) if practice else cls()

    @classmethod
    def _read(cls, practice: Practice) -> Self:
        pipelines = Pipeline.objects.for_practice(practice).select_related("sub_account")
        stages = Stage.objects.for_practice(practice).select_related("pipeline__sub_account")
        workflows = WorkflowMapping.objects.for_practice(practice).select_related("sub_account")
        return cls(
            practice=practice,
            sub_accounts={row.key: row for row in _with_contacts(practice)},
            pipelines={(row.sub_account.key, row.kind): row for row in pipelines},
            stages={(row.pipeline.sub_account.key, row.pipeline.kind, row.name): row for row in stages},
            workflows={(row.sub_account.key, row.name): row for row in workflows},
            locations={row.external_id: row for row in _with_patients(practice)},
            connections={row.key: row for row in _with_traffic(practice)},
            types={
                (row.connection_key, row.name_key, row.purpose_key): row
                for row in AppointmentType.objects.for_practice(practice)
            },
        )

    def stages_in_use(self) -> set[tuple[str, str, str]]:
        """(sub-account key, pipeline, stage) in which some opportunity stands."""
        if self.practice is None:
            return set()
        rows = Opportunity.objects.for_practice(self.practice).order_by()
        return set(rows.values_list("contact__sub_account__key", "pipeline", "stage").distinct())


def _with_contacts(practice: Practice) -> QuerySet[SubAccount]:
    """Sub-accounts, each with ``has_contacts``."""
    contacts = Contact.objects.for_practice(practice).filter(sub_account=OuterRef("pk"))
    return SubAccount.objects.for_practice(practice).annotate(has_contacts=Exists(contacts))


def _with_patients(practice: Practice) -> QuerySet[Location]:
    """Locations with their route, each with ``has_patients``."""
    patients = Patient.objects.for_practice(practice).filter(last_location=OuterRef("pk"))
    rows = Location.objects.for_practice(practice).select_related("route__sub_account")
    return rows.annotate(has_patients=Exists(patients))


def _with_traffic(practice: Practice) -> QuerySet[Connection]:
    """Connections, each with ``has_events``."""
    events = InboundEvent.objects.for_practice(practice).filter(connection=OuterRef("pk"))
    return Connection.objects.for_practice(practice).annotate(has_events=Exists(events))
