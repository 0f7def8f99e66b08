"""Practices, clinic sites and the people who sign in. What belongs to an EMR or the CRM is added to the
practice's page by ``integrations.admin``."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, PaginationInlineFormSet

from tenants.models import Location, Membership, Practice, PracticeState, User
from tenants.moments import moment
from tenants.roles import (
    Right,
    company_roles_to_give,
    outranks,
    people_for,
    practice_ids_with,
    roles_to_give,
    update_staff_flag,
)
from tenants.scoped_admin import ScopedAdmin, ScopedInline, rows_with
from tenants.user_forms import EditUserForm, NewUserForm

# Rights come from roles, and second factors are no rows to edit: neither has a page.
for unused in (Group, StaticDevice, TOTPDevice):
    if admin.site.is_registered(unused):
        admin.site.unregister(unused)

STATE_COLOURS = {
    PracticeState.LIVE.label: "success",
    PracticeState.ONBOARDING.label: "info",
    PracticeState.PAUSED.label: "warning",
}


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]
    """A role in a practice."""

    class Meta:
        model = Membership
        fields = ("practice", "user", "role")


class MembershipFormSet(PaginationInlineFormSet):
    """The people of a practice. ``giver`` at the keyboard can only give and take roles that they may give."""

    giver: Any = None

    def clean(self) -> None:
        super().clean()
        giveable = {*roles_to_give(self.giver, self.instance), None}
        for form in self.forms:
            is_touched = form.has_changed() or form in self.deleted_forms
            if is_touched and not {form.initial.get("role"), form.cleaned_data.get("role")} <= giveable:
                raise forms.ValidationError("You may not give or take away one of these roles.")


class MembershipInline(ScopedInline):
    """People of a practice, on its page."""

    model = Membership
    form = MembershipForm
    verbose_name_plural = "people"
    change_right = add_right = delete_right = Right.MANAGE_PEOPLE
    autocomplete_fields = ("user",)

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        kwargs["formset"] = type("GivenMembershipFormSet", (MembershipFormSet,), {"giver": request.user})
        return super().get_formset(request, obj, **kwargs)


class LocationInline(ScopedInline):
    """Clinic sites of a practice, on its page."""

    model = Location
    fields: Any = ("name", "external_id", "time_zone")


@admin.register(Practice)
class PracticeAdmin(ScopedAdmin):
    """A practice: what it is called, where it is, and who works there."""

    list_display: Any = ("name", "state_label", "kind", "location_count", "people_count")
    list_filter = ("state", "kind")
    search_fields = ("name", "slug")
    search_help_text = "Name of a practice"
    prepopulated_fields = {"slug": ("name",)}
    inlines: Any = (LocationInline, MembershipInline)
    delete_right = None
    fields = ("name", "slug", "kind", "country", "time_zone")
    empty_words = "No practice yet."
    empty_next = "Add the first one: its name, what kind it is, and its time zone. Its EMR and CRM come next."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Practice]:
        counts = {
            "number_of_locations": Count("locations", distinct=True),
            "number_of_people": Count("memberships", distinct=True),
        }
        rows: QuerySet[Practice] = super().get_queryset(request).annotate(**counts)
        return rows

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A new practice is made by company staff: nobody has a role in it yet."""
        return (
            self.allowed(request, Right.CONFIGURE)
            and practice_ids_with(request.user, Right.CONFIGURE) is None
        )

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj or not self.has_add_permission(request) else dict(self.prepopulated_fields)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        found = super().get_fields(request, obj)
        return ["short_name" if name == "slug" else name for name in found] if obj else found

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("short_name", *self.readonly_fields) if obj else ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "slug":
            kwargs |= {"label": "Short name", "help_text": "In addresses and files; it stays as it is."}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @display(description="Short name")
    def short_name(self, row: Practice) -> str:
        return row.slug

    @display(description="State", label=STATE_COLOURS, ordering="state")
    def state_label(self, row: Practice) -> str:
        return row.get_state_display()

    @display(description="Locations", ordering="number_of_locations")
    def location_count(self, row: Any) -> int:
        return int(row.number_of_locations)

    @display(description="People", ordering="number_of_people")
    def people_count(self, row: Any) -> int:
        return int(row.number_of_people)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        if formset.model is Membership:
            touched = [
                *formset.new_objects,
                *formset.deleted_objects,
                *(row for row, _ in formset.changed_objects),
            ]
            for membership in touched:
                update_staff_flag(membership.user)


class SignInFilter(DropdownFilter):
    """Those who may sign in, or those who are switched off."""

    title = "may sign in"
    parameter_name = "is_active__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Yes"), ("0", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(is_active=self.value() == "1") if self.value() in ("0", "1") else queryset


@admin.register(User)
class UserAdmin(ScopedAdmin, DjangoUserAdmin):  # type: ignore[misc]
    """People who sign in by e-mail."""

    form = EditUserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    change_right = add_right = Right.MANAGE_PEOPLE
    delete_right = None
    list_display = ("email", "name", "role_words", "may_sign_in", "signed_in")
    list_filter = (SignInFilter,)
    search_fields = ("email", "name")
    search_help_text = "Name or e-mail address"
    ordering = ("email",)
    filter_horizontal = ()
    readonly_fields = ("password_words", "signed_in", "joined", "is_staff")
    fieldsets = (
        (None, {"fields": ("email", "name", "password_words")}),
        ("Rights", {"fields": ("is_active", "company_role", "is_superuser", "is_staff")}),
        ("Dates", {"fields": ("signed_in", "joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "practice", "role", "password1", "password2")}),)
    empty_words = "Nobody here yet."
    empty_next = "Add a person, then give them a role on a practice's page."

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return (
            people_for(request.user).prefetch_related(_roles_seen_by(request.user)).order_by(*self.ordering)
        )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.allowed(request, Right.MANAGE_PEOPLE)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request, Right.MANAGE_PEOPLE)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may change a person who has rights that they lack themselves."""
        if not self.allowed(request, Right.MANAGE_PEOPLE):
            return False
        user: Any = request.user
        return obj is None or outranks(user, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request, Right.MANAGE_PEOPLE)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People are switched off, not deleted: what they decided keeps their name."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Only superusers and company administrators decide about company roles."""
        user: Any = request.user
        if user.is_superuser:
            return self.readonly_fields
        locked = ["is_superuser"]
        if not company_roles_to_give(user):
            locked.append("company_role")
        if obj is not None and obj.pk == user.pk:
            locked.extend(["is_active", "company_role"])
        return (*self.readonly_fields, *locked)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if not change:
            form.make_membership()
        update_staff_flag(form.instance)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = type("GivenUserForm", (NewUserForm,), {"giver": request.user})
        return super().get_form(request, obj, change=change, **kwargs)

    @display(description="Password")
    def password_words(self, person: User) -> SafeString:
        url = reverse("admin:auth_user_password_change", args=[person.pk])
        words = "Set" if person.has_usable_password() else "Not set"
        return format_html('{}. <a class="ax-link" href="{}">Set a new one</a>', words, url)

    @display(description="May sign in", boolean=True, ordering="is_active")
    def may_sign_in(self, person: User) -> bool:
        return person.is_active

    @display(description="Last signed in", ordering="last_login")
    def signed_in(self, person: User) -> SafeString | str:
        return moment(person.last_login) if person.last_login else "Never"

    @display(description="Added")
    def joined(self, person: User) -> SafeString:
        return moment(person.date_joined)

    @display(description="Roles")
    def role_words(self, person: User) -> str:
        if person.is_superuser:
            return "Superuser"
        words = [person.get_company_role_display()] if person.company_role else []
        words += [f"{row.get_role_display()} at {row.practice}" for row in person.memberships.all()]
        return ", ".join(words) or "No role yet"


def _roles_seen_by(viewer: Any) -> "Prefetch[Any]":
    """Only roles in practices that the viewer knows of."""
    seen = rows_with(viewer, Membership, Right.MANAGE_PEOPLE).select_related("practice")
    return Prefetch("memberships", seen)
