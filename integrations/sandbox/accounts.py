"""One sub-account of the pretend CRM: what a person sets up by hand in the real one."""

from dataclasses import dataclass, field

from .fields import CustomFields
from .index import ContactIndex
from .limits import RateLimit
from .records import Record, new_id
from .setup import DEFAULT_KNOBS, DEFAULT_SETTINGS, Setup


@dataclass
class SubAccount:
    """A sub-account: `tokens` maps each token to its scopes (None: all of them)."""

    id: str
    name: str = ""
    company_id: str = "sandbox-agency"
    timezone: str = "America/New_York"
    tokens: dict[str, list[str] | None] = field(default_factory=dict)
    settings: Record = field(default_factory=lambda: dict(DEFAULT_SETTINGS))
    knobs: Record = field(default_factory=lambda: dict(DEFAULT_KNOBS))
    limits: RateLimit = field(default_factory=RateLimit)
    pipelines: list[Record] = field(default_factory=list)
    workflows: dict[str, Record] = field(default_factory=dict)
    tags: dict[str, Record] = field(default_factory=dict)
    webhooks: Record = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fields = CustomFields(self.id)
        self.index = ContactIndex()
        self.stages: dict[str, list[str]] = {}

    def set_up(self, setup: Setup) -> None:
        """Take a new setup. Custom fields and workflows keep their ids by name, fields are only ever added.

        Raise ApiError 400 naming the part of the setup that is wrong.
        """
        name = setup.text("name", self.name or self.id)
        timezone = setup.text("timezone", self.timezone)
        tokens, limits = setup.tokens(), setup.limits()
        pipelines, fields = setup.pipelines(self.id), setup.fields()
        settings, knobs = setup.settings(), setup.knobs()
        folders = setup.folders({name: key for key, name in self.fields.folders.items()})
        workflows = setup.workflows(self.id, {flow["name"]: flow["id"] for flow in self.workflows.values()})
        self.fields.folders |= folders
        for one in fields:
            if self.fields.named(one["name"], one.get("model", "contact")) is None:
                self.fields.add(one)
        self.name, self.timezone = name, timezone
        self.tokens, self.limits, self.settings, self.knobs = tokens, limits, settings, knobs
        self.keep_pipelines(pipelines)
        self.workflows = {flow["id"]: flow for flow in workflows}

    def keep_pipelines(self, pipelines: list[Record]) -> None:
        """Replace the pipelines."""
        self.pipelines = pipelines
        self.stages = {one["id"]: [stage["id"] for stage in one["stages"]] for one in pipelines}

    def learn_tags(self, names: list[str]) -> None:
        """Add tags that the sub-account does not know yet."""
        for name in names:
            if name not in self.tags:
                self.tags[name] = {"id": new_id(), "name": name, "locationId": self.id}

    def dump(self) -> Record:
        """Return everything but the contacts as JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "company_id": self.company_id,
            "timezone": self.timezone,
            "tokens": self.tokens,
            "settings": self.settings,
            "knobs": self.knobs,
            "limits": {
                "max": self.limits.max,
                "interval_ms": self.limits.interval_ms,
                "daily": self.limits.daily,
            },
            "pipelines": self.pipelines,
            "workflows": list(self.workflows.values()),
            "tags": list(self.tags.values()),
            "webhooks": self.webhooks,
            "custom_fields": self.fields.dump(),
        }

    @classmethod
    def load(cls, dumped: Record) -> "SubAccount":
        """Make a sub-account from what `dump` gave."""
        plain = ("id", "name", "company_id", "timezone", "tokens", "settings", "knobs")
        account = cls(**{name: dumped[name] for name in plain}, limits=RateLimit(**dumped["limits"]))
        account.keep_pipelines(dumped["pipelines"])
        account.workflows = {flow["id"]: flow for flow in dumped["workflows"]}
        account.tags = {tag["name"]: tag for tag in dumped["tags"]}
        account.webhooks = dict(dumped.get("webhooks", {}))
        account.fields.load(dumped["custom_fields"])
        return account
