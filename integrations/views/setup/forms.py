"""The wizard's own forms; credentials, stages and workflows use those of the admin pages."""

import re
import zoneinfo
from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.text import slugify
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from integrations.admin.mapping_form import SubAccountForm
from integrations.models import SubAccount
from tenants.models import COUNTRIES, Location, Practice, PracticeKind

# IANA names of the zones in which practices of these countries are, in the order from east to west.
ZONES = {
    "US": (
        "America/New_York America/Chicago America/Denver America/Phoenix America/Los_Angeles "
        "America/Anchorage Pacific/Honolulu America/Detroit America/Indiana/Indianapolis America/Boise "
        "America/Puerto_Rico Pacific/Guam"
    ),
    "CA": (
        "America/St_Johns America/Halifax America/Toronto America/Winnipeg America/Regina "
        "America/Edmonton America/Vancouver"
    ),
    "GB": "Europe/London",
    "AU": (
        "Australia/Sydney Australia/Melbourne Australia/Brisbane Australia/Hobart Australia/Adelaide "
        "Australia/Darwin Australia/Perth"
    ),
    "NZ": "Pacific/Auckland",
}
COMMON_NAMES = {
    "America/New_York": "Eastern",
    "America/Chicago": "Central",
    "America/Denver": "Mountain",
    "America/Phoenix": "Arizona",
    "America/Los_Angeles": "Pacific",
    "America/Anchorage": "Alaska",
    "Pacific/Honolulu": "Hawaii",
}
RESERVED_SLUGS = frozenset({"new"})


def zone_label(name: str) -> str:
    """``New York (Eastern)``: the way people know a time zone."""
    place = name.rpartition("/")[2].replace("_", " ")
    return f"{place} ({COMMON_NAMES[name]})" if name in COMMON_NAMES else place


def zone_choices(kept: str = "", empty: str = "") -> list[tuple[str, Any]]:
    """Time zones by country; ``kept`` stays offered whatever it is, ``empty`` is what no choice means."""
    found: list[tuple[str, Any]] = [("", empty)] if empty else []
    for country, label in COUNTRIES:
        found.append((label, [(name, zone_label(name)) for name in ZONES[country].split()]))
    known = {name for names in ZONES.values() for name in names.split()}
    if kept and kept not in known and kept in zoneinfo.available_timezones():
        found.append(("Other", [(kept, kept)]))
    return found


def free_slug(words: str, taken: QuerySet[Any], column: str, longest: int = 50) -> str:
    """A short name made of ``words`` that no row of ``taken`` has in ``column``."""
    base = slugify(words)[: longest - 4].strip("-") or "practice"
    used = (
        set(taken.filter(**{f"{column}__startswith": base}).values_list(column, flat=True)) | RESERVED_SLUGS
    )
    names = [base, *(f"{base}-{number}" for number in range(2, len(used) + 3))]
    return next(name for name in names if name not in used)


class PracticeForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a practice is called, what it does, and where it is."""

    slug = forms.SlugField(
        label="Short name",
        required=False,
        max_length=50,
        help_text="In addresses and files; stays as it is. Empty: made from the name.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "data-slug-of": "id_name"}),
        error_messages={"invalid": "Use letters, digits and hyphens only, such as bluestone-surgery."},
    )

    class Meta:
        model = Practice
        fields = ("name", "slug", "kind", "country", "time_zone")
        widgets = {
            "name": UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
            "country": UnfoldAdminSelectWidget,
        }
        labels = {"name": "Name of the practice"}
        help_texts = {
            "country": "Phone numbers without a country code are read as this country's.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"] = forms.ChoiceField(
            label="Time zone",
            choices=zone_choices(self.instance.time_zone),
            widget=UnfoldAdminSelectWidget,
            help_text="Decides on which day a visit falls. A location may have its own.",
        )
        self.fields["kind"] = forms.ChoiceField(
            label="What it does",
            choices=[("", "Choose"), *PracticeKind.choices],
            widget=UnfoldAdminSelectWidget,
            help_text="With surgery there are two pipelines, and every appointment type needs a category.",
            error_messages={"required": "Choose what the practice does."},
        )
        self.fields["name"].error_messages["required"] = "Enter the name of the practice."
        if self.instance.pk:
            del self.fields["slug"]

    def clean_slug(self) -> str:
        every = Practice.objects.across_practices()
        typed = str(self.cleaned_data.get("slug") or "")
        if not typed:
            return free_slug(str(self.cleaned_data.get("name") or ""), every, "slug")
        if typed in RESERVED_SLUGS or every.filter(slug=typed).exists():
            raise forms.ValidationError(f'"{typed}" is taken. Choose another short name.')
        return typed


class AccountForm(SubAccountForm):
    """A sub-account's id and token. The practice is the page's."""

    class Meta:
        model = SubAccount
        fields = ("key", "crm_subaccount_id", "token", "is_default", "pipeline_logic")
        widgets = {
            "key": UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
            "crm_subaccount_id": UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
            "is_default": UnfoldBooleanSwitchWidget,
            "pipeline_logic": UnfoldAdminSelectWidget,
        }
        labels = {
            "key": "Short name",
            "crm_subaccount_id": "CRM location id",
            "is_default": "Default sub-account",
            "pipeline_logic": "Who moves the pipeline",
        }
        help_texts = {
            "key": "Yours to choose, such as main or downtown.",
            "crm_subaccount_id": "In the CRM: Settings, Business Profile; or in the address after /location/.",
            "is_default": "Gets everything that no location is mapped for.",
            "pipeline_logic": "Leave it with AX Connect unless the practice's own workflow does it.",
        }

    field_order = ("crm_subaccount_id", "token", "key", "is_default", "pipeline_logic")

    def __init__(self, *args: Any, others: Sequence[SubAccount] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.others = others
        if self.instance.is_default or not others:
            # The only one has to be it, and the one that is stays so until another is chosen.
            del self.fields["is_default"]
            self.instance.is_default = True

    def clean_key(self) -> str:
        key = str(self.cleaned_data["key"])
        if any(other.key == key for other in self.others):
            raise forms.ValidationError("This practice has a sub-account of that name already.")
        return key

    def clean_crm_subaccount_id(self) -> str:
        typed = str(self.cleaned_data["crm_subaccount_id"]).strip()
        # People copy the whole address of the sub-account.
        found = re.search(r"/location/([A-Za-z0-9_-]+)", typed)
        crm_id = found[1] if found else typed
        if not re.fullmatch(r"[A-Za-z0-9_-]+", crm_id):
            raise forms.ValidationError("That is no location id: it has letters and digits only.")
        if any(other.crm_subaccount_id == crm_id for other in self.others):
            raise forms.ValidationError("This practice has a sub-account with that location id already.")
        return crm_id

    def clean_token(self) -> str:
        token = super().clean_token()
        if not token:
            raise forms.ValidationError("Enter the private integration token.")
        return token


class PlaceForm(forms.ModelForm):  # type: ignore[type-arg]
    """One clinic site."""

    class Meta:
        model = Location
        fields = ("name", "external_id", "time_zone")
        widgets = {
            "name": UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
            "external_id": UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"] = forms.ChoiceField(
            label="Time zone",
            required=False,
            choices=zone_choices(self.instance.time_zone, "As the practice"),
            widget=UnfoldAdminSelectWidget,
        )
        self.fields["external_id"].label = "Id in the EMR"


class BasePlaces(forms.BaseModelFormSet):  # type: ignore[type-arg]
    """The clinic sites of one practice; the last row is for one more."""

    def clean(self) -> None:
        super().clean()
        seen: set[str] = set()
        for form in self.forms:
            external_id = getattr(form, "cleaned_data", {}).get("external_id")
            if external_id in seen:
                form.add_error("external_id", "Another location of this practice has that id.")
            seen |= {external_id} if external_id else set()


Places = forms.modelformset_factory(Location, form=PlaceForm, formset=BasePlaces, extra=1)


class RouteForm(forms.Form):
    """Which sub-account each location's events go to: one box per location."""

    def __init__(
        self, locations: Sequence[Location], accounts: Sequence[SubAccount], data: Any = None
    ) -> None:
        super().__init__(data)
        self.locations = {f"location_{row.pk}": row for row in locations}
        self.accounts = {row.key: row for row in accounts}
        default = next((row.key for row in accounts if row.is_default), "")
        none = f"The default one ({default})" if default else "Not decided"
        choices = [("", none), *((row.key, row.key) for row in accounts)]
        for name, row in self.locations.items():
            route = getattr(row, "route", None)
            self.fields[name] = forms.ChoiceField(
                label=row.name, required=False, choices=choices, widget=UnfoldAdminSelectWidget
            )
            self.initial[name] = route.sub_account.key if route else ""


class ReasonForm(forms.Form):
    """Why a practice goes live before every check is green."""

    reason = forms.CharField(
        label="Why it should go live anyway",
        required=False,
        max_length=500,
        help_text="Kept with your name, and shown on the practice's page.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
