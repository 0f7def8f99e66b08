"""Forms for people: sign-in by e-mail, and no role that the person who gives it lacks."""

from typing import Any

from django import forms
from unfold.forms import UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget

from tenants.models import Membership, Practice, Role, User
from tenants.roles import Right, practice_ids_with, roles_to_give

# In place of the framework's own words.
PLAIN = {
    "is_active": ("May sign in", "Switched off, the person stays in the history of what they did."),
    "is_superuser": ("Superuser", "May do everything in every practice, and see the queues."),
}


class NewUserForm(UserCreationForm):
    """A person, their first password, and, unless they work for every practice, their role in one.

    ``giver`` is the person at the keyboard: it decides which practices and roles can be chosen.
    """

    giver: Any = None
    practice = forms.ModelChoiceField(
        Practice.objects.across_practices().none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
        empty_label="No practice yet",
    )
    role = forms.ChoiceField(
        choices=[("", "No role yet"), *Role.choices], required=False, widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = User
        fields = ("email", "name")
        field_classes = {"email": forms.EmailField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        practice_ids = practice_ids_with(self.giver, Right.MANAGE_PEOPLE)
        practices = Practice.objects.across_practices()
        is_for_all = practice_ids is None
        self.fields["practice"].queryset = practices if is_for_all else practices.filter(pk__in=practice_ids)
        self.fields["practice"].required = self.fields["role"].required = not is_for_all

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].strip().lower()
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError("Somebody with this e-mail address exists already.")
        return email

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        practice, role = cleaned.get("practice"), cleaned.get("role")
        if bool(practice) != bool(role):
            self.add_error("role", "A practice and a role belong together: choose both or neither.")
        elif practice and role not in roles_to_give(self.giver, practice):
            self.add_error("role", "You may not give this role.")
        return cleaned

    def make_membership(self) -> None:
        """Give the role that was chosen, if one was."""
        if self.cleaned_data.get("practice"):
            Membership.objects.create(
                practice=self.cleaned_data["practice"], user=self.instance, role=self.cleaned_data["role"]
            )


class EditUserForm(UserChangeForm):
    """A person's name, e-mail address and company role."""

    class Meta:
        model = User
        fields = "__all__"
        field_classes = {"email": forms.EmailField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "company_role" in self.fields:
            self.fields["company_role"].required = False
        for name, (label, words) in PLAIN.items():
            if name in self.fields:
                self.fields[name].label, self.fields[name].help_text = label, words
