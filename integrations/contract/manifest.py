"""What an EMR folder declares about itself. Forms, provisioning, routing and help texts are made from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Way(StrEnum):
    WEBHOOK = "webhook"
    POLL = "poll"


class DataType(StrEnum):
    """CRM custom-field types in the API's own spelling."""

    TEXT = "TEXT"
    DATE = "DATE"
    MONETARY = "MONETORY"


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One value that the practice hands over. ``secret`` ones are write-only."""

    name: str
    label: str
    secret: bool = False
    required: bool = True
    help: str = ""


@dataclass(frozen=True, slots=True)
class Switch:
    """A choice per connection. ``default`` also tells its type (bool, str, int, list of str).

    ``default_by_kind``: kind of practice → default, where that depends on what the practice does.
    """

    name: str
    label: str
    default: Any
    help: str = ""
    choices: tuple[str, ...] = ()
    default_by_kind: Mapping[str, Any] | None = None

    def default_for(self, practice_kind: str) -> Any:
        """The default at a practice of that kind ("" for any)."""
        return (self.default_by_kind or {}).get(practice_kind, self.default)


@dataclass(frozen=True, slots=True)
class FolderField:
    """A CRM custom field in the EMR's folder. ``several_locations_only``: needed where a practice has more than
    one location. ``aliases`` are other names that the same field may have in a sub-account already."""

    name: str
    data_type: DataType = DataType.TEXT
    several_locations_only: bool = False
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PayloadField:
    """A value in the EMR's bodies whose place a connection may override. ``paths`` are the usual dotted
    paths, read in this order."""

    name: str
    label: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventKind:
    """An event type that the EMR sends. ``used`` false: known, and answered as ignored."""

    name: str
    label: str
    used: bool = True


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """A prerequisite on the practice's or the EMR's side that a person ticks."""

    name: str
    label: str
    help: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole declaration. ``slug`` equals the folder's name (a contract test holds it)."""

    slug: str
    name: str
    way: Way
    field_prefix: str
    folder: str
    fields: tuple[FolderField, ...]
    events: tuple[EventKind, ...]
    patient_id_field: str
    birthday_field: str
    appointment_workflow: str
    birthday_workflow: str = ""
    payment_workflow: str = ""
    membership_workflow: str = ""
    location_workflow: str = ""
    payment_id_field: str = ""
    has_surgical_pipeline: bool = True
    creates_opportunity_on_payment: bool = False
    last_service_from_payment: bool = False
    stage_field: str = ""
    credentials: tuple[CredentialField, ...] = ()
    switches: tuple[Switch, ...] = ()
    checklist: tuple[ChecklistItem, ...] = ()
    payload_fields: tuple[PayloadField, ...] = ()
    create_tags: tuple[str, ...] = ()
    # The CRM field in which a practice with several locations says where a new patient belongs (name or id).
    create_location_field: str = ""
    default_base_url: str = ""
    needs_base_url: bool = False  # there is no address that serves every practice: each has its own
    free_tasks_per_cycle: int = 0
    task_price: str = ""
    # Standard CRM text fields that this EMR writes beside those of visits and money (e.g. "Lead Status").
    standard_fields: tuple[str, ...] = ()

    @property
    def workflows(self) -> tuple[str, ...]:
        """Names of the CRM workflows that this EMR enrols contacts in."""
        names = (
            self.appointment_workflow,
            self.payment_workflow,
            self.membership_workflow,
            self.birthday_workflow,
            self.location_workflow,
        )
        return tuple(name for name in names if name)

    @property
    def offers_online(self) -> bool:
        """Whether appointment types of this EMR may count as Online Appointment."""
        return any(switch.name == "online_appointment_counts_as" for switch in self.switches)

    def switch_defaults(self, practice_kind: str = "") -> dict[str, Any]:
        """Switch name → default value, at a practice of that kind where the default depends on it."""
        return {switch.name: switch.default_for(practice_kind) for switch in self.switches}

    def fields_for(self, *, several_locations: bool) -> tuple[FolderField, ...]:
        """The fields that a practice with one location, or with several, needs."""
        return tuple(field for field in self.fields if several_locations or not field.several_locations_only)

    def event(self, name: str) -> EventKind | None:
        """The declared event of that name, or None."""
        return next((kind for kind in self.events if kind.name == name), None)
