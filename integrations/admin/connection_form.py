"""The form of a connection, built from its EMR's manifest: credentials, switches, workflow names, checklist.

Credentials are write-only: the stored values never reach the form, and an empty box leaves them as they are.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django import forms
from django.utils.text import slugify
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
    UnfoldBooleanWidget,
)

from integrations.contract.manifest import ChecklistItem, CredentialField, Manifest, Switch, Way
from integrations.emrs import registry
from integrations.models import Connection
from integrations.sync.circuit import reauthenticated
from integrations.sync.golive import TESTED
from integrations.sync.polling.cursors import credentials_changed, set_up_cursors

LONGEST_CREDENTIAL = 4000
UNCHANGED = "unchanged"
CREDENTIALS, SWITCHES, WORKFLOW_NAMES, TICKS = "credentials", "switches", "workflow_names", "ticks"
EVERY_PART = frozenset({CREDENTIALS, SWITCHES, WORKFLOW_NAMES, TICKS})


def credential_field(name: str) -> str:
    return f"credential_{name}"


def removal_field(name: str) -> str:
    return f"remove_{name}"


def switch_field(name: str) -> str:
    return f"switch_{name}"


def workflow_name_field(name: str) -> str:
    return f"workflow_name_{slugify(name).replace('-', '_')}"


def tick_field(name: str) -> str:
    return f"tick_{name}"


def emr_choices() -> list[tuple[str, str]]:
    """(slug, name) of the EMR folders found."""
    return [(slug, emr.manifest.name) for slug, emr in registry().items()]


class NewConnectionForm(forms.ModelForm):  # type: ignore[type-arg]
    """First the practice and the EMR; what the EMR needs is asked on the next page."""

    emr = forms.ChoiceField(label="EMR", widget=UnfoldAdminSelectWidget)

    class Meta:
        model = Connection
        fields = ("practice", "emr", "key")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["emr"].choices = [("", "Choose the EMR"), *emr_choices()]  # type: ignore[attr-defined]


class ConnectionForm(forms.ModelForm):  # type: ignore[type-arg]
    """Base of the forms that ``form_for`` makes for each EMR. ``parts`` are those it has boxes for: the others stay
    as they are stored."""

    manifest: Manifest | None = None
    parts: frozenset[str] = EVERY_PART
    base_url = forms.URLField(
        label="Base address",
        required=False,
        assume_scheme="https",
        help_text="Empty: the EMR's own address.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )

    class Meta:
        model = Connection
        fields = ("base_url", "billing_cycle_day")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.manifest is None:
            return
        self.initial.update(self._stored(self.manifest))
        for credential in self.manifest.credentials:
            if name_is_in := self.fields.get(credential_field(credential.name)):
                is_set = bool(self.instance.credential(credential.name))
                name_is_in.widget.attrs["placeholder"] = UNCHANGED if is_set else "not set"
                if not is_set:
                    self.fields.pop(removal_field(credential.name), None)

    def _stored(self, manifest: Manifest) -> Iterator[tuple[str, Any]]:
        for credential in manifest.credentials:
            shown = "" if credential.secret else self.instance.credential(credential.name)
            yield credential_field(credential.name), shown
        settings = manifest.switch_defaults(self._practice_kind()) | (self.instance.switches or {})
        for switch in manifest.switches:
            value = settings[switch.name]
            yield switch_field(switch.name), _shown(switch, value)
        for name in manifest.workflows:
            yield workflow_name_field(name), (self.instance.workflow_names or {}).get(name, "")
        for item in manifest.checklist:
            yield tick_field(item.name), bool((self.instance.ticks or {}).get(item.name))

    def _practice_kind(self) -> str:
        return self.instance.practice.kind if self.instance.practice_id else ""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for credential in self.manifest.credentials if self.manifest and CREDENTIALS in self.parts else ():
            has_one = self.credentials_after(cleaned).get(credential.name)
            if credential.required and not has_one:
                self.add_error(credential_field(credential.name), f"{credential.label} is needed.")
        return cleaned

    def credentials_after(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        """The credentials as they will be: typed ones replace, ticked ones go, the rest stays."""
        after = dict(self.instance.credentials or {})
        for credential in self.manifest.credentials if self.manifest else ():
            typed = str(cleaned.get(credential_field(credential.name)) or "").strip()
            if typed:
                after[credential.name] = typed
            elif cleaned.get(removal_field(credential.name)) or (
                not credential.secret and not credential.required
            ):
                after.pop(credential.name, None)
        return after

    def switches_after(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        """Only what differs from the manifest's defaults."""
        chosen = {
            switch.name: _switch_value(switch, cleaned.get(switch_field(switch.name)))
            for switch in (self.manifest.switches if self.manifest else ())
        }
        defaults = self.manifest.switch_defaults(self._practice_kind()) if self.manifest else {}
        return {name: value for name, value in chosen.items() if value != _plain(defaults[name])}

    def workflow_names_after(self, cleaned: dict[str, Any]) -> dict[str, str]:
        """Workflows that go by another name at this practice."""
        names = self.manifest.workflows if self.manifest else ()
        typed = {name: str(cleaned.get(workflow_name_field(name)) or "").strip() for name in names}
        return {name: other for name, other in typed.items() if other and other != name}

    def apply(self, user: Any, now: datetime) -> bool:
        """Put everything into the row, to be saved. True when credentials changed: they need a new test."""
        row, cleaned = self.instance, self.cleaned_data
        before = dict(row.credentials or {})
        if CREDENTIALS in self.parts:
            row.credentials = self.credentials_after(cleaned)
        if SWITCHES in self.parts:
            row.switches = self.switches_after(cleaned)
        if WORKFLOW_NAMES in self.parts:
            row.workflow_names = self.workflow_names_after(cleaned)
        if TICKS in self.parts:
            row.ticks = self._ticks_after(user, now)
        has_new = row.credentials != before
        if has_new:
            row.ticks.pop(TESTED, None)
        return has_new

    def _ticks_after(self, user: Any, now: datetime) -> dict[str, Any]:
        ticks = dict(self.instance.ticks or {})
        for item in self.manifest.checklist if self.manifest else ():
            ticks = ticked(ticks, item.name, bool(self.cleaned_data.get(tick_field(item.name))), user, now)
        return ticks


def ticked(ticks: dict[str, Any], name: str, is_on: bool, user: Any, now: datetime) -> dict[str, Any]:
    """``ticks`` with one item set or taken away; who ticked it first stays."""
    if is_on:
        fresh = {"by": str(user), "at": now.isoformat(timespec="seconds")}
        return {**ticks, name: ticks.get(name) or fresh}
    return {other: value for other, value in ticks.items() if other != name}


def after_save(row: Connection, *, has_new_credentials: bool) -> None:
    """What has to follow when a connection was saved: new credentials are tried again, polls are set up."""
    if has_new_credentials:
        reauthenticated(Connection, row.pk, row.practice_id)
        credentials_changed(row.pk)
    emr = registry().get(row.emr)
    if emr is not None and emr.manifest.way is Way.POLL:
        set_up_cursors(row.practice_id)


def form_for(manifest: Manifest, parts: frozenset[str] = EVERY_PART) -> type[ConnectionForm]:
    """The form of connections to one EMR, with boxes for these parts of it."""
    found: dict[str, dict[str, forms.Field]] = {
        CREDENTIALS: _credential_fields(manifest),
        SWITCHES: {switch_field(switch.name): _switch(switch) for switch in manifest.switches},
        WORKFLOW_NAMES: {workflow_name_field(name): _workflow_name(name) for name in manifest.workflows},
        TICKS: {tick_field(item.name): _tick(item) for item in manifest.checklist},
    }
    fields = {name: field for part, of in found.items() if part in parts for name, field in of.items()}
    return type("EmrConnectionForm", (ConnectionForm,), {**fields, "manifest": manifest, "parts": parts})


def _credential_fields(manifest: Manifest) -> dict[str, forms.Field]:
    fields: dict[str, forms.Field] = {}
    for credential in manifest.credentials:
        fields[credential_field(credential.name)] = _credential(credential)
        if credential.secret and not credential.required:
            fields[removal_field(credential.name)] = forms.BooleanField(
                label=f"Remove the {_within(credential.label)}", required=False, widget=UnfoldBooleanWidget
            )
    return fields


def _within(label: str) -> str:
    """A label in the middle of a sentence: acronyms stay as they are."""
    first, space, rest = label.partition(" ")
    return label if first.isupper() else f"{first.lower()}{space}{rest}"


def _tick(item: ChecklistItem) -> forms.Field:
    return forms.BooleanField(
        label=item.label, help_text=item.help, required=False, widget=UnfoldBooleanWidget
    )


def _credential(declared: CredentialField) -> forms.Field:
    quiet = {"autocomplete": "new-password" if declared.secret else "off"}
    widget = (
        UnfoldAdminPasswordWidget(attrs=quiet) if declared.secret else UnfoldAdminTextInputWidget(attrs=quiet)
    )
    needed = "" if declared.required else "Optional. "
    help_text = declared.help if declared.help.startswith("Optional") else f"{needed}{declared.help}".strip()
    if declared.secret:
        help_text = f"{help_text} Never shown again; typing replaces it.".strip()
    return forms.CharField(
        label=declared.label,
        required=False,
        max_length=LONGEST_CREDENTIAL,
        widget=widget,
        help_text=help_text,
    )


def _is_list(switch: Switch) -> bool:
    return isinstance(switch.default, list | tuple)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(switch: Switch, value: Any) -> Any:
    """A stored value in the form's own terms."""
    if not _is_list(switch):
        return value
    return list(value) if switch.choices else ", ".join(map(str, value))


def _switch(switch: Switch) -> forms.Field:
    if isinstance(switch.default, bool):
        usual = "on" if switch.default else "off"
        words = f"{switch.help} Usually {usual}.".strip()
        return forms.BooleanField(
            label=switch.label, required=False, help_text=words, widget=UnfoldBooleanSwitchWidget
        )
    if switch.choices and _is_list(switch):
        options = [(choice, choice) for choice in switch.choices]
        return forms.MultipleChoiceField(
            label=switch.label,
            required=False,
            choices=options,
            help_text=switch.help,
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
        )
    if switch.choices:
        options = [(choice, choice) for choice in switch.choices]
        return forms.ChoiceField(
            label=switch.label,
            required=False,
            choices=options if switch.default else [("", "Not chosen"), *options],
            help_text=switch.help,
            widget=UnfoldAdminSelectWidget,
        )
    if isinstance(switch.default, int):
        number = UnfoldAdminIntegerFieldWidget
        return forms.IntegerField(label=switch.label, help_text=switch.help, widget=number)
    return forms.CharField(
        label=switch.label,
        required=False,
        max_length=1000,
        help_text=_text_help(switch),
        widget=UnfoldAdminTextInputWidget,
    )


def _text_help(switch: Switch) -> str:
    usual = _shown(switch, switch.default)
    parts = [
        switch.help,
        "Separate several with commas." if _is_list(switch) else "",
        f"Usually {usual}." if usual else "",
    ]
    return " ".join(part for part in parts if part)


def _switch_value(switch: Switch, value: Any) -> Any:
    """What was entered, in the type of the switch's default."""
    if isinstance(switch.default, bool):
        return bool(value)
    if isinstance(switch.default, int):
        return value if value is not None else switch.default
    if _is_list(switch):
        words = value if isinstance(value, list) else str(value or "").split(",")
        return [word.strip() for word in words if word.strip()]
    return str(value or "").strip()


def _workflow_name(name: str) -> forms.Field:
    return forms.CharField(
        label=name,
        required=False,
        max_length=100,
        help_text="Only if this practice's sub-accounts map the workflow under another name.",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": name}),
    )
