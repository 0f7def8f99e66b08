"""What people type on the review pages."""

import re
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm

MOST_AT_ONCE = 20
_BETWEEN = re.compile(r"[\s,;]+")


class SignInForm(AuthenticationForm):
    """E-mail address and password. The address is called ``username``: django-axes counts failures by it."""

    username = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    error_messages = {
        "invalid_login": "That e-mail address and password do not fit together, or the account is switched off.",
        "inactive": "This account is switched off.",
    }


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """A password of one's own, twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].label = "Password"
        self.fields["new_password2"].label = "The same once more"
        self.fields["new_password1"].widget.attrs["autofocus"] = True


class ForgottenForm(forms.Form):
    """Where to send a link."""

    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )


class SignOffForm(forms.Form):
    """The name under which a reviewer says that the types are right."""

    name = forms.CharField(
        label="Your name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )


class InviteForm(forms.Form):
    """E-mail addresses, however they are separated."""

    emails = forms.CharField(
        label="E-mail addresses",
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 3, "autocapitalize": "none", "spellcheck": "false"}),
    )

    def clean_emails(self) -> list[str]:
        found = list(
            dict.fromkeys(word.lower() for word in _BETWEEN.split(self.cleaned_data["emails"]) if word)
        )
        if len(found) > MOST_AT_ONCE:
            raise forms.ValidationError(f"At most {MOST_AT_ONCE} addresses at once.")
        return found
