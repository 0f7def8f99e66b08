"""What a practice file says, part by part. A value that the file leaves out is not in ``values``."""

from dataclasses import dataclass, field
from typing import Any

# What an export without secrets writes in their place, and what an import takes as "unchanged".
MASK = "***"


@dataclass(frozen=True, slots=True)
class PracticePart:
    """The practice itself. ``live`` None: the file does not say."""

    slug: str
    values: dict[str, Any] = field(default_factory=dict)
    live: bool | None = None
    live_reason: str = ""


@dataclass(frozen=True, slots=True)
class PipelinePart:
    """One pipeline of a sub-account. ``stages``: our stage name → CRM stage id; None: not said."""

    kind: str
    crm_id: str
    path: str
    stages: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SubAccountPart:
    """One sub-account. ``values`` by model field; ``pipelines`` and ``workflows`` None: not said."""

    path: str
    key: str
    values: dict[str, Any] = field(default_factory=dict)
    pipelines: list[PipelinePart] | None = None
    workflows: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class LocationPart:
    """One location. ``says_route``: whether the file says where it goes; ``sub_account`` "" is nowhere."""

    path: str
    external_id: str
    values: dict[str, Any] = field(default_factory=dict)
    sub_account: str = ""
    says_route: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionPart:
    """One connection. ``emr`` is "" where the file names none that is known."""

    path: str
    key: str
    emr: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CategoryPart:
    """One appointment type. ``category`` "" is none; ``confirmed`` None: the file does not say."""

    path: str
    connection: str
    type: str
    purpose: str
    category: str
    confirmed: bool | None = None


@dataclass(frozen=True, slots=True)
class PracticeFile:
    """The whole file. ``locations`` None: the file does not speak of locations."""

    practice: PracticePart
    sub_accounts: list[SubAccountPart] = field(default_factory=list)
    locations: list[LocationPart] | None = None
    connections: list[ConnectionPart] = field(default_factory=list)
    categories: list[CategoryPart] = field(default_factory=list)
