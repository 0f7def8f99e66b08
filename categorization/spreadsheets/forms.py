"""What people enter on the pages of spreadsheets."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from unfold.widgets import UnfoldAdminFileFieldWidget


class UploadForm(forms.Form):
    """An edited spreadsheet."""

    file = forms.FileField(
        label="Spreadsheet",
        help_text=".xlsx or .csv, at most 5 MB and 5,000 rows.",
        error_messages={"required": "Choose the file first."},
        allow_empty_file=True,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".xlsx,.csv"}),
    )


class SheetForm(forms.Form):
    """With whom a new sheet is shared, and where it is made."""

    share_with = forms.CharField(
        label="Share with",
        required=False,
        help_text="E-mail addresses with a Google account, one per line. They may edit.",
        widget=forms.Textarea(attrs={"rows": 3, "class": "ax-input"}),
    )
    into = forms.URLField(
        label="Use this empty sheet",
        required=False,
        assume_scheme="https",
        widget=forms.URLInput(
            attrs={"class": "ax-input", "placeholder": "https://docs.google.com/spreadsheets/d/…"}
        ),
    )

    def clean_share_with(self) -> list[str]:
        """The addresses. Raises ValidationError that names the one that is none."""
        found = [word for word in re.split(r"[\s,;]+", self.cleaned_data["share_with"]) if word]
        for email in found:
            _check(email)
        return found

    def clean(self) -> dict[str, Any]:
        """Somebody has to be able to open it."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors and not data["share_with"] and not data["into"]:
            self.add_error("share_with", "Enter at least one address: nobody could open the sheet otherwise.")
        return data


def _check(email: str) -> None:
    try:
        validate_email(email)
    except ValidationError:
        raise ValidationError(f'"{email}" is not an e-mail address.') from None
